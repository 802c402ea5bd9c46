"""Google Secret Manager: the stand-in that Google's own client passes its cases on."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

import google_cloud
import google_interop
import secret_manager
from entry import Entry, Lack, Refusal, refuses_settings
from faults import Fault, answer
from google.api_core.exceptions import NotFound
from harness import Status, SystemTest
from stage import secret_file

#: As Google says it of a token that is over.
EXPIRED = Fault("expired", answer=answer("401 Unauthorized", json.dumps({"error": {
    "code": 401, "status": "UNAUTHENTICATED", "message": "Request had invalid authentication credentials.",
    "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_EXPIRED", "domain": "googleapis.com"}],
}}), "application/json"))


class GCP(Entry):
    name = "gcp"
    advice = {
        Status.UNAUTHENTICATED: "Check that the service account, key or federation",
        Status.PERMISSION_DENIED: "service account has the role in the manual",
    }
    lacks = {"nodes": Lack("one address, behind which the service has its nodes", refuses_settings(
        "gcp", "nodes: ['https://127.0.0.1:1']", "endpoints: ['https://127.0.0.1:1']"))}
    room = 65_086

    def __init__(self) -> None:
        self.backend = google_cloud.Google()

    def start(self, folder: Path) -> None:
        self.folder = folder
        self.backend.start(folder)
        self.port = int(self.backend.endpoint.rpartition(":")[2])
        self.secrets = google_interop.SDK(self.backend.endpoint, google_interop.account(folder, "admin")).client

    def stop(self) -> None:
        self.backend.stop()

    def section(self, port: int | None = None, **changes: object) -> dict[str, object]:
        return {"type": "gcp", "endpoint": f"http://127.0.0.1:{port or self.port}", "token_endpoint": self.backend.endpoint,
                "project": secret_manager.PROJECT, "credentials_file": self.folder / "app.json"} | changes

    def name_of(self, user: str, connection: str) -> str:
        return google_interop.name_of(google_interop.PREFIX, user, connection)

    def put(self, name: str, text: str) -> None:
        parent = f"projects/{secret_manager.PROJECT}"
        payload = {"data": text.encode()}
        try:
            self.secrets.add_secret_version(parent=f"{parent}/secrets/{name}", payload=payload)
        except NotFound:
            self.secrets.create_secret(parent=parent, secret_id=name, secret={"replication": {"automatic": {}}})
            self.secrets.add_secret_version(parent=f"{parent}/secrets/{name}", payload=payload)

    def fetch(self, name: str) -> str | None:
        path = f"projects/{secret_manager.PROJECT}/secrets/{name}/versions/latest"
        try:
            return self.secrets.access_secret_version(name=path).payload.data.decode()
        except NotFound:
            return None

    def foreign(self, user: str) -> list[str]:
        name = self.name_of(user, "c")
        return ["another-program", "ai2-connectors-README", f"{name}-more", f"{name}_1"]

    def refused(self, kind: str) -> Refusal:
        if kind == "expired":
            tap = self.tap()
            tap.put(EXPIRED)
            return Refusal(self.section(tap.port), Status.UNAUTHENTICATED, "access token is not accepted", tap.lift)
        role = {"wrong": "app", "forbidden": "nobody", "reader": "reader"}[kind]
        file = self.folder / f"refused-{kind}.json"
        key = json.loads((self.folder / f"{role}.json").read_text())
        if kind == "wrong":
            google_cloud.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(self.folder / "other.pem"))
            key["private_key"] = (self.folder / "other.pem").read_text()
        secret_file(file, json.dumps(key))
        status, words = {
            "wrong": (Status.UNAUTHENTICATED, "Google credentials: "),
            "forbidden": (Status.PERMISSION_DENIED, "access was denied; check that the daemon's account has the role"),
            "reader": (Status.PERMISSION_DENIED, "access was denied; check that the daemon's account has the role"),
        }[kind]
        # What an account may do is fixed there: another one takes its place.
        return Refusal(self.section(credentials_file=file), status, words, lambda: secret_file(file, (self.folder / "app.json").read_text()), reloads=True)

    def lagging(self, test: SystemTest) -> tuple[dict[str, object], dict[str, str], Callable[[str, str], object]]:
        self.lag(0.6)
        test.addCleanup(self.lag, 0)
        return self.section(), {}, lambda user, connection: self.fetch(self.name_of(user, connection))

    def lag(self, seconds: float) -> None:
        request = urllib.request.Request(f"{self.backend.endpoint}/_control/lag", data=json.dumps({"seconds": seconds}).encode())
        urllib.request.urlopen(request, timeout=10).close()
