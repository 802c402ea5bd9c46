"""The blocking client, for threads and for processes that fork."""

from __future__ import annotations

import os
import select
import socket as socket_module
import threading
import time
from functools import partial
from types import TracebackType
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Set, Tuple, Type, TypeVar, Union

from . import _messages as messages
from ._connection import Call, Connection, ConnectionLost, Retry, call_seconds, client_closed, connection_lost
from ._connection import deadline_error
from ._connector import Connector
from ._frames import DELETE, DOCTOR, GET, GET_MANY, HEALTH, INVALIDATE, LIST, PING, STATS, STORE, Method
from ._messages import AnyKey, Duration
from ._options import Options
from ._place import Place
from ._scan import Malformed
from .errors import CofferError, NotFound
from .records import Entry, Examination, Health, Identity, Receipt, Record

__all__ = ["Coffer"]

T = TypeVar("T")

#: Seconds without a call after which the socket is looked at before the next one is sent: a go-away may have come.
_IDLE = 0.5


class _BlockingCall(Call):
    """Its thread sleeps on a lock that `wake` opens."""

    def __init__(self, method: Method, payload: Union[bytes, bytearray], deadline: float) -> None:
        super().__init__(method, payload, deadline)
        self._turn = threading.Lock()
        self._turn.acquire()

    def wake(self) -> None:
        """The call has ended, or its thread is to watch the socket. Under the connection's lock."""
        if self._turn.locked():
            self._turn.release()

    def sleep(self) -> None:
        """Until it is woken or its time is over."""
        self._turn.acquire(timeout=max(0.0, min(self.deadline - time.monotonic(), threading.TIMEOUT_MAX)))


class _WatchedConnection(Connection):
    """A connection whose descriptors stay open while threads poll them: closed, they might be other files' in the next
    moment. What polls it is also woken by `ring`."""

    def __init__(self, connected: socket_module.socket) -> None:
        super().__init__(connected)
        self.pollers = 0
        self._bell, self._rope = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def poll(self, until: float, for_room: bool) -> None:
        """Waits until the socket has something, or room where that is wanted, or somebody rings, or the time is over."""
        poller = select.poll()
        poller.register(self.socket.fileno(), select.POLLIN | (select.POLLOUT if for_room else 0))
        poller.register(self._bell, select.POLLIN)
        # Rounded up, so that what is due is over then.
        poller.poll(int(min(max(0.0, until - time.monotonic()), 86_400) * 1000) + 1)

    def ring(self) -> None:
        try:
            os.write(self._rope, b"!")
        except BlockingIOError:
            # It rings already.
            pass

    def silence(self) -> None:
        try:
            os.read(self._bell, 64)
        except BlockingIOError:
            pass

    def close_socket(self) -> None:
        if self.pollers:
            return
        super().close_socket()
        if self._bell >= 0:
            os.close(self._bell)
            os.close(self._rope)
            self._bell = self._rope = -1

    def leave_to_parent(self) -> None:
        # The threads that poll it have not come along.
        self.pollers = 0
        super().leave_to_parent()


