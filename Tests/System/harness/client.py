"""A client on raw frames, after proto/PROTOCOL.md and nothing else."""

import enum
import socket
import struct
import time
from typing import Iterable, NamedTuple

from . import messages

HEADER = struct.Struct(">IBBHQII")
MAXIMUM_LENGTH = (1 << 20) + (64 << 10) - 4


class Kind(enum.IntEnum):
    REQUEST = 1
    RESPONSE = 2
    CANCEL = 3
    GO_AWAY = 4


class Status(enum.IntEnum):
    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


def method_id(name: str) -> int:
    """The 32-bit FNV-1a hash of `coffer.v1.` + name, for instance `Credentials/Get`."""
    value = 2166136261
    for byte in f"coffer.v1.{name}".encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


class Frame(NamedTuple):
    kind: int
    flags: int
    call_id: int
    #: Request: the method's id. Response: the status.
    code: int
    #: Request: timeout. Response: retry advice. Milliseconds.
    milliseconds: int
    payload: bytes

    @property
    def more(self) -> bool:
        return self.flags & 1 == 1

    @property
    def failure(self):
        """The payload of a response that is not OK, or of a go-away with a reason."""
        return messages.credentials.Failure.FromString(self.payload)


class CallFailed(Exception):
    def __init__(self, frame: Frame):
        self.status = Status(frame.code)
        self.failure = frame.failure
        self.retry_milliseconds = frame.milliseconds
        super().__init__(f"{self.status.name}: {self.failure.message}")


class Truncated(Exception):
    """The connection ended inside a frame."""


def encode(
    method: str, payload: bytes, call_id: int, timeout: int = 0, *, version: int = 1,
    kind: int = Kind.REQUEST, flags: int = 0, length: int | None = None
) -> bytes:
    """A request frame; every field can be made wrong."""
    return HEADER.pack(
        20 + len(payload) if length is None else length, version, kind, flags, call_id,
        method_id(method), timeout) + payload


def cancel(call_id: int) -> bytes:
    return HEADER.pack(20, 1, Kind.CANCEL, 0, call_id, 0, 0)


