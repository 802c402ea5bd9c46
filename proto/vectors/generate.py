"""Writes the golden frames of this folder, or with --check compares them.

The messages are encoded by google's protobuf package from descriptors that
protoc makes of the .proto files; nothing of Coffer's own code takes part.
"""

import argparse
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import urllib.parse

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parent

REQUEST, RESPONSE, CANCEL, GO_AWAY = 1, 2, 3, 4
MAXIMUM_FRAME = (1 << 20) + (64 << 10)

STATUS = {
    name: code
    for code, name in enumerate(
        "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS"
        " PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE"
        " UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED".split()
    )
}


def load_messages():
    """The message classes of the .proto files, by full name."""
    with tempfile.NamedTemporaryFile() as file:
        files = ["coffer/v1/credentials.proto", "coffer/v1/admin.proto"]
        subprocess.run(
            ["protoc", f"-I{PROTO}", "--include_imports", f"--descriptor_set_out={file.name}", *files],
            check=True,
        )
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for description in files.file:
        pool.Add(description)
    return {
        f"coffer.v1.{message.name}": message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"coffer.v1.{message.name}")
        )
        for description in files.file
        for message in description.message_type
    }


MESSAGES = load_messages()


def method_id(name):
    value = 2166136261
    for byte in name.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def frame(kind, call, third=0, fourth=0, payload=b"", flags=0, version=1, length=None):
    length = 20 + len(payload) if length is None else length
    return struct.pack(">IBBHQII", length, version, kind, flags, call, third, fourth) + payload


def escape(value):
    """Percent-encoding of text or bytes."""
    data = value.encode() if isinstance(value, str) else value
    return urllib.parse.quote(data, safe="")


def hexadecimal(data):
    """Hex, with long runs of the same few bytes written as HEX*TIMES."""
    pieces, start = [], 0
    for run in re.finditer(rb"(.{1,16}?)\1{31,}", data, re.DOTALL):
        times = len(run[0]) // len(run[1])
        pieces += [data[start : run.start()].hex(), f"{run[1].hex()}*{times}"]
        start = run.end()
    return "+".join(piece for piece in [*pieces, data[start:].hex()] if piece)


def flatten(message, prefix=""):
    """Pairs of field path and value, in order of field numbers; bytes in the
    notation of `hexadecimal`."""
    for field, value in message.ListFields():
        path = prefix + field.name
        if field.message_type and field.message_type.GetOptions().map_entry:
            for key in sorted(value, key=str.encode):
                yield f"{path}.{escape(key).replace('.', '%2E')}", value[key]
        elif field.is_repeated and field.message_type:
            for index, element in enumerate(value):
                yield from flatten(element, f"{path}.{index}.")
        elif field.is_repeated:
            for index, element in enumerate(value):
                yield f"{path}.{index}", element
        elif field.message_type:
            yield from flatten(value, path + ".")
        else:
            yield path, hexadecimal(value).encode() if field.type == field.TYPE_BYTES else value


def describe(message):
    tokens = [f"type={message.DESCRIPTOR.full_name}"]
    for path, value in flatten(message):
        if isinstance(value, bytes):
            text = value.decode()
        else:
            text = escape(value) if isinstance(value, str) else str(int(value))
        tokens.append(f"{path}={text}")
    return " ".join(tokens)


class Vectors:
    """The lines of one file."""

    def __init__(self, title):
        self.lines = [f"# {title} Made by generate.py; the format is in README.md."]
        self.bytes = {}

    def heading(self, text):
        self.lines += ["", f"# {text}"]

    def add(self, name, data, outcome):
        assert name not in self.bytes, name
        self.bytes[name] = data
        self.lines.append(f"{name} {hexadecimal(data)} => {outcome}")

    def text(self):
        return "\n".join(self.lines) + "\n"


