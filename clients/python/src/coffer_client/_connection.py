"""One connection to the daemon: many calls at once, answered in any order.

It never waits: somebody else watches the socket, calls `receive` when it has something, `flush` when there is room,
and `expire` in time. Not thread-safe.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from typing import Deque, Dict, List, Optional, Union

from ._frames import (
    COUNTED_BYTES, GO_AWAY, HEADER_BYTES, LONGEST_TIMEOUT_MS, MAXIMUM_FRAME_BYTES, MORE, REQUEST, VERSION, Method,
    cancel_frame, header_fault, length_fault, pack_header, unpack_header,
)
from ._messages import decode_failure, wipe
from .errors import Code, CofferError, DeadlineExceeded, Reason, Unavailable

#: Responses of one call that may wait for its end: a GetMany has 256 results.
MOST_PARTS = 1_024
_FIRST_INPUT_BYTES = 64 << 10
_FRAMES_PER_SEND = 64


class ConnectionLost(Exception):
    """The connection ended before a call on it was answered."""

    def __init__(self, cause: CofferError, may_have_been_sent: bool, was_turned_away: bool = False) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.may_have_been_sent = may_have_been_sent
        """False if the daemon surely did not get the whole request, or did not carry it out."""
        self.was_turned_away = was_turned_away
        """The daemon has said that the connection may not stay: it carried out nothing that came on it."""


class _Fatal(Exception):
    """The connection cannot go on."""

    def __init__(self, cause: CofferError, was_turned_away: bool = False) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.was_turned_away = was_turned_away


class Call:
    """A call on its way. Whoever waits for it is woken by `wake`, once."""

    __slots__ = ("method", "payload", "deadline", "id", "parts", "error", "done", "sent")

    def __init__(self, method: Method, payload: Union[bytes, bytearray], deadline: float) -> None:
        self.method = method
        self.payload = payload
        self.deadline = deadline
        self.id = 0
        self.parts: List[bytearray] = []
        self.error: Optional[Exception] = None
        self.done = False
        #: The whole request is in the kernel's hands.
        self.sent = False

    def wake(self) -> None:
        raise NotImplementedError

    def end(self, error: Optional[Exception] = None) -> None:
        if not self.done:
            self.done = True
            self.error = error
            self.wake()


class _Item:
    """A frame on its way to the socket."""

    __slots__ = ("frame", "call", "begun")

    def __init__(self, frame: Union[bytes, bytearray], call: Optional[Call]) -> None:
        self.frame = frame
        self.call = call
        self.begun = 0


class Connection:
    """See the module."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.calls: Dict[int, Call] = {}
        #: When it stopped taking new calls.
        self.unusable_since: Optional[float] = None
        self.closed = False
        self._last_id = 0
        self._queue: Deque[_Item] = deque()
        self._input = bytearray(_FIRST_INPUT_BYTES)
        self._view = memoryview(self._input)
        self._filled = 0

    @property
    def has_output(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._queue)

    # ---- Calls ----

    def begin(self, call: Call) -> None:
        """Queues a call's request; `flush` sends it."""
        if self.unusable_since is not None:
            call.end(ConnectionLost(connection_lost(), False))
            return
        self._last_id += 1
        call.id = self._last_id
        call.sent = False
        # Rounded up, so that a call with little time left does not carry 0, which stands for the daemon's default.
        timeout = min(int((call.deadline - time.monotonic()) * 1000) + 1, LONGEST_TIMEOUT_MS)
        header = pack_header(
            COUNTED_BYTES + len(call.payload), VERSION, REQUEST, 0, call.id, call.method.id, max(1, timeout))
        self.calls[call.id] = call
        payload = call.payload
        if isinstance(payload, bytearray):
            frame: Union[bytes, bytearray] = bytearray(header)
            frame += payload
        else:
            frame = header + payload
        self._queue.append(_Item(frame, call))

    def abandon(self, call: Call, error: Optional[Exception] = None) -> None:
        """Ends a call early, if it has not ended; the daemon is told to stop."""
        if self.calls.pop(call.id, None) is not None:
            self._withdraw(call)
            call.end(error)

    def expire(self, now: float) -> Optional[float]:
        """Ends the calls whose time is over; when the next one's will be."""
        for call in [call for call in self.calls.values() if call.deadline <= now]:
            del self.calls[call.id]
            self._withdraw(call)
            call.end(deadline_error(call))
        return min((call.deadline for call in self.calls.values()), default=None)

    def _withdraw(self, call: Call) -> None:
        """Takes the request back, or queues a cancel after it."""
        if self.closed:
            return
        for item in self._queue:
            if item.call is call:
                if item.begun:
                    call.sent = True
                    break
                self._queue.remove(item)
                wipe(item.frame)
                return
        self._queue.append(_Item(cancel_frame(call.id), None))

    # ---- Sending ----

    def flush(self) -> bool:
        """Sends what the kernel takes now. False if some is left."""
        queue = self._queue
        try:
            while queue:
                item = queue[0]
                if len(queue) == 1:
                    rest = memoryview(item.frame)[item.begun :] if item.begun else item.frame
                    self._sent(self.socket.send(rest))
                else:
                    few = [queue[index] for index in range(min(len(queue), _FRAMES_PER_SEND))]
                    views = [memoryview(item.frame)[item.begun :] for item in few]
                    self._sent(self.socket.sendmsg(views))
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            # Answers may still wait to be received; the end is found behind them and fails what is left.
            self._drop_output()
            self._stop_taking_calls()
        return True

    def _sent(self, count: int) -> None:
        queue = self._queue
        while count:
            item = queue[0]
            rest = len(item.frame) - item.begun
            if count < rest:
                item.begun += count
                return
            count -= rest
            queue.popleft()
            wipe(item.frame)
            if item.call is not None:
                item.call.sent = True

    def _drop_output(self) -> None:
        for item in self._queue:
            wipe(item.frame)
        self._queue.clear()

    # ---- Receiving ----

    def receive(self) -> None:
        """Takes what has come, and acts on every whole frame. May close the connection."""
        try:
            while self._fill():
                pass
        except _Fatal as fatal:
            self.close(fatal.cause, fatal.was_turned_away)
            return
        if self.unusable_since is not None and not self.calls and not self.closed:
            self.close(connection_lost())

    def _fill(self) -> bool:
        """One read. True if more may be there."""
        try:
            count = self.socket.recv_into(self._view[self._filled :])
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            count = 0
        if not count:
            raise _Fatal(connection_lost())
        filled = self._filled = self._filled + count
        was_full = filled == len(self._input)
        consumed = self._act(filled)
        rest = filled - consumed
        if rest and consumed:
            self._input[:rest] = self._input[consumed:filled]
        if consumed:
            self._view[rest:filled] = bytes(filled - rest)
        self._filled = rest
        if rest == len(self._input):
            self._grow()
        elif not rest and len(self._input) > _FIRST_INPUT_BYTES and not was_full:
            self._replace_input(_FIRST_INPUT_BYTES)
        return was_full

    def _grow(self) -> None:
        """The buffer follows what has come, never the length that a frame announces."""
        self._replace_input(min(2 * len(self._input), MAXIMUM_FRAME_BYTES))

    def _replace_input(self, size: int) -> None:
        new = bytearray(size)
        new[: self._filled] = self._view[: self._filled]
        self._view.release()
        wipe(self._input)
        self._input = new
        self._view = memoryview(new)

    def _act(self, filled: int) -> int:
        """Acts on the whole frames; how many bytes they have."""
        data = self._input
        at = 0
        while filled - at >= 4:
            if filled - at < HEADER_BYTES:
                length = int.from_bytes(data[at : at + 4], "big")
                fault = length_fault(length)
                if fault is not None:
                    raise violation(fault)
                break
            length, version, kind, flags, call_id, status, retry = unpack_header(data, at)
            fault = length_fault(length) or header_fault(version, kind, flags, call_id)
            if fault is not None:
                raise violation(fault)
            end = at + 4 + length
            if end > filled:
                break
            payload = data[at + HEADER_BYTES : end]
            if kind == GO_AWAY:
                self._go_away(status, retry, payload)
            else:
                self._respond(call_id, status, retry, bool(flags & MORE), payload)
            at = end
        return at

    def _respond(self, call_id: int, status: int, retry: int, more: bool, payload: bytearray) -> None:
        call = self.calls.get(call_id)
        if call is None:
            # Call id 0: the daemon could not read what was sent, and closes. Other calls have been given up meanwhile.
            if call_id == 0 and status != 0:
                raise _Fatal(decode_failure(status, retry, payload))
            wipe(payload)
        elif status != 0:
            del self.calls[call_id]
            call.end(decode_failure(status, retry, payload))
        elif more and not call.method.streams:
            wipe(payload)
            self.abandon(call, CofferError(
                "the daemon announced a response after the one that ends the call", code=Code.INTERNAL,
                reason=Reason.MALFORMED))
        else:
            call.parts.append(payload)
            if not more:
                del self.calls[call_id]
                call.end()
            elif len(call.parts) >= MOST_PARTS:
                self.abandon(call, CofferError(
                    f"more than {MOST_PARTS} responses to one call", code=Code.INTERNAL, reason=Reason.MALFORMED))

    def _go_away(self, status: int, retry: int, payload: bytearray) -> None:
        if status != 0:
            raise _Fatal(decode_failure(status, retry, payload), was_turned_away=True)
        self._stop_taking_calls()
        for item in [item for item in self._queue if item.call is not None and not item.begun]:
            self._queue.remove(item)
            wipe(item.frame)
            if item.call is not None and self.calls.pop(item.call.id, None) is not None:
                item.call.end(ConnectionLost(connection_lost(), False))

    # ---- The end ----

    def _stop_taking_calls(self) -> None:
        if self.unusable_since is None:
            self.unusable_since = time.monotonic()

    def close(self, cause: CofferError, was_turned_away: bool = False) -> None:
        """Ends all calls with `cause`, and the connection."""
        if self.closed:
            return
        self.closed = True
        self._stop_taking_calls()
        self.detach()
        try:
            # Wakes a thread that waits for it, which closing alone does not.
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._let_go()
        calls, self.calls = self.calls, {}
        for call in calls.values():
            call.end(ConnectionLost(cause, call.sent and not was_turned_away, was_turned_away))

    def close_socket(self) -> None:
        """Gives the descriptor back."""
        self.socket.close()

    def leave_to_parent(self) -> None:
        """In a child made by fork: ends this process's share. The calls are the parent's and end there."""
        self.closed = True
        self._stop_taking_calls()
        self.calls = {}
        self._let_go()

    def _let_go(self) -> None:
        self.close_socket()
        self._drop_output()
        wipe(self._input)

    def detach(self) -> None:
        """Called once, before the socket is closed: nobody may watch it from now on."""


