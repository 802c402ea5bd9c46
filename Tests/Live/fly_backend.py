"""The stand-in for Fly's Machines API, set up as the live tests of its vault expect it.

There is no official Python SDK of this API. So `STATEMENTS` takes what is known of it, line by line, from Fly's documentation,
its Go client and the API's description, and checks the stand-in against each line with plain HTTP, in the same run. What the
adapter sends is compared with what that Go client sends: `GO_CLIENT` has that as its source says it. Neither the client
nor the service itself runs in these tests.
"""

import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

from servers import Backend, Process, free_ports

HERE = Path(__file__).parent
TOKEN = "FlyV1 fm2_app-token"


def start(folder: Path) -> tuple[Process, str]:
    """The stand-in as a process of its own, and its address without a path."""
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    process = Process([sys.executable, str(HERE / "fake_fly.py"), str(port)], folder / "fly.log")
    try:
        process.wait_until(lambda: call(endpoint, "GET", "/_fake/")[0] == 200)
    except BaseException:
        process.stop()
        raise
    return process, endpoint


def call(endpoint: str, method: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, object, dict]:
    """Status, body and headers; 0 for no answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": token, "Content-Type": "application/json"}
    request = urllib.request.Request(endpoint + path, data, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"null"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null"), dict(error.headers)
    except OSError:
        return 0, None, {}


def new_app(endpoint: str, name: str, *machines: str) -> None:
    assert call(endpoint, "POST", f"/_fake/app?app={name}", {"machines": machines})[0] == 200


#: What is known, and a call that shows it: method, path below the app, body, status, and what the answer has.
STATEMENTS = [
    ("list: {secrets:[{name,digest,created_at,updated_at}]}", "GET", "/secrets", None, 200, lambda got: got == {"secrets": []}),
    ("set one: the secret and version", "POST", "/secrets/CONNECTOR_a_b", {"value": "x"}, 200,
     lambda got: set(got) == {"name", "digest", "created_at", "updated_at", "version"} and got["version"] == 1),
    ("values are not given to callers outside of the app's Machines", "GET", "/secrets?show_secrets=true&min_version=1", None, 200,
     lambda got: set(got["secrets"][0]) == {"name", "digest", "created_at", "updated_at"}),
    ("get one", "GET", "/secrets/CONNECTOR_a_b?min_version=1", None, 200, lambda got: got["name"] == "CONNECTOR_a_b"),
    ("set and unset many, with one new version for all", "POST", "/secrets",
     {"values": {"CONNECTOR_a_b": None, "B": "y", "C": "z"}}, 200,
     lambda got: got["version"] == 2 and [each["name"] for each in got["secrets"]] == ["B", "C"]),
    ("delete: {version}", "DELETE", "/secrets/B", None, 200, lambda got: got == {"version": 3}),
    ("to unset what is not there is no error, and gives the version", "DELETE", "/secrets/NEVER_THERE", None, 200,
     lambda got: set(got) == {"version"}),
    ("a secret that is not there is 404, with a text", "GET", "/secrets/B?min_version=3", None, 404, lambda got: set(got) == {"error"}),
    ("names are names of environment variables: no hyphen", "POST", "/secrets/a-b", {"value": "x"}, 400, lambda got: "error" in got),
    ("names do not begin with a digit", "POST", "/secrets/1a", {"value": "x"}, 400, lambda got: "error" in got),
    ("names differ by case", "POST", "/secrets/c", {"value": "x"}, 200, lambda got: got["name"] == "c"),
    ("a value is text", "POST", "/secrets/D", {"value": 7}, 400, lambda got: "error" in got),
]


def check_statements(endpoint: str) -> int:
    """How many hold; fails at the first that does not."""
    new_app(endpoint, "statements", "m1")
    for what, method, path, body, status, fits in STATEMENTS:
        got, answer, _ = call(endpoint, method, "/v1/apps/statements" + path, body)
        assert got == status and fits(answer), f"{what}: {got} {answer}"
    count = len(STATEMENTS)
    for what, holds in further_statements(endpoint):
        assert holds, what
        count += 1
    return count


def further_statements(endpoint: str) -> list[tuple[str, bool]]:
    def ask(method: str, path: str, body: object = None, token: str = TOKEN, app: str = "statements") -> tuple[int, object, dict]:
        return call(endpoint, method, f"/v1/apps/{app}{path}", body, token)

    def environment() -> dict:
        return call(endpoint, "GET", "/_fake/machine?app=statements&id=m1")[1]["environment"]

    before = environment()
    version = ask("POST", "/secrets/NEW", {"value": "n"})[1]["version"]
    staged = environment()
    (machine,) = ask("GET", "/machines")[1]
    update = {"config": machine["config"], "min_secrets_version": version, "current_version": machine["instance_id"]}
    updated = ask("POST", "/machines/m1", update)
    late = ask("POST", "/machines/m1", {"config": machine["config"], "min_secrets_version": version + 9})
    fixed = environment()
    lagging = [[each["name"] for each in ask("GET", f"/secrets{query}")[1]["secrets"]] for query in ("", f"?min_version={version}")]
    same, other = (ask("POST", "/secrets/NEW", {"value": value})[1]["digest"] for value in ("n", "o"))
    new_app(endpoint, "limited-statements")
    rates = [ask("GET", "/secrets", app="limited-statements") for _ in range(4)]
    return [
        ("a set never restarts anything: Machines keep their environment", before == staged == {}),
        ("an update of a Machine brings the secrets in", fixed.get("NEW") == "n"),
        ("an update fixes the secrets when it is asked for", environment() == fixed),
        ("a list may lag, and knows of min_version at least", "NEW" not in lagging[0] and "NEW" in lagging[1]),
        ("an update gives the Machine a new version", updated[1]["instance_id"] != machine["instance_id"]),
        ("a version of the secrets that is not there yet is 412", late[0] == 412),
        ("a Machine that somebody else has updated is 412", ask("POST", "/machines/m1", update)[0] == 412),
        ("the digest tells one value from another", same != other),
        ("an unknown token is 401", ask("GET", "/secrets", token="FlyV1 fm2_x")[0] == 401),
        ("a macaroon is FlyV1, another token Bearer", ask("GET", "/secrets", token="Bearer fm2_app-token")[0] == 401
         and ask("GET", "/secrets", token="Bearer oauth-token")[0] == 200),
        ("a token without the right is 403", ask("POST", "/secrets/X", {"value": "x"}, "FlyV1 fm2_reader-token")[0] == 403),
        ("an app that is not there is 404", ask("GET", "/secrets", app="nowhere")[0] == 404),
        ("more than a few calls a second are 429 with advice", [each[0] for each in rates] == [200, 200, 200, 429]
         and rates[3][2].get("retry-after") == "1"),
        ("each answer has fly-request-id", "fly-request-id" in rates[0][2]),
    ]


# What Coffer sends

#: What Fly's own Go client sends for the same operations: method, path, names in the query, and members of the body. Read from its
#: source (superfly/fly-go, flaps/flaps.go, flaps_secrets.go, flaps_machines.go, flaps_machines_wait.go, machine_types.go).
GO_CLIENT = {
    "list": ("GET", "/v1/apps/APP/secrets", {"version"}, set()),
    "set": ("POST", "/v1/apps/APP/secrets/NAME", set(), {"value"}),
    "unset": ("DELETE", "/v1/apps/APP/secrets/NAME", set(), set()),
    "machines": ("GET", "/v1/apps/APP/machines", set(), set()),
    "update": ("POST", "/v1/apps/APP/machines/ID", set(), {"config", "min_secrets_version", "skip_secrets"}),
    "wait": ("GET", "/v1/apps/APP/machines/ID/wait", {"version", "timeout", "state"}, set()),
}
#: Everything in which a request of Coffer's differs, and why.
DIFFERENCES = {
    ("list", "query"): "min_version, as the API's published description has it; the client's version is another name of it",
    ("update", "body"): "current_version in the place of a lease: an update by somebody else is refused, and nobody has to give "
                        "a lease back; skip_launch is always said, so that what is stopped stays so; the client says that secrets are "
                        "not left out, as is so without it",
    ("wait", "query"): "instance_id, as the documentation calls the version of a Machine",
} | {(name, "accept"): "asks for JSON, where the client says nothing" for name in GO_CLIENT}
_PATHS = [(re.compile(r"^(/v1/apps/)[^/]+"), r"\1APP"), (re.compile(r"(?<=/secrets/)\w+$", re.ASCII), "NAME"),
          (re.compile(r"(?<=/machines/)[a-z0-9]+"), "ID")]


def operation(request: dict) -> tuple[str, str]:
    """Method and path, without what differs from call to call."""
    path = request["path"]
    for pattern, name in _PATHS:
        path = pattern.sub(name, path)
    return request["method"], path


def compare(requests: list[dict]) -> int:
    """Coffer's requests with the client's. Raises AssertionError."""
    names = {(method, path): name for name, (method, path, _, _) in GO_CLIENT.items()}
    ours: dict[str, tuple[set, set]] = {}
    for each in requests:
        assert operation(each) in names, f"the client has no {operation(each)}"
        headers, body = each["headers"], json.loads(each["body"]) if each["body"] else {}
        scheme, _, tokens = headers["authorization"].partition(" ")
        assert (scheme == "FlyV1") == ("fm2_" in tokens) and scheme in ("FlyV1", "Bearer"), scheme
        # Both send the type of a body, and of nothing else.
        assert headers.get("content-type") == ("application/json" if body else None), headers
        queries, bodies = ours.setdefault(names[operation(each)], (set(), set()))
        queries |= set(each["query"])
        bodies |= set(body)
    assert ours.keys() == GO_CLIENT.keys(), f"not seen: {GO_CLIENT.keys() - ours.keys()}"
    found = {(name, "accept") for name in ours} if all(
        each["headers"].get("accept") == "application/json" for each in requests) else set()
    for name, (query, body) in ours.items():
        _, _, their_query, their_body = GO_CLIENT[name]
        found |= {(name, "query")} if query != their_query else set()
        found |= {(name, "body")} if body != their_body else set()
    assert found <= DIFFERENCES.keys(), f"differences that nobody has argued: {sorted(found - DIFFERENCES.keys())}"
    assert DIFFERENCES.keys() <= found, f"differences that there are no more: {sorted(DIFFERENCES.keys() - found)}"
    return len(ours)


class Fly(Backend):
    name = "fly"
    folder_of_tests = "Fly"
    process: Process | None = None

    def start(self, folder: Path) -> dict[str, str]:
        self.process, self.endpoint = start(folder)
        return {"COFFER_LIVE_FLY_ENDPOINT": self.endpoint}

    def before(self) -> None:
        print(f"fly: the stand-in does what {check_statements(self.endpoint)} statements about the API say")

    def after(self) -> None:
        """What the adapter has sent is what Fly's own client sends, but for what is argued."""
        asked = [each for each in call(self.endpoint, "GET", "/_fake/requests")[1] if each["path"].startswith("/v1/apps/live-")]
        print(f"fly: {len(asked)} requests of the adapter, of {compare(asked)} operations, are those of Fly's Go client, but for "
              f"{len(DIFFERENCES)} differences that are argued")

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()