class Frames(Vectors):
    """Valid frames."""

    def request(self, name, method, fields, call=1, timeout=0, wire=None):
        """`wire`: other bytes with the same meaning than the canonical ones."""
        service, short = method.split("/")
        message = MESSAGES[f"coffer.v1.{short}Request"](**fields)
        canonical = message.SerializeToString(deterministic=True)
        payload = canonical if wire is None else wire
        assert MESSAGES[f"coffer.v1.{short}Request"].FromString(payload).IsInitialized()
        # An encoder may leave out an empty value of a map entry.
        one_way = payload == canonical and "" not in fields.get("labels", {}).values()
        full = f"coffer.v1.{service}/{short}"
        self.add(
            name,
            frame(REQUEST, call, method_id(full), timeout, payload),
            f"request call={call} timeout={timeout} method={escape(full)}"
            f" canonical={int(one_way)} {describe(message)}",
        )

    def response(self, name, kind, fields, call=1, more=0):
        message = MESSAGES[f"coffer.v1.{kind}Response"](**fields)
        self.add(
            name,
            frame(RESPONSE, call, 0, 0, message.SerializeToString(deterministic=True), flags=more),
            f"response call={call} status=OK retry=0 more={more} canonical=1 {describe(message)}",
        )

    def failure(self, name, status, reason, text, call=2, retry=0, vault="", retryable=False, happened=False):
        message = MESSAGES["coffer.v1.Failure"](
            reason=reason, message=text, vault=vault, retryable=retryable, may_have_happened=happened
        )
        self.add(
            name,
            frame(RESPONSE, call, STATUS[status], retry, message.SerializeToString()),
            f"response call={call} status={status} retry={retry} more=0 canonical=1 {describe(message)}",
        )


KEY = {"user_id": "ann", "connection_id": "github"}
TIMES = {
    "created_at_ms": 1_700_000_000_000,
    "updated_at_ms": 1_700_000_001_032,
    "expires_at_ms": 1_700_000_042_240,
}
RECORD = {"credential": b"s3cret", "version": "v-1", **TIMES}


def valid_requests(out):
    out.heading("Requests.")
    store = {**KEY, "credential": b"{}"}
    out.request("store", "Credentials/Store", store)
    out.request("store-binary", "Credentials/Store", {**KEY, "credential": bytes(range(256))})
    out.request("store-64-kib", "Credentials/Store", {**KEY, "credential": b"a" * 65536})
    out.request("store-ttl", "Credentials/Store", {**store, "ttl_seconds": 3_153_600_000})
    out.request("store-if-version", "Credentials/Store", {**store, "if_version": "v-1"})
    out.request(
        "store-label-if-absent", "Credentials/Store",
        {**store, "labels": {"env": "prod"}, "if_absent": True}, call=3,
    )
    out.request(
        "store-labels", "Credentials/Store",
        {**store, "labels": {"a.b": "%", "owner": "Zoë & co", "z" * 64: "v" * 256}},
    )
    out.request("store-if-absent-false", "Credentials/Store", {**store, "if_absent": False})
    out.request(
        "store-unicode-ids", "Credentials/Store",
        {"user_id": "пользователь", "connection_id": "連結/🔑", "credential": b"\0\xff"},
    )
    out.request("get", "Credentials/Get", KEY, timeout=5000)
    out.request("get-fresh", "Credentials/Get", {**KEY, "max_age_ms": 0})
    out.request("get-max-age", "Credentials/Get", {**KEY, "max_age_ms": 2**64 - 1})
    out.request("get-highest-call-id", "Credentials/Get", KEY, call=2**64 - 1, timeout=2**32 - 1)
    out.request("get-call-id-0", "Credentials/Get", KEY, call=0)
    out.request("get-longest-ids", "Credentials/Get", {"user_id": "u" * 256, "connection_id": "c" * 256})
    out.request("delete", "Credentials/Delete", KEY)
    out.request("delete-if-version", "Credentials/Delete", {**KEY, "if_version": "v" * 128})
    out.request("get-many-one", "Credentials/GetMany", {"keys": [KEY]})
    other = {"user_id": "bob", "connection_id": "s3"}
    out.request("get-many-same-twice", "Credentials/GetMany", {"keys": [KEY, other, KEY], "max_age_ms": 1000})
    out.request("list", "Credentials/List", {"user_id": "ann"})
    out.request("list-next-page", "Credentials/List", {"user_id": "ann", "page_token": "0a1f", "page_size": 1000})
    out.request("ping", "Credentials/Ping", {})
    out.request("health", "Admin/Health", {})
    out.request("stats", "Admin/Stats", {}, timeout=1)
    out.request("invalidate-key", "Admin/Invalidate", {"key": KEY})
    out.request("invalidate-user", "Admin/Invalidate", {"user_id": "ann"})
    out.request("invalidate-all", "Admin/Invalidate", {"all": True})
    out.request("doctor", "Admin/Doctor", {})
    out.request("doctor-one-vault", "Admin/Doctor", {"vault": "main"}, timeout=10_000)

    out.heading("Requests that are not in canonical form, and valid.")
    ann, github = b"\x0a\x03ann", b"\x12\x06github"
    out.request("get-fields-in-other-order", "Credentials/Get", KEY, wire=github + ann)
    out.request("get-one-unknown-field", "Credentials/Get", KEY, wire=ann + github + b"\xa2\x06\x03new")
    label = {**KEY, "credential": b"{}", "labels": {"empty": ""}}
    out.request("store-label-empty-sent", "Credentials/Store", label)
    left_out = ann + github + b"\x1a\x02{}\x2a\x07\x0a\x05empty"
    out.request("store-label-empty-left-out", "Credentials/Store", label, wire=left_out)
    out.request("list-default-sent", "Credentials/List", {"user_id": "ann"}, wire=ann + b"\x12\x00\x18\x00")

    out.heading("Cancel.")
    out.add("cancel", frame(CANCEL, 7), "cancel call=7")


