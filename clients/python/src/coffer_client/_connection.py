"""One connection to the daemon: many calls at once, answered in any order.

It never waits: somebody else watches the socket, calls `receive` when it has something, `flush` when there is room,
and `expire` in time. Not thread-safe.
"""

from __future__ import annotations

import random
import socket
import time
from collections import deque
from itertools import islice
from typing import Callable, Deque, Dict, List, Optional, Union

from ._frames import (
    COUNTED_BYTES, GO_AWAY, HEADER_BYTES, LONGEST_TIMEOUT_MS, MAXIMUM_FRAME_BYTES, MORE, REQUEST,
    RESPONSE, VERSION, Method,
    cancel_frame, header_fault, length_fault, pack_header, unpack_header,
)
from ._messages import MAY_HAVE_HAPPENED, Duration, decode_failure, seconds, wipe
from .errors import Cancelled, Code, CofferError, DeadlineExceeded, InvalidArgument, Reason, Unavailable

#: Responses of one call that may wait for its end: a GetMany has 256 results.
MOST_PARTS = 1_024
_FIRST_INPUT_BYTES = 64 << 10
_FRAMES_PER_SEND = 64
_LONGEST_TIMEOUT = LONGEST_TIMEOUT_MS / 1000


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


class _Outgoing:
    """A frame on its way to the socket."""

    frame: Union[bytes, bytearray] = b""
    #: Bytes of it that the kernel has.
    begun = 0
    #: All of them.
    sent = False


class _Cancel(_Outgoing):
    def __init__(self, call_id: int) -> None:
        self.frame = cancel_frame(call_id)


class Call(_Outgoing):
    """A call on its way. Whoever waits for it is woken by `wake`, once."""

    id = 0
    parts: List[bytearray]
    error: Optional[Exception] = None
    done = False

    def __init__(self, method: Method, payload: Union[bytes, bytearray], deadline: float) -> None:
        self.method = method
        self.payload = payload
        self.deadline = deadline
        self.parts = []

    def wake(self) -> None:
        raise NotImplementedError

    def end(self, error: Optional[Exception] = None) -> None:
        if not self.done:
            self.done = True
            self.error = error
            # Some results of a GetMany that did not come to its end.
            for part in self.parts:
                wipe(part)
            self.wake()