class _SharedConnection:
    """A connection that many threads use. One of those that wait, the watcher, receives for all and sends what the kernel
    had no room for; the others sleep. When its own call has ended, it wakes another one to do so. There is no thread
    beside the callers'."""

    def __init__(self, connected: socket_module.socket) -> None:
        self._lock = threading.Lock()
        self._is_torn = False
        self._connection = _WatchedConnection(connected)
        self._watcher: Optional[Call] = None
        #: False while the watcher polls for answers alone: output that comes then must wake it.
        self._looks_after_output = True
        self._used_at = time.monotonic()

    @property
    def unusable_since(self) -> Optional[float]:
        return self._connection.unusable_since

    @property
    def closed(self) -> bool:
        return self._connection.closed

    # An exception of a signal handler may end anything below in the middle. So what happens under the lock begins with
    # `_enter` and ends with `_leave`: between them the connection is torn, and one that was left so cannot be gone on
    # with.

    def _enter(self) -> None:
        if self._is_torn:
            self._connection.count_output_as_sent()
            self._connection.close(connection_lost())
        self._is_torn = True

    def _leave(self) -> None:
        self._is_torn = False

    def make(self, call: _BlockingCall) -> None:
        """Sends it, and waits until it has ended."""
        try:
            with self._lock:
                self._enter()
                now = time.monotonic()
                if now - self._used_at > _IDLE and self._watcher is None and not self._connection.closed:
                    self._connection.receive()
                self._used_at = now
                self._connection.begin(call)
                self._push()
                self._leave()
            while not call.done:
                self._wait(call)
        finally:
            if not call.done or self._watcher is call:
                self._give_up(call)

    def _push(self) -> None:
        """Sends what the kernel takes now; the watcher sends what is left."""
        self._connection.flush()
        if self._connection.queue and not self._looks_after_output:
            self._looks_after_output = True
            self._connection.ring()

    def _give_up(self, call: _BlockingCall, explain: Optional[Callable[[Call], CofferError]] = None) -> None:
        with self._lock:
            self._enter()
            self._connection.abandon(call, explain)
            # It may be known to the connection no more, if that was left in the middle of its end.
            call.end(None if explain is None else explain(call))
            self._push()
            self._hand_over(call)
            self._leave()

    def _wait(self, call: _BlockingCall) -> None:
        now = time.monotonic()
        if call.deadline <= now:
            self._give_up(call, deadline_error)
            return
        with self._lock:
            self._enter()
            if self._connection.closed:
                # Unless it has ended: the connection knows it no more, being left in the middle of its end.
                call.end(ConnectionLost(connection_lost(), True))
            watcher = self._watcher
            # One whose thread was interrupted before it could hand over is noticed by its deadline.
            if watcher is None or watcher.done or watcher.deadline < now:
                self._watcher = call
            polls = self._watcher is call and not call.done
            has_output = bool(self._connection.queue)
            if polls:
                self._connection.pollers += 1
                self._looks_after_output = has_output
            if call.done:
                self._hand_over(call)
            self._leave()
        if polls:
            try:
                self._connection.poll(call.deadline, has_output)
            finally:
                self._after_poll(call)
        elif not call.done:
            call.sleep()

    def _after_poll(self, call: Call) -> None:
        connection = self._connection
        with self._lock:
            self._enter()
            connection.pollers -= 1
            if connection.closed:
                connection.close_socket()
            else:
                # Another thread has taken over if this one comes late, and hears the bell.
                if self._watcher is call:
                    self._looks_after_output = True
                    connection.silence()
                self._push()
                connection.receive()
            if call.done:
                self._hand_over(call)
            self._leave()

    def _hand_over(self, call: Call) -> None:
        """Makes another waiting thread the watcher, if there is none then."""
        if self._watcher is call:
            self._watcher = None
        if self._watcher is None:
            for other in self._connection.calls.values():
                other.wake()
                return

    def close(self) -> None:
        with self._lock:
            self._enter()
            self._connection.close(client_closed())
            self._leave()

    def __del__(self) -> None:
        # Where a handler's exception has kept it open.
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.pollers = 0
            connection.close_socket()

    def leave_to_parent(self) -> None:
        # A thread that has not come along to this child may hold the lock.
        self._connection.leave_to_parent()


