"""The protocol of proto/PROTOCOL.md: frames, method ids, statuses, messages.

Needs google's protobuf package and, once at start, protoc.
"""

import os
import pathlib
import stat
import struct
import subprocess
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
SERVICES = ("Credentials", "Admin")

REQUEST, RESPONSE, CANCEL, GO_AWAY = 1, 2, 3, 4
MORE = 1
MAXIMUM_FRAME = (1 << 20) + (64 << 10)

STATUS_NAMES = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS"
    " PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE"
    " UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
).split()
STATUS = {name: code for code, name in enumerate(STATUS_NAMES)}


def method_id(name):
    """FNV-1a, 32 bits, of for instance coffer.v1.Credentials/Get."""
    value = 2166136261
    for byte in name.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


class Header:
    """The 24 bytes before a payload."""

    FORMAT = struct.Struct(">IBBHQII")
    SIZE = FORMAT.size

    def __init__(self, data):
        (
            self.length, self.version, self.kind, self.flags, self.call_id,
            self.method_or_status, self.timeout_or_retry,
        ) = self.FORMAT.unpack(data)

    @property
    def payload_size(self):
        return self.length - 20


def frame(kind, call_id, third=0, fourth=0, payload=b"", flags=0):
    return Header.FORMAT.pack(20 + len(payload), 1, kind, flags, call_id, third, fourth) + payload


class Method:
    def __init__(self, full_name, request, response):
        self.name = full_name.split("/")[1]
        self.id = method_id(full_name)
        self.request = request
        self.response = response


def _load():
    """Methods by name and messages by short name, from the .proto files."""
    with tempfile.NamedTemporaryFile() as file:
        sources = [f"coffer/v1/{name.lower()}.proto" for name in SERVICES]
        command = ["protoc", f"-I{PROTO}", "--include_imports", f"--descriptor_set_out={file.name}"]
        subprocess.run(command + sources, check=True, timeout=30)
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    methods, messages = {}, {}
    for description in files.file:
        pool.Add(description)
        for message in description.message_type:
            descriptor = pool.FindMessageTypeByName(f"coffer.v1.{message.name}")
            messages[message.name] = message_factory.GetMessageClass(descriptor)
    for service in SERVICES:
        for method in pool.FindServiceByName(f"coffer.v1.{service}").methods:
            methods[method.name] = Method(
                f"coffer.v1.{service}/{method.name}",
                messages[method.input_type.name], messages[method.output_type.name],
            )
    return methods, messages


METHODS, MESSAGES = _load()


def default_socket():
    """Where the daemon's socket is: PROTOCOL.md, "Where the socket is"."""
    if os.environ.get("COFFER_SOCKET"):
        return os.environ["COFFER_SOCKET"]
    if os.environ.get("XDG_RUNTIME_DIR", "").startswith("/"):
        return os.environ["XDG_RUNTIME_DIR"] + "/coffer/coffer.sock"
    user = os.geteuid()
    if user == 0:
        return "/run/coffer/coffer.sock"
    try:
        folder = os.lstat(f"/run/user/{user}")
    except OSError:
        folder = None
    if folder and stat.S_ISDIR(folder.st_mode) and folder.st_uid == user and not folder.st_mode & 0o022:
        return f"/run/user/{user}/coffer/coffer.sock"
    return f"/tmp/coffer-{user}/coffer.sock"


def receive_exactly(connection, count):
    """Bytes from a socket; fewer only if the peer closed."""
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            break
        data += piece
    return bytes(data)