class Connection:
    """See the module."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.calls: Dict[int, Call] = {}
        #: When it stopped taking new calls.
        self.unusable_since: Optional[float] = None
        self.closed = False
        self._last_id = 0
        #: What waits to be sent.
        self.queue: Deque[_Outgoing] = deque()
        self._input = bytearray(_FIRST_INPUT_BYTES)
        self._view = memoryview(self._input)
        self._filled = 0

    # ---- Calls ----

    def begin(self, call: Call) -> None:
        """Queues a call's request; `flush` sends it."""
        if self.unusable_since is not None:
            call.end(ConnectionLost(connection_lost(), False))
            return
        self._last_id = call.id = self._last_id + 1
        # Rounded up, so that a call with little time left does not carry 0, which stands for the daemon's default.
        left = call.deadline - time.monotonic()
        timeout = int((left if left < _LONGEST_TIMEOUT else _LONGEST_TIMEOUT) * 1000) + 1
        payload = call.payload
        frame: Union[bytes, bytearray] = pack_header(
            COUNTED_BYTES + len(payload), VERSION, REQUEST, 0, call.id, call.method.id,
            1 if timeout < 1 else timeout if timeout < LONGEST_TIMEOUT_MS else LONGEST_TIMEOUT_MS)
        if type(payload) is bytearray:
            frame = bytearray(frame)
        frame += payload
        call.frame = frame
        self.calls[call.id] = call
        self.queue.append(call)

    def abandon(self, call: Call, explain: Optional[Callable[[Call], CofferError]] = None) -> None:
        """Ends a call early, if it has not ended, and sends the daemon a cancel. May close the connection.

        :param explain: makes the call's error, once it is known whether the request still goes out.
        """
        self._abandon(call, explain)
        self._close_if_done()

    def _abandon(self, call: Call, explain: Optional[Callable[[Call], CofferError]] = None) -> None:
        if self.calls.pop(call.id, None) is not None:
            self._withdraw(call)
            call.end(None if explain is None else explain(call))

    def expire(self, now: float) -> Optional[float]:
        """Ends the calls whose time is over; when the next one's will be. May close the connection."""
        for call in [call for call in self.calls.values() if call.deadline <= now]:
            del self.calls[call.id]
            self._withdraw(call)
            call.end(deadline_error(call))
        self._close_if_done()
        return min((call.deadline for call in self.calls.values()), default=None)

    def _withdraw(self, call: Call) -> None:
        """Takes the request back, or queues a cancel after it."""
        if self.closed:
            return
        if not call.sent:
            if call not in self.queue:
                # Dropped with all output: it never leaves whole.
                return
            if not call.begun:
                self.queue.remove(call)
                wipe(call.frame)
                return
        # It goes on to its end, with the cancel behind it.
        call.sent = True
        self.queue.append(_Cancel(call.id))

    # ---- Sending ----

    def flush(self) -> bool:
        """Sends what the kernel takes now. False if some is left."""
        queue = self.queue
        try:
            while queue:
                first = queue[0]
                if first.begun:
                    self._sent(self.socket.send(memoryview(first.frame)[first.begun :]))
                elif len(queue) > 1:
                    self._sent(self.socket.sendmsg([item.frame for item in islice(queue, _FRAMES_PER_SEND)]))
                else:
                    count = self.socket.send(first.frame)
                    if count == len(first.frame):
                        first.sent = True
                        queue.clear()
                        if type(first.frame) is bytearray:
                            wipe(first.frame)
                        break
                    self._sent(count)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            # Answers may still wait to be received; the end is found behind them and fails what is left.
            self._drop_output()
            self._stop_taking_calls()
        return True

    def _sent(self, count: int) -> None:
        queue = self.queue
        while count:
            first = queue[0]
            frame = first.frame
            rest = len(frame) - first.begun
            if count < rest:
                first.begun += count
                return
            count -= rest
            first.sent = True
            queue.popleft()
            if type(frame) is bytearray:
                wipe(frame)

    def count_output_as_sent(self) -> None:
        """After an interruption nobody knows how much of it the kernel took."""
        for item in self.queue:
            item.sent = True

    def _drop_output(self) -> None:
        for item in self.queue:
            wipe(item.frame)
        self.queue.clear()

    # ---- Receiving ----

    def receive(self) -> None:
        """Takes what has come, and acts on every whole frame. May close the connection."""
        try:
            while True:
                filled = self._filled
                try:
                    count = self.socket.recv_into(self._view[filled:] if filled else self._view)
                except (BlockingIOError, InterruptedError):
                    break
                except OSError:
                    count = 0
                if not count:
                    raise _Fatal(connection_lost())
                filled += count
                self._filled = filled
                was_full = filled == len(self._input)
                consumed = self._act(filled)
                if consumed == filled:
                    self._view[:filled] = bytes(filled)
                    self._filled = 0
                    if len(self._input) > _FIRST_INPUT_BYTES:
                        self._replace_input(_FIRST_INPUT_BYTES)
                elif consumed:
                    self._consume(consumed, filled)
                if not was_full:
                    break
                if self._filled == len(self._input):
                    # It follows what has come, never the length that a frame announces.
                    self._replace_input(min(2 * len(self._input), MAXIMUM_FRAME_BYTES))
        except _Fatal as fatal:
            self.close(fatal.cause, fatal.was_turned_away)
            return
        self._close_if_done()

    def _consume(self, count: int, filled: int) -> None:
        """Takes the first bytes out and overwrites where they were."""
        rest = filled - count
        if rest:
            self._view[:rest] = self._view[count:filled]
        self._view[rest:filled] = bytes(count)
        self._filled = rest

    def _replace_input(self, size: int) -> None:
        new = bytearray(size)
        view = memoryview(new)
        view[: self._filled] = self._view[: self._filled]
        self._view.release()
        wipe(self._input)
        self._input = new
        self._view = view

    def _act(self, filled: int) -> int:
        """Acts on the whole frames; how many bytes they have."""
        data, calls = self._input, self.calls
        at = 0
        while filled - at >= 4:
            if filled - at < HEADER_BYTES:
                length = int.from_bytes(data[at : at + 4], "big")
                if length < COUNTED_BYTES or length > MAXIMUM_FRAME_BYTES - 4:
                    raise violation(length_fault(length))
                break
            length, version, kind, flags, call_id, status, retry = unpack_header(data, at)
            if length < COUNTED_BYTES or length > MAXIMUM_FRAME_BYTES - 4:
                raise violation(length_fault(length))
            if version != VERSION or kind != RESPONSE or flags & ~MORE:
                fault = header_fault(version, kind, flags, call_id)
                if fault is not None:
                    raise violation(fault)
            end = at + 4 + length
            if end > filled:
                break
            payload = data[at + HEADER_BYTES : end]
            if kind == GO_AWAY:
                self._go_away(status, retry, payload)
            elif status or flags:
                self._respond(call_id, status, retry, bool(flags & MORE), payload)
            else:
                # Nearly all frames: the last response of a call. Nobody may wait for it any more.
                call = calls.pop(call_id, None)
                if call is None:
                    wipe(payload)
                else:
                    call.parts.append(payload)
                    call.done = True
                    call.wake()
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
            failure = decode_failure(status, retry, payload, call.method.writes)
            if failure.reason == Reason.DRAINING:
                self._stop_taking_calls()
            call.end(failure)
        elif more and not call.method.streams:
            wipe(payload)
            self._abandon(call, lambda call: told(CofferError(
                "the daemon announced a response after the one that ends the call", code=Code.INTERNAL,
                reason=Reason.MALFORMED), True, call.method.writes))
        else:
            call.parts.append(payload)
            if len(call.parts) >= MOST_PARTS:
                self._abandon(call, lambda _: CofferError(
                    f"more than {MOST_PARTS} responses to one call", code=Code.INTERNAL, reason=Reason.MALFORMED))

    def _go_away(self, status: int, retry: int, payload: bytearray) -> None:
        if status != 0:
            raise _Fatal(decode_failure(status, retry, payload), was_turned_away=True)
        self._stop_taking_calls()
        for call in [call for call in self.queue if isinstance(call, Call) and not call.begun]:
            self.queue.remove(call)
            wipe(call.frame)
            if self.calls.pop(call.id, None) is not None:
                call.end(ConnectionLost(connection_lost(), False))

    # ---- The end ----

    def _stop_taking_calls(self) -> None:
        if self.unusable_since is None:
            self.unusable_since = time.monotonic()

    def _close_if_done(self) -> None:
        """One that takes no new calls ends with its last call."""
        if self.unusable_since is not None and not self.calls:
            self.close(connection_lost())

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


