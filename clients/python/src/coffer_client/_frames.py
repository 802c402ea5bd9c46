"""The 24 bytes before each message: proto/PROTOCOL.md, "The frame"."""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

REQUEST, RESPONSE, CANCEL, GO_AWAY = 1, 2, 3, 4
VERSION = 1
MORE = 1
HEADER_BYTES = 24
#: What a frame's length counts beside its payload.
COUNTED_BYTES = 20
MAXIMUM_FRAME_BYTES = (1 << 20) + (64 << 10)
LONGEST_TIMEOUT_MS = (1 << 32) - 1

_HEADER = struct.Struct(">IBBHQII")
pack_header = _HEADER.pack
unpack_header = _HEADER.unpack_from


class Method(NamedTuple):
    """What the client must know of a method to call it."""

    name: str
    id: int
    writes: bool = False
    """It changes something: not made again once it may have been sent."""
    streams: bool = False
    """It may have several responses."""


def method(service: str, name: str, writes: bool = False, streams: bool = False) -> Method:
    """The id is the 32-bit FNV-1a hash of the full name."""
    value = 2166136261
    for byte in f"coffer.v1.{service}/{name}".encode("ascii"):
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return Method(name, value, writes, streams)


STORE = method("Credentials", "Store", writes=True)
GET = method("Credentials", "Get")
DELETE = method("Credentials", "Delete", writes=True)
GET_MANY = method("Credentials", "GetMany", streams=True)
LIST = method("Credentials", "List")
PING = method("Credentials", "Ping")
HEALTH = method("Admin", "Health")
STATS = method("Admin", "Stats")
INVALIDATE = method("Admin", "Invalidate")
DOCTOR = method("Admin", "Doctor", writes=True)


def cancel_frame(call_id: int) -> bytes:
    """Tells the daemon that nobody waits for this call any more."""
    return pack_header(COUNTED_BYTES, VERSION, CANCEL, 0, call_id, 0, 0)


def length_fault(length: int) -> str:
    """That a daemon may not send a frame of this length."""
    return f"a frame of length {length}, expected {COUNTED_BYTES} to {MAXIMUM_FRAME_BYTES - 4}"


def header_fault(version: int, kind: int, flags: int, call_id: int) -> Optional[str]:
    """Why a daemon may not send this header."""
    if version != VERSION:
        return f"a frame of version {version}, expected {VERSION}"
    if kind == RESPONSE:
        return f"a response with flags {flags:#06x}" if flags & ~MORE else None
    if kind == GO_AWAY:
        return f"a go-away with flags {flags:#06x}, call {call_id}" if flags or call_id else None
    return f"a frame of kind {kind}, expected a response or go-away"
