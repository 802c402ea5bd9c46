"""The options of both clients, checked."""

from __future__ import annotations

from ._messages import Duration, seconds


class Options:
    """How long calls take and wait, in seconds, and how many there are at once.

    :raises ValueError: if no client can work with them.
    """

    def __init__(self, timeout: Duration, reconnect_window: Duration, max_in_flight: int) -> None:
        self.timeout = seconds(timeout)
        self.window = seconds(reconnect_window)
        self.max_in_flight = max_in_flight
        if not self.timeout > 0 or not self.window >= 0:
            raise ValueError("timeout and reconnect_window: expected more than 0 and at least 0 seconds")
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight: expected at least 1, got {max_in_flight}")