def valid_responses(out):
    out.heading("Responses.")
    out.response("stored", "Store", {"version": "v-1", **TIMES})
    out.response("stored-for-ever", "Store", {**{"version": "v-2"}, **TIMES, "expires_at_ms": 0})
    out.response("get-memory", "Get", {**RECORD, "source": 1, "age_ms": 500})
    out.response("get-vault", "Get", {**RECORD, "source": 2, "labels": {"env": "prod", "owner": "Zoë"}})
    out.response("get-stale", "Get", {**RECORD, "source": 3, "age_ms": 2**64 - 1, "stale": True})
    out.response("get-1-mib", "Get", {"credential": b"\x5a" * (1 << 20), "version": "v", "source": 2})
    out.response("deleted", "Delete", {"existed": True})
    out.response("deleted-nothing", "Delete", {})
    missing = {"reason": 30, "message": "no record"}
    out.response(
        "get-many-part", "GetMany",
        {"results": [{"index": 1, "status": 5, "failure": missing}, {"record": {**RECORD, "source": 1}}]},
        more=1,
    )
    out.response("get-many-last", "GetMany", {"results": [{"index": 2, "record": {**RECORD, "source": 2}}]})
    entry = {**KEY, "version": "v-1", "labels": {"env": "prod"}, **TIMES}
    out.response("list-page", "List", {"entries": [entry, {**KEY, "connection_id": "s3"}], "next_page_token": "0a1f"})
    damaged = {"status": 15, "failure": {"reason": 64, "message": "the stored record does not open", "vault": "main"}}
    out.response("list-unreadable", "List", {"entries": [entry, {**KEY, **damaged}, damaged]})
    out.response("list-empty", "List", {})
    out.response(
        "pong", "Ping",
        {"version": "0.1.0", "instance": "0123456789abcdef", "max_frame_bytes": MAXIMUM_FRAME, "max_credential_bytes": 65_536,
         "max_waiting_calls": 1_024, "max_keys": 256, "max_call_ms": 60_000},
    )
    out.response("pong-of-a-later-daemon", "Ping", {"version": "9.0.0", "instance": "f" * 16, "draining": True, "features": 2**63})
    vault = {
        "name": "main", "kind": "embedded", "reachable": True, "latency_us": 120,
        "last_good_contact_ms": 1_700_000_000_000, "last_failure": 61,
    }
    out.response(
        "healthy", "Health",
        {"serving": True, "version": "0.1.0", "uptime_ms": 86_400_000, "vaults": [vault], "warnings": ["swap is not encrypted"]},
    )
    out.response("statistics", "Stats", {"stats": [{"name": "cache_hits_total", "value": 2**63}, {"name": "limit_frame_bytes", "value": MAXIMUM_FRAME}]})
    out.response("invalidated", "Invalidate", {"dropped": 3})
    remote = {
        **vault, "name": "crm", "kind": "vault", "reachable": False, "format": "json",
        "routes": ["user=crm-* connection=*", "user=* connection=mail"], "breaker": 2, "breaker_retry_ms": 2**64 - 1,
        "in_flight": 1, "queued": 2, "calls": 3, "failures": 4, "retries": 5, "refusals": 6, "last_failure_ms": 1_700_000_000_001,
        "writes": 2, "write_failure": 62, "check_status": 14,
        "check_failure": {"reason": 61, "message": "cannot connect", "vault": "crm", "retryable": True},
    }
    out.response("healthy-but-a-vault", "Health", {"serving": True, "version": "0.1.0", "vaults": [vault, remote]})
    unreachable = {"reason": 61, "message": "cannot connect", "vault": "crm", "retryable": True}
    steps = [
        {"action": 1, "duration_us": 900},
        {"action": 2, "status": 14, "duration_us": 2**64 - 1, "failure": unreachable, "advice": "is it running?"},
        {"action": 3, "skipped": True}, {"action": 4, "duration_us": 1},
    ]
    out.response("examined", "Doctor", {"vaults": [{"name": "crm", "kind": "vault", "steps": steps}, {"name": "main", "kind": "embedded"}]})

    out.heading("Failures.")
    out.failure("failure-not-found", "NOT_FOUND", 30, "no record")
    out.failure("failure-version-mismatch", "ABORTED", 31, "the vault holds another version")
    out.failure("failure-already-exists", "ALREADY_EXISTS", 32, "a record is there already")
    out.failure("failure-bad-field", "INVALID_ARGUMENT", 11, "user_id: expected 1 to 256 bytes, got 0")
    out.failure("failure-denied", "PERMISSION_DENIED", 40, "the policy decides")
    out.failure("failure-limit", "RESOURCE_EXHAUSTED", 41, "too many calls", retry=50, retryable=True)
    out.failure("failure-cancelled", "CANCELLED", 42, "the client cancelled this call", call=7)
    out.failure("failure-deadline", "DEADLINE_EXCEEDED", 43, "no answer within the time given", vault="main", retryable=True)
    out.failure("failure-draining", "UNAVAILABLE", 60, "the daemon is stopping; connect again", retry=100, retryable=True)
    out.failure(
        "failure-cut-off", "UNAVAILABLE", 60, "the daemon stopped before the vault answered; a write may have happened", retry=100,
        retryable=True, happened=True)
    out.failure("failure-vault-unreachable", "UNAVAILABLE", 61, "cannot connect", vault="main", retry=2**32 - 1, retryable=True)
    out.failure("failure-not-supported", "FAILED_PRECONDITION", 16, "this vault has no conditions", vault="kv")
    out.failure("failure-unreadable", "DATA_LOSS", 64, "the record does not open", vault="main")
    out.failure("failure-unknown-method", "UNIMPLEMENTED", 12, "no method has the id 1")
    out.failure("failure-internal", "INTERNAL", 79, "please report it")
    out.failure("failure-future-reason", "UNAVAILABLE", 0, "a reason this client does not know")

    out.heading("Go-away.")
    out.add("go-away", frame(GO_AWAY, 0), "go-away")


