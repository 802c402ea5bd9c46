"""Workers KV: the stand-in that Cloudflare's own client passes its cases on."""

from collections.abc import Callable
from pathlib import Path

import cloudflare_backend
import cloudflare_sdk
import fake_cloudflare
from entry import Entry, Lack, Refusal, refuses_settings
from harness import Status, SystemTest
from servers import Process
from stage import secret_file


class Cloudflare(Entry):
    name = "cloudflare"
    advice = {
        Status.UNAUTHENTICATED: "Check that the API token is whole, active and not expired",
        Status.PERMISSION_DENIED: "may edit Workers KV Storage",
    }
    lacks = {"nodes": Lack("one address, behind which the service has its nodes", refuses_settings(
        "cloudflare", "nodes: ['https://127.0.0.1:1']", "endpoints: ['https://127.0.0.1:1']"))}
    longest_ids = {"u": 250, "ü": 125}
    limit_of_names = "at most 512"
    process: Process | None = None

    def start(self, folder: Path) -> None:
        self.folder = folder
        self.process, self.endpoint = cloudflare_backend.start(folder)
        self.port = int(self.endpoint.rpartition(":")[2])
        self.fake = cloudflare_sdk.Fake(self.endpoint, fake_cloudflare.ACCOUNT)
        self.sdk = cloudflare_sdk.KV(self.fake, {"name": "hard life"})

    def stop(self) -> None:
        if self.process:
            self.process.stop()

    def section(self, port: int | None = None, **changes: object) -> dict[str, object]:
        return {"type": "cloudflare", "api_url": f"http://127.0.0.1:{port or self.port}/client/v4", "account_id": fake_cloudflare.ACCOUNT,
                "kv_namespace": self.sdk.namespace, "api_token_file": self.token("app", "app-token")} | changes

    def token(self, name: str, token: str) -> Path:
        return secret_file(self.folder / f"{name}-token", token + "\n")

    def name_of(self, user: str, connection: str) -> str:
        return self.sdk.key(user, connection)

    def put(self, name: str, text: str) -> None:
        self.sdk.write(name, text)

    def fetch(self, name: str) -> str | None:
        return read(self.sdk, name)

    def foreign(self, user: str) -> list[str]:
        return ["another:program", "connectors", f"connectors:{user}", f"connectors:{user}:c:deeper", f"connectors:{user}x:"]

    def refused(self, kind: str) -> Refusal:
        token, status, words = {
            "wrong": ("no-such-token", Status.UNAUTHENTICATED, "API token is not accepted; check that it is whole"),
            "expired": ("expired-token", Status.UNAUTHENTICATED, "API token is not accepted; .* not expired"),
            "forbidden": ("nobody-token", Status.PERMISSION_DENIED, "access was denied; .* permissions"),
            "reader": ("kv-reader-token", Status.PERMISSION_DENIED, "access was denied; .* permissions"),
        }[kind]
        file = self.token(kind, token)
        return Refusal(self.section(api_token_file=file), status, words, lambda: self.token(kind, "app-token"), reloads=True)

    def lagging(self, test: SystemTest) -> tuple[dict[str, object], dict[str, str], Callable[[str, str], object]]:
        sdk = cloudflare_sdk.KV(self.fake, {"name": "lag", "namespace": self.fake.namespace("lag-1")})
        return self.section(kv_namespace=sdk.namespace), {}, lambda user, connection: read(sdk, sdk.key(user, connection))


def read(sdk: cloudflare_sdk.KV, name: str) -> str | None:
    answer = sdk.kv.bulk_get(keys=[name], type="text", **sdk.ids)
    return answer.values[name]
