"""Daemons inside of the tests, and one way to use both clients."""

from __future__ import annotations

import asyncio
import os
import pathlib
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[3]
try:
    import coffer_client
except ImportError:
    sys.path.insert(0, str(ROOT / "clients/python/src"))
    import coffer_client

from coffer_client import _frames as frames
from coffer_client.generated import admin_pb2, credentials_pb2

HEADER = struct.Struct(">IBBHQII")
#: Seconds after which a wait of a test has failed.
LIMIT = 20.0


def frame(kind, call_id, third=0, fourth=0, payload=b"", flags=0):
    return HEADER.pack(20 + len(payload), 1, kind, flags, call_id, third, fourth) + payload


class Request:
    def __init__(self, kind, call_id, method, timeout, payload):
        self.kind, self.call_id, self.method, self.timeout, self.payload = kind, call_id, method, timeout, payload


class Peer:
    """The daemon's end of one connection."""

    def __init__(self, connection):
        self.connection = connection
        connection.settimeout(LIMIT)

    def read(self):
        """The next frame of the client; None at the end of the connection."""
        head = self._exactly(24)
        if head is None:
            return None
        length, _, kind, _, call_id, method, timeout = HEADER.unpack(head)
        payload = self._exactly(length - 20)
        return None if payload is None else Request(kind, call_id, method, timeout, payload)

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            try:
                piece = self.connection.recv(count - len(data))
            except (ConnectionError, socket.timeout):
                return None
            if not piece:
                return None
            data += piece
        return bytes(data)

    def send(self, data):
        self.connection.sendall(data)

    def respond(self, request, payload=b"", status=0, retry=0, more=False):
        self.send(frame(frames.RESPONSE, request.call_id, status, retry, payload, int(more)))

    def fail(self, request, status, reason, message="refused", retry=0, retryable=False, happened=False):
        failure = credentials_pb2.Failure(
            reason=reason, message=message, retryable=retryable, may_have_happened=happened)
        self.respond(request, failure.SerializeToString(), status, retry)

    def record(self, request, value=b"s3cret"):
        self.respond(request, credentials_pb2.GetResponse(credential=value, version="v-1", source=1).SerializeToString())

    def receipt(self, request):
        self.respond(request, credentials_pb2.StoreResponse(version="v-1").SerializeToString())

    def go_away(self):
        self.send(frame(frames.GO_AWAY, 0))

    def hang_up(self):
        """From any thread."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self):
        self.hang_up()
        self.connection.close()


class FakeDaemon:
    """Runs `script(peer, number)` for each connection, in a thread of its own; numbers count up from 0."""

    def __init__(self, script, folder=None):
        self.folder = tempfile.mkdtemp(prefix="coffer") if folder is None else folder
        self.owns_folder = folder is None
        self.path = os.path.join(self.folder, "s")
        self.script = script
        self.errors = []
        self.peers = []
        self.threads = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.acceptor = threading.Thread(target=self._accept, daemon=True)
        self.acceptor.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            peer = Peer(connection)
            self.peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer, len(self.peers) - 1), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, peer, number):
        try:
            self.script(peer, number)
        except ConnectionError:
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            peer.close()

    def stop(self):
        """Nobody listens any more; the path is gone."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.acceptor.join(LIMIT)
        if os.path.exists(self.path):
            os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        for peer in self.peers:
            peer.hang_up()
        for thread in self.threads:
            thread.join(LIMIT)
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.errors:
            raise self.errors[0]


