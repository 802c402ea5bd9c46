"""Waits with an end."""

import time
from typing import Callable, TypeVar

T = TypeVar("T")


def eventually(what: str, seconds: float, condition: Callable[[], T], step: float = 0.02) -> T:
    """The condition's value, as soon as it is true.

    Raises AssertionError, naming `what`, if it is not within `seconds`.
    """
    end = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(step)
