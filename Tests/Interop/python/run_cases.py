"""Runs the cases of ../cases.txt against a live daemon with an empty vault.

Prints a line for each failing case and at the end "N passed, N failed".
"""

import argparse
import pathlib
import sys
import time
import urllib.parse

from plain_client import CofferClient, CofferError
from coffer_protocol import MESSAGES, STATUS_NAMES, default_socket

SOURCES = {1: "memory", 2: "vault", 3: "stale"}


class Mismatch(Exception):
    """An expectation that does not hold."""


def fill(count):
    return bytes((index * 31 + 7) % 256 for index in range(count))


def unescape(value):
    return urllib.parse.unquote_to_bytes(value)


def text(value):
    return unescape(value).decode("utf-8", "strict")


class Tokens:
    """key=value tokens; every one must be used."""

    def __init__(self, tokens):
        self.values = dict(token.split("=", 1) for token in tokens)
        if len(self.values) != len(tokens):
            raise ValueError("a key appears twice")

    def take(self, key, default=None):
        return self.values.pop(key, default)

    def take_prefixed(self, prefix):
        """A dictionary of the keys that begin so, without the prefix."""
        keys = [key for key in self.values if key.startswith(prefix)]
        return {text(key.removeprefix(prefix)): text(self.values.pop(key)) for key in keys}

    def done(self):
        if self.values:
            raise ValueError(f"unknown keys: {', '.join(self.values)}")


def expect(name, expected, actual):
    if expected != actual:
        raise Mismatch(f"{name}: expected {expected!r}, got {actual!r}")


def describe(data):
    return f"{len(data)} bytes" if len(data) > 64 else data


