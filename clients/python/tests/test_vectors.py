"""The frames of proto/vectors, made by another library's code."""

import gc
import socket
import unittest
from unittest import mock

from support import HEADER, FakeDaemon, both, frame, unescape, vectors

from coffer_client import Code, CofferError, Source
from coffer_client import _connection as connections
from coffer_client import _frames as frames
from coffer_client import _messages as messages
from coffer_client import _scan as scan
from coffer_client._connection import Call, Connection
from coffer_client.generated import admin_pb2, credentials_pb2

METHODS = [
    frames.STORE, frames.GET, frames.DELETE, frames.GET_MANY, frames.LIST, frames.PING, frames.HEALTH, frames.STATS,
    frames.INVALIDATE, frames.DOCTOR,
]


def message_class(name):
    short = name.split(".")[-1]
    return getattr(credentials_pb2, short, None) or getattr(admin_pb2, short)


def flatten(message, prefix=""):
    """The fields as the vectors name them."""
    out = {}
    for field, value in message.ListFields():
        name = prefix + field.name
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            out.update({f"{name}.{key}": text for key, text in value.items()})
        elif field.message_type is None:
            every = enumerate(value) if scan._is_repeated(field) else None
            out.update({f"{name}.{index}": one for index, one in every} if every else {name: value})
        elif scan._is_repeated(field):
            for index, one in enumerate(value):
                out.update(flatten(one, f"{name}.{index}."))
        else:
            out.update(flatten(value, f"{name}."))
    return out


def expected_fields(vector):
    fields = {key: value for key, value in vector.fields.items()
              if key not in ("call", "timeout", "method", "canonical", "type", "status", "retry", "more")}
    return {unescape(key): value for key, value in fields.items()}


def printed(value):
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, (bytes, str)) else str(value)


class SilentCall(Call):

    def wake(self):
        pass


