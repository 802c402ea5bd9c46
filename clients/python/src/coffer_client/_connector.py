"""When to connect, and what is left to wait for. Never waits itself."""

from __future__ import annotations

import random
import socket
import time
from typing import Optional, Tuple, Union

from ._place import Absence, ConnectFailure, Place
from .errors import CofferError

_FIRST_BOUND = 0.010
_LAST_BOUND = 1.0


class Connector:
    """Failures are followed by waits with full jitter: a random time up to a bound that doubles with each failure."""

    def __init__(self, place: Place, window: float) -> None:
        self._place = place
        self._window = window
        self._lost_at: Optional[float] = None
        self._failures = 0
        self._retry_at: Optional[float] = None
        self._last_failure: Optional[CofferError] = None

    def lost(self, when: float) -> None:
        """A connection that was there is not there any more: an absent daemon is waited for from now on."""
        self._lost_at = when

    def attempt(self) -> Union[socket.socket, Tuple[float, CofferError]]:
        """A connected socket; or when to try again, and what to raise if there is no time for that.

        :raises CofferError: if waiting would change nothing.
        """
        now = time.monotonic()
        if self._retry_at is not None and now < self._retry_at and self._last_failure is not None:
            return self._retry_at, self._last_failure
        try:
            connected = self._place.connect()
        except ConnectFailure as failure:
            error, kind = failure.error, failure.kind
        else:
            self._reset()
            return connected
        is_worth_waiting = kind is Absence.BUSY or (
            kind is Absence.ABSENT and self._lost_at is not None and now - self._lost_at < self._window)
        if not is_worth_waiting:
            self._reset()
            raise error
        bound = min(_LAST_BOUND, _FIRST_BOUND * 2 ** min(self._failures, 16))
        self._failures += 1
        self._retry_at = now + bound * random.random()
        self._last_failure = error
        return self._retry_at, error

    def _reset(self) -> None:
        self._failures = 0
        self._retry_at = None
        self._last_failure = None