def connection_lost() -> CofferError:
    return Unavailable("the daemon closed the connection", retryable=True)


def violation(what: str) -> _Fatal:
    """The peer sends what no daemon of this protocol would."""
    return _Fatal(CofferError(
        f"{what}; the connection is closed: check that a cofferd is at the socket", code=Code.INTERNAL,
        reason=Reason.MALFORMED))


def deadline_error(call: Call) -> CofferError:
    return told(
        DeadlineExceeded("no answer within the time given", reason=Reason.DEADLINE, retryable=True), call.sent,
        call.method.writes)


def told(error: CofferError, may_have_been_sent: bool, writes: bool) -> CofferError:
    """The error of a call that was not answered, saying what may have come of it."""
    suffix = ""
    if not may_have_been_sent:
        suffix = "; the call was not sent"
    elif writes:
        suffix = "; a write may have happened"
    return type(error)(
        error.message + suffix, code=error.code, reason=error.reason, vault=error.vault, retryable=error.retryable,
        retry_after=error.retry_after, may_have_happened=may_have_been_sent and writes)


class Retry:
    """Decides whether a failed call is made once more."""

    __slots__ = ("_writes", "_spent")

    def __init__(self, method: Method) -> None:
        self._writes = method.writes
        self._spent = False

    def after(self, error: Exception) -> None:
        """Returns if the call is to be made again; else raises what the caller gets."""
        if isinstance(error, ConnectionLost):
            if self._spent or (self._writes and error.may_have_been_sent) or error.cause.code == Code.CANCELLED:
                cause = error.cause
                raise cause if error.was_turned_away else told(cause, error.may_have_been_sent, self._writes)
        elif not isinstance(error, CofferError) or self._spent or error.reason != Reason.DRAINING or error.may_have_happened:
            # A daemon that is draining has not begun the call, unless it says so.
            raise error
        self._spent = True