class Client:
    """One connection. Every wait ends after `seconds`, with TimeoutError."""

    def __init__(self, path: str, seconds: float = 15):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self._input = bytearray()
        self._last_id = 0
        #: Set by `response_to` and `responses` when they meet one.
        self.went_away = False
        try:
            self._connect(path, time.monotonic() + seconds)
        except BaseException:
            self.socket.close()
            raise

    def _connect(self, path: str, end: float) -> None:
        while True:
            try:
                self.socket.connect(path)
                return
            except BlockingIOError:  # the backlog is full
                if time.monotonic() > end:
                    raise
                time.sleep(0.005)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Frames

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> bytes:
        """All bytes until the daemon closes; a reset counts as closing."""
        try:
            while block := self.socket.recv(1 << 18):
                self._input += block
        except ConnectionResetError:
            pass
        data, self._input = bytes(self._input), bytearray()
        return data

    def frame(self) -> Frame | None:
        """The next frame; None if the daemon has closed. Raises Truncated."""
        if not self._fill(4):
            return None
        length = int.from_bytes(self._input[:4], "big")
        assert 20 <= length <= MAXIMUM_LENGTH, f"the daemon sent a frame of length {length}"
        assert self._fill(4 + length), "the daemon closed"
        _, version, kind, flags, call_id, code, milliseconds = HEADER.unpack_from(self._input)
        payload = bytes(self._input[24:4 + length])
        del self._input[:4 + length]
        assert version == 1 and kind in (Kind.RESPONSE, Kind.GO_AWAY), (version, kind)
        assert flags in (0, 1), flags
        return Frame(kind, flags, call_id, code, milliseconds, payload)

    def _fill(self, count: int) -> bool:
        while len(self._input) < count:
            try:
                block = self.socket.recv(1 << 18)
            except ConnectionResetError:
                block = b""
            if not block:
                if self._input:
                    raise Truncated(f"the daemon closed after {len(self._input)} bytes of a frame")
                return False
            self._input += block
        return True

    def response(self) -> Frame:
        """The next response; go-aways are noted in `went_away`. Raises CallFailed for one with a status."""
        while True:
            frame = self.frame()
            if frame is None:
                raise ConnectionError("the daemon closed the connection")
            if frame.kind == Kind.RESPONSE:
                return frame
            if frame.code != Status.OK:
                raise CallFailed(frame)
            self.went_away = True

    # Calls

    def begin(self, method: str, request, timeout: int = 0) -> int:
        """Sends a request; returns its call id."""
        call_id = self.next_id()
        try:
            self.send(encode(method, request.SerializeToString(), call_id, timeout))
        except BrokenPipeError:
            pass  # What the daemon said before it hung up is to be read.
        return call_id

    def responses(self, call_id: int) -> Iterable[Frame]:
        """All responses to the only call in flight. Raises CallFailed."""
        while True:
            frame = self.response()
            assert frame.call_id == call_id, f"an answer to call {frame.call_id}, which is not in flight"
            if frame.code != Status.OK:
                raise CallFailed(frame)
            yield frame
            if not frame.more:
                return

    def _call(self, method: str, request, response_type, timeout: int = 0):
        (frame,) = self.responses(self.begin(method, request, timeout))
        return response_type.FromString(frame.payload)

    def store(self, user: str, connection: str, credential: bytes, **fields):
        request = messages.credentials.StoreRequest(
            user_id=user, connection_id=connection, credential=credential, **fields)
        return self._call("Credentials/Store", request, messages.credentials.StoreResponse)

    def get(self, user: str, connection: str, **fields):
        request = messages.credentials.GetRequest(user_id=user, connection_id=connection, **fields)
        return self._call("Credentials/Get", request, messages.credentials.GetResponse)

    def delete(self, user: str, connection: str, **fields) -> bool:
        request = messages.credentials.DeleteRequest(user_id=user, connection_id=connection, **fields)
        return self._call("Credentials/Delete", request, messages.credentials.DeleteResponse).existed

    def begin_get_many(self, keys: list[tuple[str, str]], timeout: int = 0, **fields) -> int:
        """Sends the request; returns its call id."""
        keys = [messages.credentials.Key(user_id=u, connection_id=c) for u, c in keys]
        return self.begin("Credentials/GetMany", messages.credentials.GetManyRequest(keys=keys, **fields), timeout)

    def get_many(self, keys: list[tuple[str, str]], timeout: int = 0, **fields) -> list:
        """One GetResult for each key, in the order of the keys."""
        results = [
            result
            for frame in self.responses(self.begin_get_many(keys, timeout, **fields))
            for result in messages.credentials.GetManyResponse.FromString(frame.payload).results]
        results.sort(key=lambda result: result.index)
        assert [result.index for result in results] == list(range(len(keys))), "not one result per key"
        return results

    def list(self, user: str, page_size: int = 0) -> list:
        entries, token = [], ""
        while True:
            request = messages.credentials.ListRequest(user_id=user, page_token=token, page_size=page_size)
            page = self._call("Credentials/List", request, messages.credentials.ListResponse)
            entries += page.entries
            if not (token := page.next_page_token):
                return entries

    def ping(self):
        return self._call("Credentials/Ping", messages.credentials.PingRequest(), messages.credentials.PingResponse)

    def health(self):
        return self._call("Admin/Health", messages.admin.HealthRequest(), messages.admin.HealthResponse)

    def stats(self) -> dict[str, int]:
        response = self._call("Admin/Stats", messages.admin.StatsRequest(), messages.admin.StatsResponse)
        return {stat.name: stat.value for stat in response.stats}

    def invalidate(self, **scope) -> int:
        request = messages.admin.InvalidateRequest(**scope)
        return self._call("Admin/Invalidate", request, messages.admin.InvalidateResponse).dropped
