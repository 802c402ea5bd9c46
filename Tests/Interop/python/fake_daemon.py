"""A stand-in for cofferd: the protocol over records in memory.

For tests of clients, and of the case and vector files, without the daemon. It
has no policy, no encryption and no vault: "vault" and "memory" are two
dictionaries.
"""

import argparse
import itertools
import os
import socket
import threading
import time
import unicodedata

from coffer_protocol import (
    CANCEL, MAXIMUM_FRAME, MESSAGES, METHODS, MORE, REQUEST, RESPONSE, STATUS, Header, frame,
    receive_exactly,
)
from strict_scan import DuplicateName, Malformed, scan

BY_ID = {method.id: method for method in METHODS.values()}
LINE = b"This is a Coffer socket: it speaks length-prefixed protobuf, not text.\r\n"
HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 72\r\n\r\n" + LINE
HTTP_METHODS = (b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"OPTI", b"PATC", b"CONN", b"TRAC", b"PRI ")


class Refusal(Exception):
    def __init__(self, status, reason, message):
        super().__init__(message)
        self.status, self.reason = STATUS[status], reason

    def payload(self):
        return MESSAGES["Failure"](reason=self.reason, message=str(self))


def bad_field(field, rule):
    return Refusal("INVALID_ARGUMENT", 11, f"{field}: {rule}")


def check_text(field, value, least, most):
    if not least <= len(value.encode()) <= most:
        raise bad_field(field, f"expected {least} to {most} bytes, got {len(value.encode())}")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise bad_field(field, "must not hold control characters")


def key_of(message):
    check_text("user_id", message.user_id, 1, 256)
    check_text("connection_id", message.connection_id, 1, 256)
    return message.user_id, message.connection_id


class Records:
    """The methods of both services, on two dictionaries."""

    def __init__(self):
        self.lock = threading.Lock()
        self.vault, self.memory = {}, set()
        self.writes = itertools.count(1)

    def live(self, key):
        record = self.vault.get(key)
        if record and record.expires_at_ms and record.expires_at_ms <= time.time() * 1000:
            self.forget(key)
            return None
        return record

    def forget(self, key):
        self.memory.discard(key)
        return self.vault.pop(key, None)

    def check_condition(self, request, record):
        condition = request.WhichOneof("condition")
        if condition == "if_version":
            check_text("if_version", request.if_version, 1, 128)
            if record is None or record.version != request.if_version:
                raise Refusal("ABORTED", 31, "the record has changed since that version")
        elif condition == "if_absent" and request.if_absent and record is not None:
            raise Refusal("ALREADY_EXISTS", 32, "the record already exists (if_absent)")

    def Store(self, request):
        key = key_of(request)
        if len(request.credential) == 0:
            raise bad_field("credential", "expected at least 1 byte, got 0")
        if len(request.credential) > 65536:
            raise Refusal("INVALID_ARGUMENT", 14, "credential: expected at most 65536 bytes")
        if request.ttl_seconds > 3_153_600_000:
            raise bad_field("ttl_seconds", "expected at most 3153600000")
        if len(request.labels) > 16:
            raise bad_field("labels", f"expected at most 16, got {len(request.labels)}")
        for name, value in request.labels.items():
            check_text("labels", name, 1, 64)
            check_text("labels", value, 0, 256)
        old = self.live(key)
        self.check_condition(request, old)
        now = int(time.time() * 1000)
        record = MESSAGES["GetResponse"](
            credential=request.credential, version=f"v-{next(self.writes)}", labels=request.labels,
            created_at_ms=old.created_at_ms if old else now, updated_at_ms=now,
            expires_at_ms=now + 1000 * request.ttl_seconds if request.ttl_seconds else 0,
        )
        self.vault[key] = record
        self.memory.add(key)
        yield MESSAGES["StoreResponse"](
            version=record.version, created_at_ms=record.created_at_ms,
            updated_at_ms=record.updated_at_ms, expires_at_ms=record.expires_at_ms,
        )

    def record(self, key, fresh):
        record = self.live(key)
        if record is None:
            raise Refusal("NOT_FOUND", 30, "there is no record for this user and connection")
        response = MESSAGES["GetResponse"]()
        response.CopyFrom(record)
        response.source = 1 if key in self.memory and not fresh else 2
        self.memory.add(key)
        return response

    @staticmethod
    def is_fresh(request):
        return request.WhichOneof("freshness") is not None and request.max_age_ms == 0

    def Get(self, request):
        yield self.record(key_of(request), self.is_fresh(request))

    def Delete(self, request):
        key = key_of(request)
        if request.WhichOneof("condition"):
            check_text("if_version", request.if_version, 1, 128)
        # What is gone already need not be compared.
        if record := self.live(key):
            self.check_condition(request, record)
        yield MESSAGES["DeleteResponse"](existed=self.forget(key) is not None)

    def GetMany(self, request):
        """In responses of three results, in reverse, as the order is not promised."""
        if not 1 <= len(request.keys) <= 256:
            raise bad_field("keys", f"expected 1 to 256, got {len(request.keys)}")
        keys = [key_of(key) for key in request.keys]
        results = []
        for index, key in reversed(list(enumerate(keys))):
            try:
                results.append({"index": index, "record": self.record(key, self.is_fresh(request))})
            except Refusal as refusal:
                results.append({"index": index, "status": refusal.status, "failure": refusal.payload()})
        for start in range(0, len(results), 3):
            yield MESSAGES["GetManyResponse"](results=results[start : start + 3])

    def List(self, request):
        if request.user_id:
            check_text("user_id", request.user_id, 1, 256)
        if request.page_size > 1000:
            raise bad_field("page_size", f"expected at most 1000, got {request.page_size}")
        if request.page_token and not request.page_token.isdecimal() or len(request.page_token) > 8192:
            raise bad_field("page_token", "expected the next_page_token of a response")
        keys = sorted(key for key in list(self.vault) if self.live(key) and key[0] == request.user_id)
        start, size = int(request.page_token or 0), request.page_size or 100
        entries = []
        for user, connection in keys[start : start + size]:
            record = self.vault[user, connection]
            entries.append({
                "user_id": user, "connection_id": connection, "version": record.version,
                "labels": record.labels, "created_at_ms": record.created_at_ms,
                "updated_at_ms": record.updated_at_ms, "expires_at_ms": record.expires_at_ms,
            })
        token = str(start + size) if start + size < len(keys) else ""
        yield MESSAGES["ListResponse"](entries=entries, next_page_token=token)

    def Ping(self, request):
        yield MESSAGES["PingResponse"](
            version="0.1.0", instance="0123456789abcdef", max_frame_bytes=MAXIMUM_FRAME, max_credential_bytes=65_536,
            max_waiting_calls=1_024, max_keys=256, max_call_ms=60_000)

    def Health(self, request):
        vault = {"name": "fake", "kind": "memory", "reachable": True, "latency_us": 1}
        yield MESSAGES["HealthResponse"](serving=True, version="0.1.0", vaults=[vault], warnings=["a fake"])

    def Stats(self, request):
        stats = [{"name": "cached_records", "value": len(self.memory)}, {"name": "limit_frame_bytes", "value": MAXIMUM_FRAME}]
        yield MESSAGES["StatsResponse"](stats=stats)

    def Invalidate(self, request):
        scope = request.WhichOneof("scope")
        if scope == "key":
            chosen = {key_of(request.key)}
        elif scope == "user_id":
            check_text("user_id", request.user_id, 1, 256)
            chosen = {key for key in self.memory if key[0] == request.user_id}
        elif request.all:
            chosen = set(self.memory)
        else:
            raise bad_field("scope", "expected a key, a user_id or all = true")
        dropped = self.memory & chosen
        self.memory -= chosen
        yield MESSAGES["InvalidateResponse"](dropped=len(dropped))