class FrameTests(unittest.TestCase):
    def check_fields(self, vector, message):
        from support import bytes_of

        actual = flatten(message)
        wanted = expected_fields(vector)
        self.assertEqual(set(wanted), set(actual), vector.name)
        for name, value in actual.items():
            if isinstance(value, bytes):
                self.assertEqual(bytes_of(wanted[name]), value, f"{vector.name}: {name}")
            else:
                self.assertEqual(unescape(wanted[name]), printed(value), f"{vector.name}: {name}")

    def test_every_valid_message_is_read_and_canonical_ones_are_written_again(self):
        counted = 0
        for vector in vectors("frames.txt"):
            if "type" not in vector.fields:
                continue
            length, version, kind, flags, call, third, fourth = HEADER.unpack_from(vector.bytes)
            payload = vector.bytes[24:]
            message_type = message_class(vector.fields["type"])
            scan.scan(message_type.DESCRIPTOR, payload)
            message = messages._decode(message_type, payload)
            self.check_fields(vector, message)
            self.assertEqual((length + 4, version, call), (len(vector.bytes), 1, int(vector.fields["call"])), vector.name)
            if vector.outcome == "request":
                self.assertEqual(int(vector.fields["timeout"]), fourth, vector.name)
                names = {f"coffer.v1.{service}/{method.name}": method.id
                         for service in ("Credentials", "Admin") for method in METHODS
                         if frames.method(service, method.name).id == method.id}
                self.assertEqual(names[unescape(vector.fields["method"])], third, vector.name)
            if vector.fields["canonical"] == "1":
                again = message.SerializeToString(deterministic=True)
                self.assertEqual(vector.bytes, frame(kind, call, third, fourth, again, flags), vector.name)
                counted += 1
        self.assertGreaterEqual(counted, 45)

    def test_what_the_client_sends_is_what_the_vectors_have(self):
        made = {
            "store": messages.store_request("ann", "github", "{}", None, {}, None, False),
            "store-binary": messages.store_request("ann", "github", bytes(range(256)), None, {}, None, False),
            "store-64-kib": messages.store_request("ann", "github", b"a" * 65536, None, {}, None, False),
            "store-ttl": messages.store_request("ann", "github", b"{}", 3_153_600_000, {}, None, False),
            "store-if-version": messages.store_request("ann", "github", b"{}", None, {}, "v-1", False),
            "store-label-if-absent": messages.store_request("ann", "github", b"{}", None, {"env": "prod"}, None, True),
            "get": messages.get_request("ann", "github", None),
            "get-fresh": messages.get_request("ann", "github", 0),
            "get-max-age": messages.get_request("ann", "github", 2**64 / 1000),
            "get-longest-ids": messages.get_request("u" * 256, "c" * 256, None),
            "delete": messages.delete_request("ann", "github", None),
            "delete-if-version": messages.delete_request("ann", "github", "v" * 128),
            "get-many-one": messages.get_many_request([("ann", "github")], None),
            "get-many-same-twice": messages.get_many_request([("ann", "github"), ("bob", "s3"), ("ann", "github")], 1.0),
            "list": messages.list_request("ann", "", 0),
            "ping": messages.ping_request(),
            "health": messages.health_request(),
            "stats": messages.stats_request(),
            "invalidate-key": messages.invalidate_request("ann", "github", False),
            "invalidate-user": messages.invalidate_request("ann", None, False),
            "invalidate-all": messages.invalidate_request(None, None, True),
            "doctor": messages.doctor_request(None),
            "doctor-one-vault": messages.doctor_request("main"),
        }
        by_name = {vector.name: vector for vector in vectors("frames.txt")}
        for name, payload in made.items():
            self.assertEqual(by_name[name].bytes[24:].hex(), bytes(payload).hex(), name)
        self.assertEqual(by_name["cancel"].bytes, frames.cancel_frame(7))

    def test_every_response_reaches_its_call(self):
        for vector in vectors("frames.txt"):
            if vector.outcome != "response":
                continue
            for size in (70_000, 1 if len(vector.bytes) < 1000 else 999):
                self.check_response(vector, size)

    def check_response(self, vector, size):
        """The bytes come `size` at a time."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        connection = Connection(ours)
        more = vector.fields["more"] == "1"
        call = SilentCall(frames.GET_MANY if more else frames.GET, b"", float("inf"))
        call.id = int(vector.fields["call"])
        connection.calls[call.id] = call
        for start in range(0, len(vector.bytes), size):
            theirs.sendall(vector.bytes[start : start + size])
            connection.receive()
        self.assertEqual(not more, call.done, vector.name)
        # A daemon that drains gets no more calls, and there is no other one here.
        self.assertEqual(vector.name in ("failure-draining", "failure-cut-off"), connection.closed, vector.name)
        status = Code[vector.fields["status"]]
        if status == Code.OK:
            self.assertIsNone(call.error, vector.name)
            self.assertEqual([vector.bytes[24:]], call.parts, vector.name)
        else:
            self.assertEqual(status, call.error.code, vector.name)
            retry = int(vector.fields["retry"])
            self.assertEqual(retry / 1000 if retry else None, call.error.retry_after, vector.name)
            self.assertEqual(int(vector.fields.get("reason", 0)), call.error.reason, vector.name)
            self.assertEqual(unescape(vector.fields.get("message", "")), str(call.error), vector.name)
            self.assertEqual(unescape(vector.fields.get("vault", "")), call.error.vault or "", vector.name)
            self.assertEqual(vector.fields.get("retryable", "0") == "1", call.error.retryable, vector.name)
        # What has been read is overwritten, and a large buffer is given back.
        self.assertEqual((64 << 10, bytes(64 << 10)), (len(connection._input), bytes(connection._input)), vector.name)
        connection.close(CofferError("over"))
        theirs.close()

    def test_records_are_what_the_responses_say(self):
        by_name = {vector.name: vector for vector in vectors("frames.txt")}
        record = messages.decode_record([bytearray(by_name["get-memory"].bytes[24:])])
        self.assertEqual((b"s3cret", "v-1", {}, Source.MEMORY, 0.5), (
            bytes(record.value), record.version, record.labels, record.source, record.age))
        self.assertEqual(1_700_000_042_240, record.expires_at_ms)
        self.assertEqual("2023-11-14T22:13:20+00:00", record.created_at.isoformat())
        record = messages.decode_record([bytearray(by_name["get-stale"].bytes[24:])])
        self.assertEqual((Source.STALE, (2**64 - 1) / 1000), (record.source, record.age))
        record = messages.decode_record([bytearray(by_name["get-1-mib"].bytes[24:])])
        self.assertEqual(b"Z" * (1 << 20), bytes(record.value))
        parts = [bytearray(by_name[name].bytes[24:]) for name in ("get-many-part", "get-many-last")]
        results = messages.decode_results(3, parts)
        self.assertEqual(["s3cret", 5, "s3cret"], [
            one.code if isinstance(one, CofferError) else one.text() for one in results])

    def test_a_payload_is_overwritten_when_it_has_been_read(self):
        payload = bytearray(vectors("frames.txt")[0].bytes)
        by_name = {vector.name: vector for vector in vectors("frames.txt")}
        for name, decode in (("get-memory", messages.decode_record), ("get-many-last", lambda parts: [
                messages._result(parts[0], 2, len(parts[0])), messages.wipe(parts[0])])):
            payload = bytearray(by_name[name].bytes[24:])
            decode([payload])
            self.assertEqual(bytes(len(payload)), bytes(payload), name)


class WipingTests(unittest.TestCase):
    """What the client frees holds no credential: each bytearray that it gives up is looked at."""

    SECRET = b"s3cret-" * 5_000

    def setUp(self):
        given_up = self.given_up = []

        class Watched(bytearray):
            def __iadd__(self, other):
                # It may move, and what it held stays where it was.
                given_up.append(bytes(self))
                return super().__iadd__(other)

            def __getitem__(self, index):
                found = super().__getitem__(index)
                return Watched(found) if isinstance(found, bytearray) else found

            def __del__(self):
                given_up.append(bytes(self))

        self.watched = Watched
        for module in (messages, connections):
            patch = mock.patch.object(module, "bytearray", Watched, create=True)
            patch.start()
            self.addCleanup(patch.stop)

    def check(self):
        gc.collect()
        self.assertTrue(self.given_up)
        self.assertFalse(any(b"s3cret" in one for one in self.given_up), "a credential is left in memory")

    def test_a_request(self):
        payload = messages.store_request("ann", "github", self.SECRET, None, {"env": "prod"}, None, False)
        self.assertEqual(self.SECRET, credentials_pb2.StoreRequest.FromString(bytes(payload)).credential)
        call = SilentCall(frames.STORE, payload, float("inf"))
        ours, theirs = socket.socketpair()
        connection = Connection(ours)
        connection.begin(call)
        self.assertTrue(connection.flush())
        self.assertIn(self.SECRET, theirs.recv(1 << 20, socket.MSG_WAITALL | socket.MSG_PEEK) or b"")
        messages.wipe(payload)
        connection.close(CofferError("over"))
        theirs.close()
        del call, payload
        self.check()

    def test_responses_that_come_in_pieces_behind_each_other(self):
        record = credentials_pb2.GetResponse(credential=self.SECRET, version="v-1").SerializeToString()
        part = credentials_pb2.GetManyResponse(
            results=[{"index": 0, "record": {"credential": self.SECRET}}]).SerializeToString()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        connection = Connection(ours)
        one, many, cut = (SilentCall(kind, b"", float("inf")) for kind in (frames.GET, frames.GET_MANY, frames.GET_MANY))
        for call in (one, many, cut):
            connection.begin(call)
        data = frame(frames.RESPONSE, 1, payload=record) + frame(frames.RESPONSE, 2, payload=part)
        data += frame(frames.RESPONSE, 3, payload=part, flags=frames.MORE)
        for start in range(0, len(data), 30_000):
            theirs.sendall(data[start : start + 30_000])
            connection.receive()
        got = messages.decode_record(one.parts)
        (result,) = messages.decode_results(1, many.parts)
        self.assertEqual((self.SECRET, self.SECRET, 1), (bytes(got.value), bytes(result.value), len(cut.parts)))
        connection.abandon(cut)
        connection.close(CofferError("over"))
        theirs.close()
        got.wipe()
        result.wipe()
        del one, many, cut, call, connection
        self.check()


@both
class UnknownOutcomeTests:
    def test_a_write_whose_answer_says_nothing_of_it_may_have_happened(self):
        """By PROTOCOL.md: the answer does not decode, or is a failure without a Failure that does."""
        for vector in vectors("bad-responses.txt"):
            with self.subTest(vector.name):
                with FakeDaemon(lambda peer, _: [peer.read(), peer.send(vector.bytes), peer.read()]) as daemon:
                    with self.assertRaises(CofferError) as raised:
                        self.open(daemon.path).store("ann", "github", "x")
                self.assertTrue(raised.exception.may_have_happened)
                self.assertTrue(str(raised.exception).endswith("; a write may have happened"), raised.exception)

    def test_a_write_that_a_failure_explains_has_not_happened(self):
        for happened in (False, True):
            with FakeDaemon(lambda peer, _: [peer.fail(peer.read(), 13, 79, happened=happened), peer.read()]) as daemon:
                with self.assertRaises(CofferError) as raised:
                    self.open(daemon.path).store("ann", "github", "x")
            self.assertEqual(happened, raised.exception.may_have_happened)

    def test_a_read_has_not_happened(self):
        with FakeDaemon(lambda peer, _: [peer.respond(peer.read(), status=13), peer.read()]) as daemon:
            with self.assertRaises(CofferError) as raised:
                self.open(daemon.path).get("ann", "github")
        self.assertFalse(raised.exception.may_have_happened)


@both
class BadResponseTests:
    def test_a_bad_response_ends_the_call_as_the_vectors_say(self):
        for vector in vectors("bad-responses.txt"):
            with self.subTest(vector.name):
                self.check(vector)

    def check(self, vector):
        connections = []

        def script(peer, number):
            connections.append(number)
            request = peer.read()
            self.assertEqual(1, request.call_id)
            peer.send(vector.bytes)
            while True:
                request = peer.read()
                if request is None:
                    return
                if request.kind == frames.REQUEST:
                    peer.record(request, b"the next")

        with FakeDaemon(script) as daemon:
            client = self.open(daemon.path)
            try:
                client.get("ann", "github")
                code = Code.OK
            except CofferError as error:
                code = error.code
            self.assertEqual(Code[vector.fields["status"]], code)
            if vector.fields["then"] == "open":
                self.assertEqual("the next", client.get("ann", "github").text())
                self.assertEqual([0], connections)
            else:
                # Once more for the read itself; each connection was closed.
                self.assertEqual([0, 1], connections)


if __name__ == "__main__":
    unittest.main()