def client_closed() -> CofferError:
    return Cancelled("the client was closed", reason=Reason.CANCELLED)


def violation(what: str) -> _Fatal:
    """The peer sends what no daemon of this protocol would."""
    return _Fatal(CofferError(
        f"{what}; the connection is closed: check that a cofferd is at the socket", code=Code.INTERNAL,
        reason=Reason.MALFORMED))


def deadline_error(call: Call) -> CofferError:
    return told(_deadline_passed(), call.sent, call.method.writes)


def call_seconds(timeout: Duration) -> float:
    """How long a call may take.

    :raises DeadlineExceeded: if that is over already, so that nothing is sent.
    """
    value = seconds(timeout)
    if value != value:
        raise InvalidArgument("timeout: expected a duration, got NaN", reason=Reason.BAD_FIELD)
    if value <= 0:
        raise told(_deadline_passed(), False, False)
    return value


def _deadline_passed() -> CofferError:
    return DeadlineExceeded("no answer within the time given", reason=Reason.DEADLINE, retryable=True)


def told(error: CofferError, may_have_been_sent: bool, writes: bool) -> CofferError:
    """The error of a call that was not answered, saying what may have come of it."""
    suffix = ""
    if not may_have_been_sent:
        suffix = "; the call was not sent"
    elif writes:
        suffix = MAY_HAVE_HAPPENED
    return type(error)(
        error.message + suffix, code=error.code, reason=error.reason, vault=error.vault, retryable=error.retryable,
        retry_after=error.retry_after, may_have_happened=may_have_been_sent and writes)


class Retry:
    """Decides whether a failed call is made again.

    One that surely was not carried out, or that changes nothing, is made once more at once. While the daemon goes or comes,
    further connections may end too: the call is then made again until `window` seconds after the first loss.
    """

    def __init__(self, method: Method, window: float) -> None:
        self._writes = method.writes
        self._window = window
        self._count = 0
        self._began = 0.0

    def after(self, error: Exception, deadline: float) -> float:
        """Seconds to wait before the call is made again; else raises what the caller gets."""
        now = time.monotonic()
        delay = random.random() * min(0.1, 0.005 * 2**self._count) if self._count else 0.0
        in_time = not self._count or (now - self._began < self._window and now + delay < deadline)
        if isinstance(error, ConnectionLost):
            # What the daemon said, or what is no daemon, will hardly be another one the third time; and who was turned away
            # comes again after the daemon's advice, or not at all.
            may_pass = not error.was_turned_away and (not self._count or error.cause.code == Code.UNAVAILABLE)
            ambiguous = self._writes and error.may_have_been_sent
            if ambiguous or not may_pass or not in_time or error.cause.code == Code.CANCELLED:
                cause = error.cause
                raise cause if error.was_turned_away else told(cause, error.may_have_been_sent, self._writes)
        elif (
            not isinstance(error, CofferError) or error.reason != Reason.DRAINING or error.may_have_happened or not in_time
        ):
            # A daemon that is draining has not begun the call, unless it says so.
            raise error
        if not self._count:
            self._began = now
        self._count += 1
        return delay