class Connection:
    """One client, served by one thread."""

    def __init__(self, connection, records):
        self.connection, self.records = connection, records

    def refuse(self, call_id, refusal):
        payload = refusal.payload().SerializeToString()
        self.connection.sendall(frame(RESPONSE, call_id, refusal.status, 0, payload))

    def serve(self):
        try:
            while self.serve_frame():
                pass
        except OSError:
            pass
        self.connection.close()

    def serve_frame(self):
        """False: close the connection."""
        start = receive_exactly(self.connection, 4)
        if len(start) < 4:
            return False
        length = int.from_bytes(start, "big")
        if length > MAXIMUM_FRAME - 4 and all(32 <= byte <= 126 or byte in b"\t\r\n" for byte in start):
            self.connection.sendall(HTTP if start in HTTP_METHODS else LINE)
            return False
        if length < 20:
            self.refuse(0, Refusal("INVALID_ARGUMENT", 10, "a frame's length is at least 20"))
            return False
        rest = receive_exactly(self.connection, 20)
        if len(rest) < 20:
            return False
        header = Header(start + rest)
        if header.version != 1 or header.kind not in (REQUEST, CANCEL):
            self.refuse(header.call_id, Refusal("INVALID_ARGUMENT", 10, "expected version 1, kind 1 or 3"))
            return False
        payload = receive_exactly(self.connection, header.payload_size)
        if len(payload) < header.payload_size:
            return False
        try:
            self.answer(header, payload)
        except Refusal as refusal:
            self.refuse(header.call_id, refusal)
        return True

    def answer(self, header, payload):
        if header.length > MAXIMUM_FRAME - 4:
            raise Refusal("RESOURCE_EXHAUSTED", 13, "the frame is over the limit")
        if header.kind == CANCEL:
            return
        if header.flags:
            raise Refusal("INVALID_ARGUMENT", 10, "a request's flags are 0")
        method = BY_ID.get(header.method_or_status)
        if method is None:
            raise Refusal("UNIMPLEMENTED", 12, "no method has this id")
        try:
            scan(method.request.DESCRIPTOR, payload)
        except Malformed as fault:
            raise Refusal("INVALID_ARGUMENT", 10, str(fault)) from None
        except DuplicateName as fault:
            raise bad_field(str(fault), "the same name appears twice") from None
        request = method.request.FromString(payload)
        with self.records.lock:
            responses = list(getattr(self.records, method.name)(request))
        for response in responses:
            flags = 0 if response is responses[-1] else MORE
            self.connection.sendall(
                frame(RESPONSE, header.call_id, 0, 0, response.SerializeToString(), flags)
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", required=True)
    path = parser.parse_args().socket
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    os.chmod(path, 0o600)
    listener.listen(64)
    print("ready", flush=True)
    records = Records()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=Connection(connection, records).serve, daemon=True).start()


if __name__ == "__main__":
    main()
