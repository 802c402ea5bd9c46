#!/usr/bin/env python3
"""A stand-in for Fly's Machines API: the secrets of apps, and their Machines, as far as a vault uses them.

    python3 Tests/Live/fake_fly.py PORT

There is no emulator of this API, and no official Python SDK. What it answers is what Fly's documentation, its Go client and
the API's published description say; `fly_backend.py` checks it against those statements, one by one.

It is as unkind as the API may be. Answers come from a replica that has seen nothing of the app's last writes unless
`min_version` asks for them; an update of a Machine fixes the secrets when it is asked for, and those of the replica unless
`min_secrets_version` asks for newer ones; the Machine runs as of it when it has started, some time later.

What only tests need is below `/_fake/`: POST `/_fake/plan` gives answers first or loses them, GET `/_fake/requests` has what
was asked, GET `/_fake/machine` the environment that a Machine's last update has fixed; POST `/_fake/update` does what `fly deploy`
does later, when the replica knows all.
"""

import hashlib
import json
import re
import secrets
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

#: What each token may do; one that is not here is not accepted. Macaroons come as "FlyV1", others as "Bearer".
TOKENS = {
    "FlyV1 fm2_app-token": {"read", "write"},
    "Bearer oauth-token": {"read", "write"},
    "FlyV1 fm2_reader-token": {"read"},
    "FlyV1 fm2_nobody-token": set(),
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Refusal(Exception):
    """An answer of the API's that is no success."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Secret:
    value: str
    created: str
    updated: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"digest" + self.value.encode()).hexdigest()[:16]

    def shown(self, name: str) -> dict:
        return {"name": name, "digest": self.digest, "created_at": self.created, "updated_at": self.updated}


@dataclass
class Machine:
    #: Seconds until an updated Machine runs.
    START = 0.2

    id: str
    config: dict
    state: str = "started"
    instance: str = ""
    #: When it runs as of its last update.
    runs: float = 0
    #: What its last update has fixed: a plain restart gives the same again.
    environment: dict[str, str] = field(default_factory=dict)

    def shown(self) -> dict:
        return {"id": self.id, "name": f"name-{self.id}", "state": self.state, "region": "ams", "instance_id": self.instance,
                "config": self.config, "created_at": now()}


@dataclass
class App:
    secrets: dict[str, Secret] = field(default_factory=dict)
    #: One counter for all of its secrets.
    version: int = 0
    #: What a replica of the API knows of both.
    replica: tuple[int, dict[str, Secret]] = (0, {})
    machines: dict[str, Machine] = field(default_factory=dict)
    #: When which action was done: one a second, three at once. Only of apps whose names begin with "limited".
    actions: dict[str, list[float]] = field(default_factory=dict)

    def catch_up(self) -> None:
        """Time has passed: the replica knows all."""
        self.replica = (self.version, dict(self.secrets))

    def known(self, version: int) -> dict[str, Secret]:
        """The oldest secrets that one may get who asks for this version at least."""
        return self.replica[1] if version <= self.replica[0] else self.secrets

    def update(self, machine: Machine, version: int | None = None) -> None:
        """Gives the Machine a new version, and with it what the app's secrets are; None = long after the last write."""
        if version is None:
            self.catch_up()
        machine.instance = "01" + secrets.token_hex(12).upper()
        machine.environment = {name: secret.value for name, secret in self.known(version or 0).items()}
        machine.runs = time.monotonic() + Machine.START


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict:
        try:
            found = json.loads(self.body)
        except ValueError:
            raise Refusal(400, "could not parse the body") from None
        if not isinstance(found, dict):
            raise Refusal(400, "expected an object")
        return found


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    #: Closes the connection in place of an answer.
    is_lost: bool = False


@dataclass
class Plan:
    """What happens to the next calls that fit."""

    match: str
    times: int
    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    #: Seconds before anything is done, and before the answer.
    delay: float = 0
    delay_answer: float = 0
    #: "" = as planned; "lost" = done, without an answer; "dropped" = neither done nor answered; "late" = without an answer, and
    #: done `delay_answer` later.
    act: str = ""


class API:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.apps: dict[str, App] = {}
        self.plans: list[Plan] = []
        self.requests: list[dict] = []

    def answer(self, request: Request) -> Answer:
        if request.path.startswith("/_fake"):
            with self.lock:
                return self.control(request)
        plan = self.planned(request)
        if plan is not None:
            time.sleep(plan.delay)
            if plan.act == "late":
                threading.Timer(plan.delay_answer, self.carry_out, [request]).start()
            if plan.act in ("dropped", "late"):
                return Answer(0, b"", is_lost=True)
            if plan.status:
                return Answer(plan.status, plan.body.encode(), plan.headers)
        answer = self.carry_out(request)
        if plan is not None:
            time.sleep(plan.delay_answer)
            answer.is_lost = plan.act == "lost"
        answer.headers["fly-request-id"] = secrets.token_hex(8)
        return answer

    def carry_out(self, request: Request) -> Answer:
        with self.lock:
            try:
                return self.call(request)
            except Refusal as refusal:
                return Answer(
                    refusal.status, json.dumps({"error": refusal.message}).encode(),
                    {name.replace("_", "-"): value for name, value in refusal.headers.items()})

    def planned(self, request: Request) -> Plan | None:
        line = f"{request.method} {request.path}"
        with self.lock:
            self.requests.append({
                "method": request.method, "path": request.path, "query": request.query, "headers": request.headers,
                "body": request.body.decode(errors="replace")})
            for plan in self.plans:
                if re.search(plan.match, line):
                    plan.times -= 1
                    if plan.times <= 0:
                        self.plans.remove(plan)
                    return plan
        return None

    # For tests

    def control(self, request: Request) -> Answer:
        name = request.query.get("app", "")
        match (request.method, request.path.removeprefix("/_fake/")):
            case ("GET", ""):
                return success({})
            case ("POST", "app"):
                self.apps[name] = App()
                for id in request.json().get("machines", []):
                    machine = Machine(id, {"image": "img", "guest": {"cpus": 1, "memory_mb": 256}})
                    self.apps[name].machines[id] = machine
                    self.apps[name].update(machine)
                return success({})
            case ("POST", "plan"):
                self.plans.append(Plan(**request.json()))
                return success({})
            case ("GET", "requests"):
                return success(self.requests)
            case ("GET", "values"):
                return success({name: secret.value for name, secret in self.apps[name].secrets.items()})
            case ("GET", "machine"):
                machine = self.apps[name].machines[request.query["id"]]
                return success({"environment": machine.environment, "instance": machine.instance})
            case ("POST", "update"):
                app = self.apps[name]
                app.update(app.machines[request.query["id"]])
                return success({})
        return Answer(404, b"")

    # The API

    def call(self, request: Request) -> Answer:
        rights = TOKENS.get(request.headers.get("authorization", ""))
        if rights is None:
            raise Refusal(401, "unauthorized")
        match = re.fullmatch(r"/v1/apps/([^/]+)(/(secrets|machines)(?:/([^/]+)(/wait)?)?)", request.path)
        if match is None:
            raise Refusal(404, "no such route")
        app = self.apps.get(unquote(match[1]))
        if ("read" if request.method == "GET" else "write") not in rights:
            raise Refusal(403, "forbidden")
        if app is None:
            raise Refusal(404, f"app not found: {match[1]}")
        if match[1].startswith("limited"):
            self.count(app, f"{request.method} {match[3]}")
        if match[3] == "machines":
            return self.machine(app, request, match[4], match[5])
        return self.secret(app, request, match[4] and unquote(match[4]))

    @staticmethod
    def count(app: App, action: str) -> None:
        times = [each for each in app.actions.get(action, []) if each > time.monotonic() - 3]
        if len(times) >= 3:
            raise Refusal(429, "rate limit exceeded", retry_after="1")
        app.actions[action] = times + [time.monotonic()]

    def secret(self, app: App, request: Request, name: str | None) -> Answer:
        for parameter in ("min_version", "version"):
            if not request.query.get(parameter, "0").isdecimal():
                raise Refusal(400, f"{parameter} is not a number")
        least = max(int(request.query.get(parameter, "0")) for parameter in ("min_version", "version"))
        if least > app.version:
            raise Refusal(412, "min_version is not yet available on this app")
        known = app.known(least)
        match (request.method, name is not None):
            case ("GET", False):
                return success({"secrets": [secret.shown(name) for name, secret in sorted(known.items())]})
            case ("GET", True):
                if (secret := known.get(name)) is None:
                    raise Refusal(404, f"secret not found: {name}")
                return success(secret.shown(name))
            case ("POST", True):
                value = request.json().get("value")
                self.change(app, {name: value})
                return success(app.secrets[name].shown(name) | {"version": app.version})
            case ("POST", False):
                values = request.json().get("values")
                if not isinstance(values, dict) or not values:
                    raise Refusal(400, "values are missing")
                self.change(app, values, may_unset=True)
                shown = [app.secrets[name].shown(name) for name in values if name in app.secrets]
                return success({"secrets": shown, "version": app.version})
            case ("DELETE", True):
                self.change(app, {name: None}, may_unset=True)
                return success({"version": app.version})
        raise Refusal(405, "method not allowed")

    @staticmethod
    def change(app: App, values: dict, may_unset: bool = False) -> None:
        """All of them with one new version, or none."""
        for name, value in values.items():
            if not NAME.fullmatch(name):
                raise Refusal(400, f"invalid secret name: {name}")
            if not isinstance(value, str) and not (may_unset and value is None):
                raise Refusal(400, "value must be a string")
        for name, value in values.items():
            if value is None:
                app.secrets.pop(name, None)
            else:
                created = app.secrets[name].created if name in app.secrets else now()
                app.secrets[name] = Secret(value, created, now())
        app.version += 1

    def machine(self, app: App, request: Request, id: str | None, wait: str | None) -> Answer:
        if id is None:
            return success([machine.shown() for machine in app.machines.values()])
        if (machine := app.machines.get(id)) is None:
            raise Refusal(404, "machine not found")
        if request.method == "GET":
            if wait:
                self.wait_until_it_runs(machine, request)
            return success({"ok": True} if wait else machine.shown())
        body = request.json()
        if not isinstance(body.get("config"), dict) or "image" not in body["config"]:
            raise Refusal(400, "config is missing")
        if body.get("current_version", machine.instance) != machine.instance:
            raise Refusal(412, "machine_version mismatch")
        least = body.get("min_secrets_version", 0)
        if least > app.version:
            raise Refusal(412, "min_secrets_version is not yet available on this app")
        machine.config = body["config"]
        machine.state = "stopped" if body.get("skip_launch") else "starting"
        app.update(machine, least)
        return success(machine.shown())

    @staticmethod
    def wait_until_it_runs(machine: Machine, request: Request) -> None:
        """Without the time that it takes: what is not so yet is so when the answer is there."""
        if request.query.get("instance_id") != machine.instance:
            raise Refusal(400, "instance_id is not that of the machine")
        if machine.state == "stopped" or float(request.query.get("timeout", "60")) < Machine.START:
            raise Refusal(408, "deadline exceeded")
        time.sleep(max(0, machine.runs - time.monotonic()))
        machine.state = request.query.get("state", "started")


def success(body: object) -> Answer:
    return Answer(200, json.dumps(body).encode())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: API

    def handle_one(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.api.answer(Request(self.command, url.path, query, headers, body))
        if answer.is_lost:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in ({"content-type": "application/json"} | answer.headers).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_DELETE = handle_one  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        """Nothing: paths have the ids of records in them."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> int:
    Handler.api = API()
    with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
