"""Azure Key Vault: the stand-in that Microsoft's own client passes its cases on."""

import http.client
import re
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import azure_interop
import azure_vault
import fake_azure
from azure.core.exceptions import ResourceNotFoundError
from entry import Entry, Lack, Refusal, refuses_settings
from faults import Fault, answer
from harness import Daemon, Status, SystemTest
from stage import secret_file

#: As Key Vault says it of a token that is over.
EXPIRED = Fault("expired", answer=answer(
    "401 Unauthorized", '{"error":{"code":"Unauthorized","message":"AKV10022: Invalid token"}}', "application/json",
    f'WWW-Authenticate: Bearer authorization="https://login.microsoftonline.com/{fake_azure.TENANT}", '
    f'resource="{fake_azure.RESOURCE}", error="invalid_token"'))


class Azure(Entry):
    name = "azure"
    advice = {
        Status.UNAUTHENTICATED: "Check that the application's secret, certificate or federated token is valid",
        Status.PERMISSION_DENIED: "Check that the daemon's identity has the role or the access policy",
    }
    lacks = {"nodes": Lack("one address, behind which the service has its nodes", refuses_settings(
        "azure", "nodes: ['https://127.0.0.1:1']", "endpoints: ['https://127.0.0.1:1']"))}
    room = 18_814

    def __init__(self) -> None:
        self.backend = azure_vault.Azure()

    def start(self, folder: Path) -> None:
        self.folder = self.certificates = folder
        self.backend.start(folder)
        self.place = self.backend.place
        self.port = int(self.place.address.rpartition(":")[2])
        self.client = self.place.vault(self.place.secret("app"))

    def stop(self) -> None:
        self.backend.stop()

    def section(self, port: int | None = None, client: str = "app", **changes: object) -> dict[str, object]:
        return {"type": "azure", "vault_url": f"https://127.0.0.1:{port or self.port}", "resource": fake_azure.RESOURCE,
                "tenant_id": fake_azure.TENANT, "client_id": client, "authority_host": self.place.address,
                "client_secret_file": self.folder / "client-secret", "ca_file": self.folder / "ca.pem"} | changes

    def name_of(self, user: str, connection: str) -> str:
        return azure_interop.name_of(azure_interop.PREFIX, user, connection)

    def put(self, name: str, text: str) -> None:
        self.client.set_secret(name, text)

    def fetch(self, name: str) -> str | None:
        try:
            return self.client.get_secret(name).value
        except ResourceNotFoundError:
            return None

    def spoil(self, test: SystemTest, daemon: Daemon, user: str, connection: str) -> Daemon:
        """The tags stay, by which a List knows it."""
        name = self.name_of(user, connection)
        before = self.client.get_secret(name).properties
        self.client.set_secret(name, self.garbage, tags=before.tags, content_type=before.content_type)
        return test.host()

    def foreign(self, user: str) -> list[str]:
        name = self.name_of(user, "c")
        return ["another-program", "c-README", f"{name}-more", f"{name}1"]

    def refused(self, kind: str) -> Refusal:
        if kind == "expired":
            tap = self.tap()
            tap.put(EXPIRED)
            return Refusal(self.section(tap.port), Status.UNAUTHENTICATED, "the token is not accepted", tap.lift)
        if kind == "wrong":
            file = secret_file(self.folder / "wrong-secret", "not-the-secret\n")
            return Refusal(self.section(client_secret_file=file), Status.UNAUTHENTICATED, "Microsoft Entra ID refused",
                           lambda: secret_file(file, fake_azure.SECRET + "\n"), reloads=True)
        role = {"forbidden": "nobody", "reader": "reader"}[kind]
        return Refusal(self.section(client=role), Status.PERMISSION_DENIED, "access was denied; check that the daemon's identity has the role",
                       lambda: self.place.control("roles", {role: sorted(fake_azure.APP)}))

    def lagging(self, test: SystemTest) -> tuple[dict[str, object], dict[str, str], Callable[[str, str], object]]:
        way = LaggingWay(self.port, ssl.create_default_context(cafile=str(self.folder / "ca.pem")), 0.6)
        test.addCleanup(way.stop)
        section = self.section() | {"vault_url": f"http://127.0.0.1:{way.server_port}"}
        token = self.place.secret("app").get_token(f"{fake_azure.RESOURCE}/.default").token
        headers = {"Authorization": f"Bearer {token}"}
        return section, {}, lambda user, connection: way.answer(
            "GET", f"/secrets/{self.name_of(user, connection)}?api-version=7.4", headers, b"")


class LaggingWay(ThreadingHTTPServer):
    """Answers reads of a secret for some time after a write as they were answered before it."""

    daemon_threads = True

    def __init__(self, port: int, trusted: ssl.SSLContext, lag: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port, self.trusted, self.lag = port, trusted, lag
        self.before: dict[str, tuple[float, tuple[int, bytes]]] = {}
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        name = found[1] if (found := re.match("/secrets/([^/?]+)", path)) else ""
        with self.lock:
            until, old = self.before.get(name, (0.0, None))
            if method == "GET" and time.monotonic() < until:
                return old
            if method in ("PUT", "DELETE"):
                if time.monotonic() >= until:
                    old = self.ask("GET", f"/secrets/{name}?api-version=7.4", {"Authorization": headers["Authorization"]}, b"")
                self.before[name] = (time.monotonic() + self.lag, old)
            return self.ask(method, path, headers, body)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=self.trusted)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LaggingWay

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, text = self.server.answer(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_PATCH = do_POST = do_DELETE = pass_on

    def log_message(self, *_: object) -> None: ...