class MemoryDaemon(FakeDaemon):
    """Keeps records in memory; knows as much of the rules as the tests need."""

    def __init__(self, folder=None):
        self.records = {}
        self.versions = 0
        self.lock = threading.Lock()
        self.methods = {
            frames.STORE.id: (credentials_pb2.StoreRequest, self.store),
            frames.GET.id: (credentials_pb2.GetRequest, self.get),
            frames.DELETE.id: (credentials_pb2.DeleteRequest, self.delete),
            frames.LIST.id: (credentials_pb2.ListRequest, self.list),
            frames.PING.id: (credentials_pb2.PingRequest, self.ping),
            frames.HEALTH.id: (admin_pb2.HealthRequest, self.health),
            frames.STATS.id: (admin_pb2.StatsRequest, self.stats),
            frames.INVALIDATE.id: (admin_pb2.InvalidateRequest, self.invalidate),
            frames.DOCTOR.id: (admin_pb2.DoctorRequest, self.doctor),
        }
        super().__init__(self.serve, folder)

    def serve(self, peer, _):
        while True:
            request = peer.read()
            if request is None:
                return
            if request.kind == frames.CANCEL:
                continue
            if request.method == frames.GET_MANY.id:
                self.get_many(peer, request)
                continue
            kind, answer = self.methods[request.method]
            with self.lock:
                found = answer(kind.FromString(request.payload))
            if isinstance(found, tuple):
                peer.fail(request, *found)
            else:
                peer.respond(request, found.SerializeToString())

    def store(self, request):
        old = self.records.get((request.user_id, request.connection_id))
        if request.WhichOneof("condition") == "if_version" and (not old or old.version != request.if_version):
            return 10, 31, "the record has changed since that version"
        if request.if_absent and old:
            return 6, 32, "the record already exists (if_absent)"
        self.versions += 1
        record = credentials_pb2.GetResponse(
            credential=request.credential, version=f"v-{self.versions}", labels=request.labels,
            created_at_ms=1_700_000_000_000, updated_at_ms=1_700_000_001_000, source=2,
            expires_at_ms=1_700_000_001_000 + 1000 * request.ttl_seconds if request.ttl_seconds else 0)
        self.records[request.user_id, request.connection_id] = record
        return credentials_pb2.StoreResponse(
            version=record.version, created_at_ms=record.created_at_ms, updated_at_ms=record.updated_at_ms,
            expires_at_ms=record.expires_at_ms)

    def get(self, request):
        found = self.records.get((request.user_id, request.connection_id))
        return found or (5, 30, "there is no record for this user and connection")

    def delete(self, request):
        existed = self.records.pop((request.user_id, request.connection_id), None) is not None
        return credentials_pb2.DeleteResponse(existed=existed)

    def get_many(self, peer, request):
        """In reverse, some results in each response, as no order is promised."""
        keys = credentials_pb2.GetManyRequest.FromString(request.payload).keys
        assert 1 <= len(keys) <= 256
        results = []
        for index, key in reversed(list(enumerate(keys))):
            found = self.records.get((key.user_id, key.connection_id))
            result = credentials_pb2.GetResult(index=index)
            if found:
                result.record.CopyFrom(found)
            else:
                result.status, result.failure.reason, result.failure.message = 5, 30, "no record"
            results.append(result)
        size = 1 if any(len(result.record.credential) > 100_000 for result in results) else 3
        for start in range(0, len(results), size):
            part = credentials_pb2.GetManyResponse(results=results[start : start + size])
            peer.respond(request, part.SerializeToString(), more=start + size < len(results))

    def list(self, request):
        keys = sorted(key for key in self.records if key[0] == request.user_id)
        start, size = int(request.page_token or 0), request.page_size or 100
        response = credentials_pb2.ListResponse(next_page_token=str(start + size) if start + size < len(keys) else "")
        for user, connection in keys[start : start + size]:
            response.entries.add(user_id=user, connection_id=connection, version=self.records[user, connection].version)
        return response

    def ping(self, _):
        return credentials_pb2.PingResponse(
            version="0.1.0", instance="0123456789abcdef", draining=True, max_frame_bytes=1, max_credential_bytes=2,
            max_waiting_calls=3, max_keys=4, max_call_ms=5_500, features=1 << 63)

    def health(self, _):
        return admin_pb2.HealthResponse(serving=True, version="0.1.0", uptime_ms=1500, vaults=[
            {"name": "main", "breaker": 2, "writes": 2, "last_failure": 61, "write_failure": 62, "check_status": 7,
             "check_failure": {"reason": 62, "message": "denied", "vault": "main"}},
            {"name": "quiet"},
            {"name": "later", "breaker": 9, "writes": 9, "last_failure": 99},
        ])

    def stats(self, _):
        return admin_pb2.StatsResponse(stats=[{"name": "cached_records", "value": len(self.records)}])

    def doctor(self, request):
        return admin_pb2.DoctorResponse(vaults=[
            {"name": request.vault or "main", "kind": "vault", "steps": [
                {"action": 1, "duration_us": 900},
                {"action": 2, "status": 14, "advice": "check that it runs",
                 "failure": {"reason": 61, "message": "cannot connect", "vault": "main", "retryable": True}},
                {"action": 3, "skipped": True}, {"action": 9, "status": 13},
            ]},
            {"name": "other", "kind": "embedded", "steps": [{"action": 4}]},
        ])

    def invalidate(self, request):
        return admin_pb2.InvalidateResponse(dropped=len(self.records) if request.all else 1)


class Blocking:
    """The blocking client, as the tests use both."""

    def __init__(self, path, **options):
        self.client = coffer_client.Coffer(path, **options)

    def __getattr__(self, name):
        return getattr(self.client, name)

    def list(self, *arguments, **options):
        return list(self.client.list(*arguments, **options))

    def done(self):
        self.client.close()


class Asynchronous:
    """The client for asyncio, on a loop in a thread of its own; its methods block and may be called by many threads."""

    def __init__(self, path, **options):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.client = coffer_client.AsyncCoffer(path, **options)

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(LIMIT)

    def __getattr__(self, name):
        method = getattr(self.client, name)
        return lambda *arguments, **options: self.run(method(*arguments, **options))

    def list(self, *arguments, **options):
        async def collect():
            return [entry async for entry in self.client.list(*arguments, **options)]

        return self.run(collect())

    def done(self):
        """Closes it, and sees that it has left no task."""
        self.run(self.client.close())
        leaked = self.run(self._tasks())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(LIMIT)
        self.loop.close()
        assert not leaked, leaked

    async def _tasks(self):
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


class Both:
    """For test cases that run with each client: `self.open(path)` makes the one."""

    def open(self, path, **options):
        client = self.kind(path, **options)
        self.addCleanup(client.done)
        return client


def both(case):
    """Makes two test cases of one."""
    module = sys.modules[case.__module__]
    for kind in (Blocking, Asynchronous):
        name = f"{kind.__name__}{case.__name__}"
        made = type(name, (case, Both, __import__("unittest").TestCase), {"kind": kind, "__module__": case.__module__})
        setattr(module, name, made)
    return case


def eventually(condition):
    """Waits until it holds; whether it does."""
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


# ---- Vectors ----


class Vector:
    def __init__(self, line):
        left, right = line.split(" => ")
        self.name, pieces = left.split(" ")
        self.bytes = bytes_of(pieces)
        self.outcome, *tokens = right.split(" ")
        self.fields = dict(token.split("=", 1) for token in tokens)


def bytes_of(pieces):
    data = bytearray()
    for piece in filter(None, pieces.split("+")):
        text, _, times = piece.partition("*")
        data += bytes.fromhex(text) * int(times or 1)
    return bytes(data)


def vectors(name):
    lines = (ROOT / "proto/vectors" / name).read_text().splitlines()
    return [Vector(line) for line in lines if line and not line.startswith("#")]


def unescape(text):
    return urllib.parse.unquote_to_bytes(text).decode()