class _Slots:
    """At most so many calls at once; the others wait in their order."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._count = count
        self._taken: Set[object] = set()
        self._waiting: Dict[object, threading.Lock] = {}

    def take(self, call: object, deadline: float) -> bool:
        """False if none came free in time."""
        with self._lock:
            if len(self._taken) < self._count and not self._waiting:
                self._taken.add(call)
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting[call] = turn
        turn.acquire(timeout=max(0.0, min(deadline - time.monotonic(), threading.TIMEOUT_MAX)))
        with self._lock:
            return call in self._taken

    def give(self, call: object) -> None:
        """Whether it was taken or not."""
        with self._lock:
            self._waiting.pop(call, None)
            self._taken.discard(call)
            while self._waiting and len(self._taken) < self._count:
                following = next(iter(self._waiting))
                self._taken.add(following)
                self._waiting.pop(following).release()


class _Home:
    """What one process has. A child made by fork makes its own: locks of the parent may be held for good."""

    def __init__(self, place: Place, options: Options) -> None:
        self.lock = threading.Lock()
        self.place = place
        self.connector = Connector(place, options.window)
        self.connection: Optional[_SharedConnection] = None
        #: Those that take no new calls and may still have some.
        self.older: List[_SharedConnection] = []
        self.slots = _Slots(options.max_in_flight)

    def look_up(self) -> Union[_SharedConnection, Tuple[float, CofferError]]:
        """The connection that takes new calls; or when to look again, and what to raise if there is no time for that.

        Connecting under the lock is brief: a Unix socket connects at once or not at all.
        """
        with self.lock:
            connection = self.connection
            if connection is not None:
                if connection.unusable_since is None:
                    return connection
                self.connector.lost(connection.unusable_since)
                self.older = [one for one in (*self.older, connection) if not one.closed]
                self.connection = None
            found = self.connector.attempt()
            if isinstance(found, tuple):
                return found
            try:
                self.connection = _SharedConnection(found)
            except OSError as error:
                found.close()
                raise self.place.failure(error).error from None
            return self.connection

    def take_connections(self) -> List[_SharedConnection]:
        """All that may have calls; they are the caller's to end."""
        connections = self.older + ([] if self.connection is None else [self.connection])
        self.connection, self.older = None, []
        return connections