class Runner:
    def __init__(self, client):
        self.client = client
        self.versions = {}

    def version(self, value):
        return self.versions[value[1:]] if value.startswith("@") else text(value)

    def credential(self, tokens):
        """The value= or fill= of a request or expectation; None if neither."""
        value, count = tokens.take("value"), tokens.take("fill")
        if value is not None:
            return unescape(value)
        return None if count is None else fill(int(count))

    def key(self, tokens):
        return {"user_id": text(tokens.take("user")), "connection_id": text(tokens.take("conn"))}

    def keys(self, value):
        pairs = [pair.split(":") for pair in value.split(",")] if value else []
        return [{"user_id": text(user), "connection_id": text(connection)} for user, connection in pairs]

    # Each method sends one call and returns a function that checks its answer.

    def store(self, tokens):
        request = {**self.key(tokens), "credential": self.credential(tokens) or b""}
        request["labels"] = tokens.take_prefixed("label.")
        if (ttl := tokens.take("ttl")) is not None:
            request["ttl_seconds"] = int(ttl)
        if (version := tokens.take("if_version")) is not None:
            request["if_version"] = self.version(version)
        if tokens.take("if_absent") == "1":
            request["if_absent"] = True
        tokens.done()
        response = self.client.call("Store", **request)
        return lambda wanted: self.check_store(wanted, response)

    def check_store(self, wanted, response):
        if (name := wanted.take("save")) is not None:
            self.versions[name] = response.version
        expect("the version's length is 1 to 128", True, 1 <= len(response.version.encode()) <= 128)
        expect("created before updated", True, response.created_at_ms <= response.updated_at_ms)

    def get(self, tokens):
        request = self.key(tokens)
        if (max_age := tokens.take("max_age")) is not None:
            request["max_age_ms"] = int(max_age)
        tokens.done()
        response = self.client.call("Get", **request)
        return lambda wanted: self.check_get(wanted, response)

    def check_get(self, wanted, response):
        credential = self.credential(wanted)
        if credential is not None and credential != response.credential:
            raise Mismatch(f"credential: expected {describe(credential)}, got {describe(response.credential)}")
        if (version := wanted.take("version")) is not None:
            expect("version", self.version(version), response.version)
        if (count := wanted.take("labels")) is not None:
            expect("labels", int(count), len(response.labels))
        for name, value in wanted.take_prefixed("label.").items():
            expect(f"label {name}", value, response.labels[name] if name in response.labels else None)
        if (source := wanted.take("source")) is not None:
            expect("source", source, SOURCES.get(response.source))
        if (expires := wanted.take("expires")) is not None:
            expect("expires", expires, str(int(response.expires_at_ms != 0)))

    def delete(self, tokens):
        request = self.key(tokens)
        if (version := tokens.take("if_version")) is not None:
            request["if_version"] = self.version(version)
        tokens.done()
        response = self.client.call("Delete", **request)
        return lambda wanted: self.check_delete(wanted, response)

    def check_delete(self, wanted, response):
        if (existed := wanted.take("existed")) is not None:
            expect("existed", existed, "true" if response.existed else "false")

    def getmany(self, tokens):
        request = {"keys": self.keys(tokens.take("keys"))}
        if (max_age := tokens.take("max_age")) is not None:
            request["max_age_ms"] = int(max_age)
        tokens.done()
        responses = self.client.stream("GetMany", **request)
        return lambda wanted: self.check_getmany(wanted, len(request["keys"]), responses)

    def check_getmany(self, wanted, count, responses):
        results = sorted((one for response in responses for one in response.results), key=lambda one: one.index)
        expect("indexes", list(range(count)), [one.index for one in results])
        if (expected := wanted.take("results")) is not None:
            expect("results", expected, ",".join(STATUS_NAMES[one.status] for one in results))

    def list(self, tokens):
        request = {"user_id": text(tokens.take("user"))}
        if (size := tokens.take("page_size")) is not None:
            request["page_size"] = int(size)
        tokens.done()
        connections = []
        for _ in range(100_000):
            page = self.client.call("List", **request)
            connections += [entry.connection_id.encode() for entry in page.entries]
            if not page.next_page_token:
                return lambda wanted: self.check_list(wanted, connections)
            request["page_token"] = page.next_page_token
        raise Mismatch("the listing does not end")

    def check_list(self, wanted, connections):
        if (expected := wanted.take("connections")) is not None:
            names = ",".join(urllib.parse.quote(name, safe="") for name in sorted(connections))
            expect("connections", expected, names)

    def health(self, tokens):
        tokens.done()
        response = self.client.call("Health")
        return lambda wanted: expect("serving", True, response.serving)

    def ping(self, tokens):
        tokens.done()
        response = self.client.call("Ping")

        def check(wanted):
            expect("digits of the instance", 16, len(response.instance))
            expect("keys", 256, response.max_keys)
            expect("draining", wanted.take("draining"), str(response.draining).lower())

        return check

    def stats(self, tokens):
        tokens.done()
        response = self.client.call("Stats")
        names = [stat.name for stat in response.stats]
        return lambda wanted: expect("sorted names", sorted(names) or ["at least one"], names)

    def invalidate(self, tokens):
        request = {}
        if tokens.take("all") == "1":
            request["all"] = True
        if (user := tokens.take("user")) is not None:
            request["user_id"] = text(user)
        if (key := tokens.take("key")) is not None:
            request["key"] = MESSAGES["Key"](**self.keys(key)[0])
        tokens.done()
        response = self.client.call("Invalidate", **request)
        return lambda wanted: self.check_invalidate(wanted, response)

    def check_invalidate(self, wanted, response):
        if (dropped := wanted.take("dropped")) is not None:
            expect("dropped", int(dropped), response.dropped)

    def sleep(self, tokens):
        time.sleep(int(tokens.take("ms")) / 1000)
        tokens.done()
        return lambda wanted: None

    METHODS = ("store", "get", "delete", "getmany", "list", "ping", "health", "stats", "invalidate", "sleep")

    def run(self, line):
        """Raises Mismatch if the answer is another, ValueError for a bad line."""
        left, right = line.split(" => ")
        method, *arguments = left.split(" ")
        status, *expectations = right.split(" ")
        if method not in self.METHODS or status not in STATUS_NAMES:
            raise ValueError(f"unknown method or status: {method} => {status}")
        wanted = Tokens(expectations)
        reason = wanted.take("reason")
        try:
            check = getattr(self, method)(Tokens(arguments))
        except CofferError as error:
            if error.status != status:
                raise Mismatch(f"expected {status}, got {error}") from None
            if reason is not None:
                expect("reason", int(reason), error.reason)
            wanted.done()
            return
        expect("status", status, "OK")
        check(wanted)
        wanted.done()


def open_client(kind, path):
    if kind == "plain":
        return CofferClient(path)
    import product

    return product.blocking(path) if kind == "blocking" else product.asynchronous(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", default=default_socket())
    parser.add_argument("--client", choices=("plain", "blocking", "asyncio"), default="plain",
                        help="plain: of this folder; the others are those of clients/python")
    parser.add_argument("cases", nargs="?", default=pathlib.Path(__file__).parents[1] / "cases.txt")
    arguments = parser.parse_args()
    runner = Runner(open_client(arguments.client, arguments.socket))
    passed = failed = 0
    for number, line in enumerate(pathlib.Path(arguments.cases).read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        try:
            runner.run(line)
            passed += 1
        except (Mismatch, ValueError, TypeError, LookupError, OSError) as error:
            failed += 1
            print(f"line {number}: {line[:120]}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
