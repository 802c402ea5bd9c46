"""The client for asyncio."""

from __future__ import annotations

import asyncio
import os
import socket as socket_module
import time
import warnings
from collections import deque
from functools import partial
from types import TracebackType
from typing import AsyncIterator, Callable, Deque, Dict, Iterable, List, Mapping, Optional, Tuple, Type, TypeVar, Union

from . import _messages as messages
from ._connection import Call, Connection, Retry, call_seconds, client_closed, deadline_error
from ._connector import Connector
from ._frames import DELETE, DOCTOR, GET, GET_MANY, HEALTH, INVALIDATE, LIST, PING, STATS, STORE, Method
from ._messages import AnyKey, Duration
from ._options import Options
from ._place import Place
from ._scan import Malformed
from .errors import CofferError, NotFound
from .records import Entry, Examination, Health, Identity, Receipt, Record

__all__ = ["AsyncCoffer"]

T = TypeVar("T")


class _Process:
    """This process; asking the kernel for each call would take longer than the rest of the question."""

    number = os.getpid()


_process = _Process()


def _after_fork() -> None:
    _process.number = os.getpid()


os.register_at_fork(after_in_child=_after_fork)


class _AsyncCall(Call):
    def __init__(
        self, method: Method, payload: Union[bytes, bytearray], deadline: float, loop: asyncio.AbstractEventLoop,
    ) -> None:
        # What Call does, without a call of its own: there is one for each call.
        self.method = method
        self.payload = payload
        self.deadline = deadline
        self.parts = []
        self.future: asyncio.Future[None] = loop.create_future()

    def wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class _AsyncConnection(Connection):
    """A connection that an event loop watches. No tasks: callbacks of the loop only."""

    def __init__(self, connected: socket_module.socket, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(connected)
        self.loop = loop
        self._is_flush_scheduled = False
        self._watches_for_room = False
        self._timer: Optional[asyncio.TimerHandle] = None
        self._timer_at = float("inf")
        loop.add_reader(connected.fileno(), self.receive)

    def start(self, call: Call) -> None:
        """Sends at once if nothing else is under way; else what this turn of the loop starts goes out together."""
        is_alone = not self.calls and not self.queue
        self.begin(call)
        if call.deadline < self._timer_at:
            self._set_timer(call.deadline)
        if is_alone:
            if not self.flush():
                self.push()
        elif not self._is_flush_scheduled:
            self._is_flush_scheduled = True
            self.loop.call_soon(self._flush_soon)

    def _flush_soon(self) -> None:
        self._is_flush_scheduled = False
        self.push()

    def push(self) -> None:
        """Sends what the kernel takes, now and when it takes more."""
        if self.closed:
            return
        is_blocked = not self.flush()
        if is_blocked is self._watches_for_room:
            return
        if is_blocked and not self._watches_for_room:
            self.loop.add_writer(self.socket.fileno(), self.push)
        elif self._watches_for_room and not is_blocked:
            self.loop.remove_writer(self.socket.fileno())
        self._watches_for_room = is_blocked

    def give_up(self, call: Call) -> None:
        """Nobody waits for it any more."""
        self.abandon(call)
        self.push()

    def _set_timer(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = when
        self._timer = self.loop.call_later(max(0.0, when - time.monotonic()), self._expire)

    def _expire(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        following = self.expire(time.monotonic())
        self.push()
        if following is not None:
            self._set_timer(following)

    def detach(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, float("inf")
        if not self.loop.is_closed():
            self.loop.remove_reader(self.socket.fileno())
            self.loop.remove_writer(self.socket.fileno())


class _Slots:
    """At most so many calls at once; the others wait in their order."""

    def __init__(self, count: int) -> None:
        #: One may be taken by counting this down, if none waits.
        self.free = count
        self.waiting: Deque[asyncio.Future[None]] = deque()

    async def wait(self, loop: asyncio.AbstractEventLoop, deadline: float) -> bool:
        """False if none came free in time."""
        turn: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(max(0.0, deadline - time.monotonic()), turn.cancel)
        self.waiting.append(turn)
        try:
            # Not awaited itself: its end by the timer is no cancellation of the task.
            await asyncio.wait([turn])
        except asyncio.CancelledError:
            if not turn.cancel() and not turn.cancelled():
                self.give()
            raise
        finally:
            timer.cancel()
            if turn.cancelled() and turn in self.waiting:
                self.waiting.remove(turn)
        return not turn.cancelled()

    def give(self) -> None:
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1


class AsyncCoffer:
    """A client of `cofferd` for asyncio: one connection for all calls of a program, made when first used and again
    when it is lost.

    It belongs to the event loop that uses it; when that loop is closed, another one may. After `fork` a child gets a
    connection of its own. Every call raises `CofferError`. Cancelling a task cancels its call at the daemon; a store
    or delete that was sent may have happened all the same.

    :param socket: the daemon's socket; None = `default_socket()`.
    :param timeout: how long a call may take if it does not say otherwise, in seconds, connecting too.
    :param reconnect_window: how long after a loss calls wait for the daemon to come back, in seconds, within their
        own time. A daemon that was never there fails a call at once.
    :param max_in_flight: calls at once; further ones wait for their turn.
    :param server_uid: a uid whose daemon is trusted beside root's and this process's; None = `$COFFER_SERVER_UID`.
    """

    def __init__(
        self, socket: Optional[str] = None, *, timeout: Duration = 5.0, reconnect_window: Duration = 2.0,
        max_in_flight: int = 32, server_uid: Optional[int] = None,
    ) -> None:
        self._place = Place(socket, server_uid)
        self._options = Options(timeout, reconnect_window, max_in_flight)
        self._is_closed = False
        self._connection: Optional[_AsyncConnection] = None
        #: Those that take no new calls and may still have some.
        self._older: List[_AsyncConnection] = []
        self._settle(None)

    def _settle(self, loop: Optional[asyncio.AbstractEventLoop]) -> None:
        self._loop = loop
        self._process = _process.number
        self._connector = Connector(self._place, self._options.window)
        self._slots = _Slots(self._options.max_in_flight)

    # ---- Calls ----

    async def get(
        self, user: str, connection: str, *, max_age: Optional[Duration] = None, timeout: Optional[Duration] = None,
    ) -> Record:
        """The credential and what is known about it.

        :param max_age: the oldest copy from the daemon's memory that will do, in seconds; None = the daemon's TTL,
            0 = ask the vault now.
        :raises NotFound: if there is no live record; never because a vault is out of reach.
        """
        request = messages.get_request(user, connection, max_age)
        return await self._call(GET, request, timeout, messages.decode_record)

    async def try_get(
        self, user: str, connection: str, *, max_age: Optional[Duration] = None, timeout: Optional[Duration] = None,
    ) -> Optional[Record]:
        """As `get`; None if there is no live record."""
        try:
            return await self.get(user, connection, max_age=max_age, timeout=timeout)
        except NotFound:
            return None

    async def store(
        self, user: str, connection: str, value: Union[str, bytes, bytearray, memoryview], *,
        ttl: Optional[Duration] = None, labels: Mapping[str, str] = {}, if_version: Optional[str] = None,
        if_absent: bool = False, timeout: Optional[Duration] = None,
    ) -> Receipt:
        """Creates the credential, or replaces it whole: labels and expiry too.

        Never made again once it may have been sent: if the error's `may_have_happened` is true, read first, or repeat
        it with a condition.

        :param ttl: until the record expires, rounded up to whole seconds; None = the vault's default.
        :param labels: at most 16; names to 64 bytes, values to 256. Not secret.
        :param if_version: store only if the vault has this version, else `Aborted`.
        :param if_absent: store only if there is no live record, else `AlreadyExists`.
        """
        request = messages.store_request(user, connection, value, ttl, labels, if_version, if_absent)
        try:
            return await self._call(STORE, request, timeout, messages.decode_receipt)
        finally:
            messages.wipe(request)

    async def delete(
        self, user: str, connection: str, *, if_version: Optional[str] = None, timeout: Optional[Duration] = None,
    ) -> bool:
        """Removes the credential; whether a live record was there. Not made again once it may have been sent.

        :param if_version: delete only if the vault has this version, else `Aborted`.
        """
        request = messages.delete_request(user, connection, if_version)
        return await self._call(DELETE, request, timeout, messages.decode_existed)

    async def get_many(
        self, keys: Iterable[AnyKey], *, max_age: Optional[Duration] = None, timeout: Optional[Duration] = None,
    ) -> List[Union[Record, CofferError]]:
        """Any number of credentials: for each key, in their order, its record or the error that a `get` would raise.

        Asks for 256 at a time; each such call has the timeout to itself.
        """
        results: List[Union[Record, CofferError]] = []
        for chunk in messages.key_chunks(keys):
            request = messages.get_many_request(chunk, max_age)
            results += await self._call(GET_MANY, request, timeout, partial(messages.decode_results, len(chunk)))
        return results

    async def list(
        self, user: str, *, page_size: int = 0, timeout: Optional[Duration] = None,
    ) -> AsyncIterator[Entry]:
        """Which connections a user has, without their credentials: each live record once if nothing changes meanwhile,
        in no promised order.

        :param user: empty = all users, only for callers whose policy grants it.
        :param page_size: entries asked for at a time, at most 1,000; 0 = 100.
        :param timeout: for each page.
        """
        token, tokens = "", messages.PageTokens()
        while True:
            entries, token = await self._page(user, token, page_size, timeout)
            for entry in entries:
                yield entry
            tokens.check(token)
            if not token:
                return

    async def _page(
        self, user: str, token: str, page_size: int, timeout: Optional[Duration],
    ) -> Tuple[List[Entry], str]:
        request = messages.list_request(user, token, page_size)
        return await self._call(LIST, request, timeout, messages.decode_page)

    async def ping(self, *, timeout: Optional[Duration] = None) -> Identity:
        """Whether the daemon answers, and what it is. Asks no vault and no policy."""
        request = messages.ping_request()
        return await self._call(PING, request, timeout, messages.decode_ping)

    async def health(self, *, timeout: Optional[Duration] = None) -> Health:
        """Whether the daemon and its vaults can do their work now. Asks the vaults."""
        request = messages.health_request()
        return await self._call(HEALTH, request, timeout, messages.decode_health)

    async def stats(self, *, timeout: Optional[Duration] = None) -> Dict[str, int]:
        """Counters, gauges and the limits in force, by name. Asks no vault."""
        request = messages.stats_request()
        return await self._call(STATS, request, timeout, messages.decode_stats)

    async def invalidate(
        self, user: Optional[str] = None, connection: Optional[str] = None, *, all: bool = False,
        timeout: Optional[Duration] = None,
    ) -> int:
        """Drops one record, a user's records or all of them from the daemon's cache; how many. The vaults stay as
        they are."""
        request = messages.invalidate_request(user, connection, all)
        return await self._call(INVALIDATE, request, timeout, messages.decode_dropped)

    async def doctor(self, vault: Optional[str] = None, *, timeout: Optional[Duration] = None) -> List[Examination]:
        """Has the daemon store, read, compare and delete a test record in each vault. What fails there is in the result.

        :param vault: the name of one; None = each of them.
        """
        request = messages.doctor_request(vault)
        return await self._call(DOCTOR, request, timeout, messages.decode_examinations)

    async def close(self) -> None:
        """Ends calls in flight with `Cancelled`; later calls fail the same way."""
        self._is_closed = True
        self._leave_connections()

    async def __aenter__(self) -> AsyncCoffer:
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType],
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        last = getattr(self, "_connection", None)
        every = getattr(self, "_older", []) + ([] if last is None else [last])
        connections = [connection for connection in every if not connection.closed]
        if not connections or self._process != _process.number:
            return
        warnings.warn(f"{self!r} was not closed", ResourceWarning, source=self, stacklevel=2)
        for connection in connections:
            if not connection.loop.is_closed():
                connection.loop.call_soon_threadsafe(connection.close, client_closed())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._place.path!r})"

    # ---- How a call is made ----

    async def _call(
        self, method: Method, request: Union[bytes, bytearray], timeout: Optional[Duration],
        decode: Callable[[List[bytearray]], T],
    ) -> T:
        loop = asyncio.get_running_loop()
        if self._loop is not loop or self._process != _process.number:
            self._move(loop)
        deadline = time.monotonic() + (self._options.timeout if timeout is None else call_seconds(timeout))
        slots = self._slots
        if slots.free and not slots.waiting:
            slots.free -= 1
        elif not await slots.wait(loop, deadline):
            raise deadline_error(_AsyncCall(method, request, deadline, loop))
        try:
            retry: Optional[Retry] = None
            while True:
                connection = self._connection
                if connection is None or connection.unusable_since is not None:
                    connection = await self._connect(loop, deadline)
                call = _AsyncCall(method, request, deadline, loop)
                connection.start(call)
                try:
                    await call.future
                except asyncio.CancelledError:
                    connection.give_up(call)
                    for part in call.parts:
                        messages.wipe(part)
                    raise
                if call.error is None:
                    try:
                        return decode(call.parts)
                    except Malformed as fault:
                        raise messages.undecodable(method, fault, call.parts) from None
                retry = retry or Retry(method, self._options.window)
                delay = retry.after(call.error, deadline)
                if delay:
                    await asyncio.sleep(delay)
        finally:
            if slots.waiting:
                slots.give()
            else:
                slots.free += 1

    def _move(self, loop: asyncio.AbstractEventLoop) -> None:
        """To the loop, or the process, that uses the client now."""
        is_inherited = self._process != _process.number
        if not is_inherited and self._loop is not None and not self._loop.is_closed() and self._loop.is_running():
            raise RuntimeError("this AsyncCoffer belongs to another event loop, which is running; make one for each loop")
        self._leave_connections()
        self._settle(loop)

    def _leave_connections(self) -> None:
        """Closes all connections; in a child made by fork they are the parent's."""
        connections = self._older + ([] if self._connection is None else [self._connection])
        self._connection, self._older = None, []
        for connection in connections:
            if self._process == _process.number:
                connection.close(client_closed())
            else:
                connection.leave_to_parent()

    async def _connect(self, loop: asyncio.AbstractEventLoop, deadline: float) -> _AsyncConnection:
        """The connection that takes new calls, waiting for the daemon if it may come back."""
        while True:
            if self._is_closed:
                raise client_closed()
            connection = self._connection
            if connection is not None:
                if connection.unusable_since is None:
                    return connection
                self._connector.lost(connection.unusable_since)
                self._older = [one for one in (*self._older, connection) if not one.closed]
                self._connection = None
            found = self._connector.attempt()
            if not isinstance(found, tuple):
                self._connection = _AsyncConnection(found, loop)
                return self._connection
            retry_at, error = found
            if retry_at >= deadline:
                raise error
            await asyncio.sleep(max(0.0, retry_at - time.monotonic()))
