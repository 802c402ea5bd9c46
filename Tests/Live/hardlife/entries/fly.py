"""Fly.io's secrets: the stand-in that does what is known of the Machines API.

Every host is a Machine that was just updated: it has what the app's secrets are in its environment. So a daemon that is
started anew reads what was stored before, and one that runs serves its own writes beside the environment of its start.
"""

from collections.abc import Callable
from pathlib import Path

import fly_backend
from entry import Entry, Lack, Refusal, refuses_settings
from faults import Fault, answer
from harness import Status, SystemTest
from servers import Process
from stage import secret_file

APP = "hard-life"
MACHINE = "m1"
#: A token that is over is refused as one that never was; the text is not passed on.
EXPIRED = Fault("expired", answer=answer("401 Unauthorized", '{"error":"token expired"}', "application/json"))


def shows_updates_only(test: SystemTest) -> None:
    """Another Machine has no record that was stored since its update, and all of them after the next."""
    with test.host().client() as one, test.host().client() as two:
        one.store("hosts", "c", b"value")
        test.assertEqual(one.get("hosts", "c", max_age_ms=0).credential, b"value")
        test.assert_fails(Status.NOT_FOUND, two.get, "hosts", "c", max_age_ms=0)
    with test.host().client() as third:
        test.assertEqual(third.get("hosts", "c").credential, b"value")
        test.assertTrue(third.delete("hosts", "c"))
    with test.host().client() as fourth:
        test.assert_fails(Status.NOT_FOUND, fourth.get, "hosts", "c")


class Fly(Entry):
    name = "fly"
    local_reads = True
    is_alone = True
    advice = {
        Status.UNAUTHENTICATED: "Check that the API token is whole and has not expired",
        Status.PERMISSION_DENIED: "Check that the API token is a deploy token of this app",
    }
    lacks = {
        "nodes": Lack("one address, behind which the service has its nodes", refuses_settings(
            "fly", "nodes: ['https://127.0.0.1:1']", "endpoints: ['https://127.0.0.1:1']")),
        "hosts": Lack("a Machine has what another one stores with its next update", shows_updates_only),
    }
    room = 48_638
    process: Process | None = None

    def start(self, folder: Path) -> None:
        self.folder = folder
        self.process, self.endpoint = fly_backend.start(folder)
        self.port = int(self.endpoint.rpartition(":")[2])
        self.apps: list[str] = []
        self.app(self.port)

    def stop(self) -> None:
        if self.process:
            self.process.stop()

    def app(self, port: int) -> str:
        """One for each way: each Store asks for a list of the app's secrets, which are tens of records as a rule."""
        name = APP if port == self.port else f"{APP}-{port}"
        if name not in self.apps:
            fly_backend.new_app(self.endpoint, name, MACHINE)
            self.apps.append(name)
        return name

    @property
    def env(self) -> dict[str, str]:
        """Of a Machine after an update, with what all apps have: each look at it is one."""
        found = {"FLY_MACHINE_ID": MACHINE}
        for app in list(self.apps):
            self.control("POST", f"update?app={app}&id={MACHINE}")
            machine = self.machine(app)
            found |= machine["environment"] | {"FLY_MACHINE_VERSION": machine["instance"]}
        return found

    def machine(self, app: str = APP) -> dict:
        return self.control("GET", f"machine?app={app}&id={MACHINE}")

    def control(self, method: str, path: str) -> dict:
        status, found, _ = fly_backend.call(self.endpoint, method, f"/_fake/{path}")
        assert status == 200, path
        return found

    def section(self, port: int | None = None, **changes: object) -> dict[str, object]:
        return {"type": "fly", "app": self.app(port or self.port), "api_url": f"http://127.0.0.1:{port or self.port}",
                "api_token_file": self.token("app", "app-token")} | changes

    def token(self, name: str, token: str) -> Path:
        return secret_file(self.folder / f"{name}-token", f"FlyV1 fm2_{token}\n")

    def name_of(self, user: str, connection: str) -> str:
        return f"CONNECTOR_{user}_{connection}"

    def put(self, name: str, text: str) -> None:
        status, _, _ = fly_backend.call(self.endpoint, "POST", f"/v1/apps/{APP}/secrets/{name}", {"value": text})
        assert status == 200, name

    def fetch(self, name: str) -> str | None:
        return self.control("GET", f"values?app={APP}").get(name)

    def foreign(self, user: str) -> list[str]:
        name = self.name_of(user, "c")
        return ["ANOTHER_PROGRAM", "CONNECTOR_README", f"CONNECTOR_{user}", f"CONNECTOR_{user}_", f"{name}_more"]

    def refused(self, kind: str) -> Refusal:
        if kind == "expired":
            tap = self.tap()
            tap.put(EXPIRED)
            return Refusal(self.section(tap.port), Status.UNAUTHENTICATED, "API token is not accepted; .* not expired", tap.lift)
        token, status, words = {
            "wrong": ("no-such-token", Status.UNAUTHENTICATED, "API token is not accepted; check that it is whole"),
            "forbidden": ("nobody-token", Status.PERMISSION_DENIED, "access was denied; check that the API token is for this app"),
            "reader": ("reader-token", Status.PERMISSION_DENIED, "access was denied; check that the API token is for this app"),
        }[kind]
        file = self.token(kind, token)
        return Refusal(self.section(api_token_file=file), status, words, lambda: self.token(kind, "app-token"), reloads=True)

    def lagging(self, test: SystemTest) -> tuple[dict[str, object], dict[str, str], Callable[[str, str], object]]:
        """The environment lags until the next update."""
        return self.section(), {}, lambda user, connection: self.machine()["environment"].get(self.name_of(user, connection))