def valid_frames():
    out = Frames("Valid frames.")
    valid_requests(out)
    valid_responses(out)
    return out


class BadRequests(Vectors):
    """Frames that the daemon refuses, and near misses."""

    def answer(self, name, data, status, reason, then="open", call=1):
        self.add(name, data, f"answer call={call} status={status} reason={reason} then={then}")

    def payload(self, name, method, payload, status="INVALID_ARGUMENT", reason=10):
        self.answer(name, frame(REQUEST, 1, method_id("coffer.v1." + method), 0, payload), status, reason)

    def get(self, name, payload, status="INVALID_ARGUMENT", reason=10):
        self.payload(name, "Credentials/Get", payload, status, reason)

    def fields(self, name, method, fields, status="INVALID_ARGUMENT", reason=11):
        """A message that decodes, but breaks a field's rule."""
        message = MESSAGES[f"coffer.v1.{method.split('/')[1]}Request"](**fields)
        self.payload(name, method, message.SerializeToString(deterministic=True), status, reason)


def bad_frames(out):
    get_id, get_payload = method_id("coffer.v1.Credentials/Get"), b"\x0a\x03ann\x12\x06github"

    def get(**changes):
        return frame(changes.pop("kind", REQUEST), 1, get_id, 0, get_payload, **changes)

    out.heading("Frames.")
    for length in (0, 19):
        out.answer(f"length-{length}", get(length=length), "INVALID_ARGUMENT", 10, "closed", call=0)
    for version in (0, 2, 255):
        out.answer(f"version-{version}", get(version=version), "INVALID_ARGUMENT", 10, "closed")
    for kind in (0, RESPONSE, GO_AWAY, 5, 255):
        out.answer(f"kind-{kind}", get(kind=kind), "INVALID_ARGUMENT", 10, "closed")
    out.answer("flag-more", get(flags=1), "INVALID_ARGUMENT", 10)
    out.answer("flag-unknown", get(flags=0x8000), "INVALID_ARGUMENT", 10)
    out.answer("method-0", frame(REQUEST, 1, 0), "UNIMPLEMENTED", 12)
    out.answer("method-unknown", frame(REQUEST, 1, get_id + 1, 0, get_payload), "UNIMPLEMENTED", 12)
    over = frame(REQUEST, 1, get_id, 0, bytes(MAXIMUM_FRAME - 24 + 1))
    out.answer("frame-over-the-limit", over, "RESOURCE_EXHAUSTED", 13)
    largest = frame(REQUEST, 1, get_id, 0, bytes(MAXIMUM_FRAME - 24))
    out.answer("frame-at-the-limit", largest, "INVALID_ARGUMENT", 10)
    out.answer(
        "tls-hello", bytes.fromhex("160301020001000000000000000000000000000000000000"),
        "INVALID_ARGUMENT", 10, "closed", call=0,
    )
    out.add("cancel-unknown-call", frame(CANCEL, 99), "none then=open")

    out.heading("Text protocols that knock by mistake.")
    out.add("text-http-get", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "text http=1 then=closed")
    out.add("text-http-post", b"POST /v1/get HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "text http=1 then=closed")
    out.add("text-http-2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "text http=1 then=closed")
    out.add("text-line", b"help\r\n", "text http=0 then=closed")
    out.add("text-json", b'{"get": "github"}\n', "text http=0 then=closed")


def bad_encodings(out):
    ann, github = b"\x0a\x03ann", b"\x12\x06github"
    out.heading("Messages that do not decode.")
    out.get("length-beyond-the-end", ann + b"\x12\x07github")
    out.get("length-of-2-to-the-63", ann + b"\x12" + b"\xff" * 9 + b"\x00")
    out.get("length-of-2-to-the-64-less-1", ann + b"\x12" + b"\xff" * 9 + b"\x01")
    out.get("tag-without-value", ann + github + b"\x18")
    out.get("varint-cut", ann + github + b"\x18\x80")
    out.get("varint-11-bytes", ann + github + b"\x18" + b"\x80" * 10 + b"\x01")
    out.get("varint-over-64-bits", ann + github + b"\x18" + b"\xff" * 9 + b"\x02")
    out.get("varint-padded", ann + github + b"\x18\x81\x00")
    out.get("length-padded", b"\x0a\x83\x00ann" + github)
    out.get("tag-padded", b"\x8a\x00\x03ann" + github)
    out.get("field-number-0", ann + github + b"\x00\x01")
    out.get("field-number-too-high", ann + github + b"\x80\x80\x80\x80\x10\x01")
    out.get("group", ann + github + b"\xa3\x06\xa4\x06")
    out.get("wire-type-6", ann + github + b"\xa6\x06\x01")
    out.get("wire-type-of-a-known-field", ann + b"\x10\x01")
    out.get("fixed32-cut", ann + github + b"\xa5\x06\x01\x02\x03")
    out.get("singular-twice", ann + ann + github)
    out.get("nine-unknown-fields", ann + github + b"\xa0\x06\x01" * 9)
    out.get("eight-unknown-fields", ann + github + b"\xa0\x06\x01" * 8, "NOT_FOUND", 30)
    out.get("utf8-lone-continuation", b"\x0a\x03a\x80b" + github)
    out.get("utf8-overlong", b"\x0a\x04a\xc0\xafb" + github)
    out.get("utf8-surrogate", b"\x0a\x03\xed\xa0\x80" + github)
    out.get("utf8-above-10ffff", b"\x0a\x04\xf4\x90\x80\x80" + github)
    out.get("utf8-cut", b"\x0a\x04ann\xe2" + github)
    out.get("nul-in-text", b"\x0a\x03a\x00b" + github)
    store = ann + github + b"\x1a\x02{}"
    for name, tail in {
        "oneof-two-members": b"\x32\x03v-1\x38\x01",
        "bool-2": b"\x38\x02",
        "uint32-over-32-bits": b"\x20\x80\x80\x80\x80\x10",
        "map-entry-third-field": b"\x2a\x09\x0a\x01a\x12\x01b\x1a\x01c",
        "map-entry-two-keys": b"\x2a\x06\x0a\x01a\x0a\x01b",
        "map-entry-cut": b"\x2a\x05\x0a\x01a\x12\x01",
        "map-value-not-utf8": b"\x2a\x06\x0a\x01a\x12\x01\xff",
    }.items():
        out.payload(name, "Credentials/Store", store + tail)
    out.payload("nested-length-beyond-the-end", "Credentials/GetMany", b"\x0a\x0d\x0a\x03ann\x12\x07github")
    out.payload("nested-singular-twice", "Credentials/GetMany", b"\x0a\x0a\x0a\x03ann\x0a\x03bob")
    out.payload("elements-over-1024", "Credentials/GetMany", b"\x0a\x06\x0a\x01u\x12\x01c" * 1025)
    out.payload("health-not-a-message", "Admin/Health", b"\xff")


def bad_fields(out):
    out.heading("Fields that break their rule.")
    store = {**KEY, "credential": b"{}"}
    for name, user in {
        "empty": "", "257-bytes": "u" * 257, "newline": "a\nb", "delete": "a\x7fb", "c1-control": "a\u0085b",
    }.items():
        out.fields(f"user-id-{name}", "Credentials/Get", {**KEY, "user_id": user})
    out.fields("user-id-256-bytes", "Credentials/Get", {**KEY, "user_id": "u" * 256}, "NOT_FOUND", 30)
    out.fields("connection-id-empty", "Credentials/Delete", {"user_id": "ann"})
    out.fields("connection-id-129-pairs", "Credentials/Delete", {**KEY, "connection_id": "é" * 129})
    out.fields("credential-empty", "Credentials/Store", KEY)
    out.fields("credential-64-kib-and-1", "Credentials/Store", {**KEY, "credential": b"a" * 65537}, reason=14)
    out.fields("ttl-over-100-years", "Credentials/Store", {**store, "ttl_seconds": 3_153_600_001})
    out.fields("if-version-empty", "Credentials/Store", {**store, "if_version": ""})
    out.fields("if-version-129-bytes", "Credentials/Delete", {**KEY, "if_version": "v" * 129})
    labels = {
        "17": {f"name{index}": "" for index in range(17)}, "name-empty": {"": "x"}, "name-65-bytes": {"n" * 65: ""},
        "value-257-bytes": {"n": "v" * 257}, "control": {"n": "a\tb"},
    }
    for name, value in labels.items():
        out.fields(f"labels-{name}", "Credentials/Store", {**store, "labels": value})
    out.payload(
        "labels-same-name-twice", "Credentials/Store",
        b"\x0a\x03ann\x12\x06github\x1a\x02{}" + b"\x2a\x06\x0a\x01a\x12\x01b" * 2, reason=11,
    )
    out.fields("no-keys", "Credentials/GetMany", {})
    out.fields("257-keys", "Credentials/GetMany", {"keys": [KEY] * 257})
    out.fields("one-key-bad", "Credentials/GetMany", {"keys": [KEY, {"user_id": "ann"}]})
    out.fields("page-size-1001", "Credentials/List", {"user_id": "ann", "page_size": 1001})
    out.fields("page-token-8193-bytes", "Credentials/List", {"user_id": "ann", "page_token": "A" * 8193})
    out.fields("page-token-forged", "Credentials/List", {"user_id": "ann", "page_token": "A" * 64})
    out.fields("invalidate-nothing", "Admin/Invalidate", {})
    out.fields("invalidate-all-false", "Admin/Invalidate", {"all": False})
    out.fields("invalidate-key-empty", "Admin/Invalidate", {"key": {}})


def bad_requests():
    out = BadRequests("What a client must not send, and the daemon's answer.")
    bad_frames(out)
    bad_encodings(out)
    bad_fields(out)
    return out


def bad_responses():
    out = Vectors("What a daemon must not send, as the answer to a Get with call id 1.")
    good = MESSAGES["coffer.v1.GetResponse"](**RECORD, source=2).SerializeToString()

    def respond(name, then, payload=good, status="INTERNAL", code=0, kind=RESPONSE, **header):
        out.add(name, frame(kind, 1, code, 0, payload, **header), f"fails status={status} then={then}")

    out.heading("Frames.")
    respond("length-0", "closed", length=0)
    respond("length-19", "closed", length=19)
    respond("length-over-the-limit", "closed", length=MAXIMUM_FRAME - 4 + 1)
    respond("length-highest", "closed", length=2**32 - 1)
    respond("version-2", "closed", version=2)
    respond("kind-0", "closed", kind=0)
    respond("kind-request", "closed", kind=REQUEST)
    respond("kind-cancel", "closed", kind=CANCEL)
    respond("flag-unknown", "closed", flags=2)
    out.add("text", b"HTTP/1.1 400 Bad Request\r\n\r\n", "fails status=INTERNAL then=closed")

    out.heading("Messages.")
    respond("more-on-a-single-answer", "open", flags=1)
    respond("length-beyond-the-end", "open", b"\x0a\x07s3cret")
    respond("group", "open", good + b"\xa3\x06\xa4\x06")
    respond("singular-twice", "open", good + b"\x12\x03v-2")
    respond("nul-in-text", "open", b"\x0a\x06s3cret\x12\x03v\x001")
    respond("not-utf8", "open", b"\x0a\x06s3cret\x12\x03v\xff1")
    respond("varint-11-bytes", "open", good + b"\x40" + b"\x80" * 10 + b"\x01")
    respond("failure-with-more", "open", b"", status="NOT_FOUND", code=STATUS["NOT_FOUND"], flags=1)
    respond("1024-unknown-fields", "open", good + b"\xa0\x06\x01" * 1_024, status="OK")
    respond("1025-unknown-fields", "open", good + b"\xa0\x06\x01" * 1_025)
    respond("a-megabyte-of-unknown-fields", "open", b"\xa0\x06\x01" * 349_525)
    respond("a-megabyte-of-labels", "open", b"\x1a\x00" * 524_288)
    respond("failure-not-a-message", "open", b"\xff", status="UNAVAILABLE", code=STATUS["UNAVAILABLE"])
    respond("status-unknown", "open", b"", status="UNKNOWN", code=17)
    respond("failure-without-payload", "open", b"", status="NOT_FOUND", code=STATUS["NOT_FOUND"])
    return out


def check_examples(frames):
    """Compares the hex in PROTOCOL.md with the vectors; returns the faults."""
    text = (PROTO / "PROTOCOL.md").read_text()
    examples = re.findall(r"^```vector (\S+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    faults = [] if examples else ["PROTOCOL.md has no examples"]
    for name, block in examples:
        data = bytes.fromhex("".join(line.split("  ")[0] for line in block.splitlines()))
        if data != frames.bytes[name]:
            faults.append(f"PROTOCOL.md: {name} should be {frames.bytes[name].hex(' ')}")
    for method in re.findall(r"^\| `(coffer\.v1\.\w+/\w+)` \| 0x(\w+)", text, re.MULTILINE):
        if f"{method_id(method[0]):08x}" != method[1]:
            faults.append(f"PROTOCOL.md: the id of {method[0]} should be {method_id(method[0]):08x}")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    frames = valid_frames()
    files = {"frames": frames, "bad-requests": bad_requests(), "bad-responses": bad_responses()}
    faults = check_examples(frames)
    for name, vectors in files.items():
        path = HERE / f"{name}.txt"
        if not check:
            path.write_text(vectors.text())
        elif not path.exists() or path.read_text() != vectors.text():
            faults.append(f"{path.name} differs from what generate.py makes")
    print("\n".join([*faults, f"{sum(len(v.bytes) for v in files.values())} vectors"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
