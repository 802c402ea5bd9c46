"""What goes to etcd's JSON gateway for each operation, beside what etcd3gw sends for it, the gateway's client for Python: etcd's
own clients speak gRPC, into which the gateway turns both."""

import json
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from etcd import PREFIX, Node
from etcd3gw.client import Etcd3Client
from etcd3gw.lease import Lease
from harness import SystemTest, eventually
from servers import free_ports
from stage import configuration, new_daemon
from tap import Tap

#: Headers that mean something to the gateway. Of the others, Coffer accepts no compressed answer, so that no secret is
#: compressed beside others' text; the rest is the HTTP library's.
MEANINGFUL = ("content-type", "grpc-metadata-hasleader", "grpc-timeout")
#: Everything in which a request of Coffer's differs from etcd3gw's, by operation (`*` = each) and place, and why.
DIFFERENCES = {
    ("*", "number as text"): "as the gateway writes 64 bits: beyond 2^53 a JSON number may become another one",
    ("create", "content-type"): "etcd3gw leaves it out of transactions; the gateway takes every body for JSON",
    ("create", "failure"): "what is there is asked for in the same call, so that a refusal is understood without another",
    ("expiring", "TTL"): "the lease is the sweeper; the record's own expiry, to the millisecond, is in its value",
    ("expiring", "ID"): "of Coffer's own: a repeated grant makes no second lease",
    ("list", "sort_order"): "0 is the default: records come in the order of their keys",
    ("list", "sort_target"): "0 is the default",
    ("read", "sort_order"): "0 is the default",
    ("read", "sort_target"): "0 is the default",
    ("remove", "path"): "in a transaction that compares what was read: a copy that comes late removes nothing newer",
    ("remove", "body"): "the same",
    ("watch", "grpc-metadata-hasleader"): "a member that is cut off from the others ends the watch, instead of being silent",
    ("watch", "grpc-timeout"): "a watch that nobody ends, ends: a member keeps none of a daemon that is gone",
    ("watch", "create_request.fragment"): "many changes at once come in parts of 1.5 MiB",
    ("watch", "create_request.progress_notify"): "a watch without changes shows that it lives",
}


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: dict[str, object]


def requests_in(sent: bytes) -> list[Request]:
    """Of one connection. All are POSTs with a length; the last one may not be whole."""
    found = []
    for head in re.finditer(rb"POST /v3/(\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n", sent, re.DOTALL):
        lines = [line.split(":", 1) for line in head[2].decode().split("\r\n")]
        headers = {name.lower(): value.strip() for name, value in lines}
        size = int(headers["content-length"])
        body = sent[head.end():head.end() + size]
        if len(body) == size:
            found.append(Request(head[1].decode(), headers, json.loads(body)))
    return found


def leaves(value: object, place: str = "") -> Iterator[tuple[str, object]]:
    """Each with the names that lead to it."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from leaves(inner, place)
    else:
        yield place, value


def differences(operation: str, ours: Request, theirs: Request) -> set[tuple[str, str]]:
    found = {(operation, name) for name in MEANINGFUL if ours.headers.get(name) != theirs.headers.get(name)}
    if ours.path != theirs.path:
        return found | {(operation, "path"), (operation, "body")}
    one, other = dict(leaves(ours.body)), dict(leaves(theirs.body))
    for place in one.keys() | other.keys():
        # Each has a value of its own.
        if place.endswith("request_put.value") and place in one and place in other or one.get(place) == other.get(place):
            continue
        if place in one and place in other and str(one[place]) == str(other[place]):
            found.add(("*", "number as text"))
        else:
            found.add((operation, place.split(".")[0] if place.startswith("failure") else place))
    return found


class Requests(SystemTest):
    time_limit = 90

    def setUp(self) -> None:
        super().setUp()
        folder = Path(tempfile.mkdtemp(prefix="coffer-etcd-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        ports = free_ports(2)
        node = Node(folder, "one", (ports[0], ports[1]), "", [])
        self.addCleanup(node.process.stop)
        node.wait()
        self.tap = Tap(ports[0])
        self.addCleanup(self.tap.close)
        key = folder / "root.key"
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(32) + "\n")
        vault = {"type": "etcd", "endpoints": [f"http://127.0.0.1:{self.tap.port}"]}
        self.daemon = new_daemon(configuration({"main": vault}, f"key: {{file: {key}}}"))
        self.addCleanup(self.daemon.dispose)

    def all_sent(self) -> list[list[Request]]:
        return [requests_in(sent) for sent in self.tap.each_sent]

    def sent(self, path: str, run: Callable[[], object], place: str = "") -> Request:
        """The first request to this path since then, with this in it."""
        before = [len(requests) for requests in self.all_sent()]
        run()
        found: list[Request] = []

        def has_come() -> bool:
            for index, requests in enumerate(self.all_sent()):
                new = requests[before[index] if index < len(before) else 0:]
                found.extend(request for request in new if request.path == path and place in json.dumps(request.body))
            return bool(found)

        eventually(f"a request to {path}", 10, has_come)
        return found[0]

    def test_requests_are_those_of_a_client_of_the_gateway_but_for_what_is_argued(self) -> None:
        name, end = PREFIX + "u/c", PREFIX + "u0"
        with self.daemon.client() as client:
            ours = {
                "create": self.sent("kv/txn", lambda: client.store("u", "c", b"s")),
                "read": self.sent("kv/range", lambda: client.get("u", "c", max_age_ms=0), "YWkyLWNvbm5lY3RvcnMvdS9j"),
                "list": self.sent("kv/range", lambda: client.list("u", page_size=7), "range_end"),
                "remove": self.sent("kv/txn", lambda: client.delete("u", "c")),
                "expiring": self.sent("lease/grant", lambda: client.store("u", "d", b"s", ttl_seconds=60)),
                "watch": next(request for sent in self.all_sent() for request in sent if request.path == "watch"),
            }
        gateway = Etcd3Client("127.0.0.1", self.tap.port, api_path="/v3/")
        limit = ours["list"].body["limit"]

        def watch() -> None:
            _, cancel = gateway.watch_prefix(PREFIX)
            cancel()

        theirs = {
            "create": self.sent("kv/txn", lambda: gateway.create(name, "s")),
            "read": self.sent("kv/range", lambda: gateway.get(name)),
            "list": self.sent("kv/range", lambda: gateway.get(PREFIX + "u/", range_end=end, limit=int(str(limit)))),
            "remove": self.sent("kv/deleterange", lambda: gateway.delete(name)),
            "expiring": self.sent("lease/grant", lambda: gateway.lease(60)),
            "watch": self.sent("watch", watch),
        }
        found = set().union(*(differences(operation, ours[operation], theirs[operation]) for operation in ours))
        self.assertEqual(found - DIFFERENCES.keys(), set(), "differences that nobody has argued")
        self.assertEqual(DIFFERENCES.keys() - found, set(), "differences that there are no more")