class Coffer:
    """A blocking client of `cofferd`: one connection for all threads of a process, made when first used and again when
    it is lost.

    Thread-safe. After `fork` a child gets a connection of its own (multiprocessing, gunicorn); calls under way are the
    parent's. Every call raises `CofferError`. There is no thread beside the callers'.

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
        self._homes: Dict[int, _Home] = {}

    # ---- Calls ----

    def get(
        self, user: str, connection: str, *, max_age: Optional[Duration] = None, timeout: Optional[Duration] = None,
    ) -> Record:
        """The credential and what is known about it.

        :param max_age: the oldest copy from the daemon's memory that will do, in seconds; None = the daemon's TTL,
            0 = ask the vault now.
        :raises NotFound: if there is no live record; never because a vault is out of reach.
        """
        request = messages.get_request(user, connection, max_age)
        return self._call(GET, request, timeout, messages.decode_record)

    def try_get(
        self, user: str, connection: str, *, max_age: Optional[Duration] = None, timeout: Optional[Duration] = None,
    ) -> Optional[Record]:
        """As `get`; None if there is no live record."""
        try:
            return self.get(user, connection, max_age=max_age, timeout=timeout)
        except NotFound:
            return None

    def store(
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
            return self._call(STORE, request, timeout, messages.decode_receipt)
        finally:
            messages.wipe(request)

    def delete(
        self, user: str, connection: str, *, if_version: Optional[str] = None, timeout: Optional[Duration] = None,
    ) -> bool:
        """Removes the credential; whether a live record was there. Not made again once it may have been sent.

        :param if_version: delete only if the vault has this version, else `Aborted`.
        """
        request = messages.delete_request(user, connection, if_version)
        return self._call(DELETE, request, timeout, messages.decode_existed)

    def get_many(
        self, keys: Iterable[AnyKey], *, max_age: Optional[Duration] = None, timeout: Optional[Duration] = None,
    ) -> List[Union[Record, CofferError]]:
        """Any number of credentials: for each key, in their order, its record or the error that a `get` would raise.

        Asks for 256 at a time; each such call has the timeout to itself.
        """
        results: List[Union[Record, CofferError]] = []
        for chunk in messages.key_chunks(keys):
            request = messages.get_many_request(chunk, max_age)
            results += self._call(GET_MANY, request, timeout, partial(messages.decode_results, len(chunk)))
        return results

    def list(self, user: str, *, page_size: int = 0, timeout: Optional[Duration] = None) -> Iterator[Entry]:
        """Which connections a user has, without their credentials: each live record once if nothing changes meanwhile,
        in no promised order.

        :param user: empty = all users, only for callers whose policy grants it.
        :param page_size: entries asked for at a time, at most 1,000; 0 = 100.
        :param timeout: for each page.
        """
        token, tokens = "", messages.PageTokens()
        while True:
            entries, token = self._page(user, token, page_size, timeout)
            yield from entries
            tokens.check(token)
            if not token:
                return

    def _page(self, user: str, token: str, page_size: int, timeout: Optional[Duration]) -> Tuple[List[Entry], str]:
        request = messages.list_request(user, token, page_size)
        return self._call(LIST, request, timeout, messages.decode_page)

    def ping(self, *, timeout: Optional[Duration] = None) -> Identity:
        """Whether the daemon answers, and what it is. Asks no vault and no policy."""
        request = messages.ping_request()
        return self._call(PING, request, timeout, messages.decode_ping)

    def health(self, *, timeout: Optional[Duration] = None) -> Health:
        """Whether the daemon and its vaults can do their work now. Asks the vaults."""
        request = messages.health_request()
        return self._call(HEALTH, request, timeout, messages.decode_health)

    def stats(self, *, timeout: Optional[Duration] = None) -> Dict[str, int]:
        """Counters, gauges and the limits in force, by name. Asks no vault."""
        request = messages.stats_request()
        return self._call(STATS, request, timeout, messages.decode_stats)

    def invalidate(
        self, user: Optional[str] = None, connection: Optional[str] = None, *, all: bool = False,
        timeout: Optional[Duration] = None,
    ) -> int:
        """Drops one record, a user's records or all of them from the daemon's cache; how many. The vaults stay as
        they are."""
        request = messages.invalidate_request(user, connection, all)
        return self._call(INVALIDATE, request, timeout, messages.decode_dropped)

    def doctor(self, vault: Optional[str] = None, *, timeout: Optional[Duration] = None) -> List[Examination]:
        """Has the daemon store, read, compare and delete a test record in each vault. What fails there is in the result.

        :param vault: the name of one; None = each of them.
        """
        request = messages.doctor_request(vault)
        return self._call(DOCTOR, request, timeout, messages.decode_examinations)

    def close(self) -> None:
        """Ends calls in flight with `Cancelled`; later calls fail the same way."""
        self._is_closed = True
        home = self._homes.get(os.getpid())
        if home is None:
            self._leave_others_to_their_processes(os.getpid())
            return
        with home.lock:
            connections = home.take_connections()
        for connection in connections:
            connection.close()

    def __enter__(self) -> Coffer:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._place.path!r})"

    # ---- How a call is made ----

    def _call(
        self, method: Method, request: Union[bytes, bytearray], timeout: Optional[Duration],
        decode: Callable[[List[bytearray]], T],
    ) -> T:
        deadline = time.monotonic() + (self._options.timeout if timeout is None else call_seconds(timeout))
        home = self._homes.get(os.getpid()) or self._new_home()
        slot = object()
        try:
            if not home.slots.take(slot, deadline):
                raise deadline_error(Call(method, request, deadline))
            retry: Optional[Retry] = None
            while True:
                connection = self._connect(home, deadline)
                call = _BlockingCall(method, request, deadline)
                connection.make(call)
                if call.error is None:
                    try:
                        return decode(call.parts)
                    except Malformed as fault:
                        raise messages.undecodable(method, fault, call.parts) from None
                retry = retry or Retry(method, self._options.window)
                delay = retry.after(call.error, deadline)
                if delay:
                    time.sleep(delay)
        finally:
            home.slots.give(slot)

    def _connect(self, home: _Home, deadline: float) -> _SharedConnection:
        """The connection that takes new calls, waiting for the daemon if it may come back."""
        while True:
            if self._is_closed:
                raise client_closed()
            found = home.look_up()
            if isinstance(found, _SharedConnection):
                if self._is_closed:
                    # Meanwhile, by another thread, which may not have seen this connection.
                    found.close()
                    raise client_closed()
                return found
            retry_at, error = found
            if retry_at >= deadline:
                raise error
            time.sleep(max(0.0, retry_at - time.monotonic()))

    def _new_home(self) -> _Home:
        """This process's; `setdefault` lets one thread win."""
        process = os.getpid()
        own = _Home(self._place, self._options)
        home = self._homes.setdefault(process, own)
        if home is own:
            self._leave_others_to_their_processes(process)
        return home

    def _leave_others_to_their_processes(self, process: int) -> None:
        for other in [other for other in self._homes if other != process]:
            home = self._homes.pop(other, None)
            for connection in [] if home is None else home.take_connections():
                connection.leave_to_parent()
