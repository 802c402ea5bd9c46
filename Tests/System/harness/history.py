"""A history of writes, kept where no kill of the daemon reaches it."""

import hashlib
import os
import threading
from pathlib import Path


def value_of(operation: int, key: str) -> bytes:
    """The value that a Store wrote: its own hash, then what is hashed."""
    body = f"{operation} {key} ".encode() * (1 + operation * 7919 % 200)
    return hashlib.sha256(body).digest() + body


class Record:
    """The history as the clients saw it, in a file that no kill of the daemon touches.

    A line is an intent before the request is sent (`S` or `D`, operation, key), an answer (`A`, operation), or
    what a Get after a restart saw (`G`, operation or `-`, key). Order in the file is order in time, per key.
    """

    def __init__(self, path: Path):
        self.path = path
        self._file = open(path, "ab", buffering=0)
        self._lock = threading.Lock()
        self._last_operation = 0
        self.acknowledged = 0

    def intent(self, verb: str, key: str) -> int:
        with self._lock:
            self._last_operation += 1
            self._file.write(f"{verb} {self._last_operation} {key}\n".encode())
            return self._last_operation

    def answer(self, operation: int) -> None:
        with self._lock:
            self._file.write(f"A {operation}\n".encode())
            self.acknowledged += 1

    def seen(self, key: str, operation: int | None) -> None:
        with self._lock:
            self._file.write(f"G {operation or '-'} {key}\n".encode())

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def possible(self) -> dict[str, set[int | None]]:
        """Per key, the Stores whose value may be there now, None = nothing; read from the file."""
        intents: dict[int, tuple[str, int | None]] = {}
        states: dict[str, set[int | None]] = {}
        for line in self.path.read_text().splitlines():
            verb, first, *rest = line.split(" ")
            if verb == "A":
                key, state = intents[int(first)]
                states[key] = {state}
            elif verb == "G":
                states[rest[0]] = {None if first == "-" else int(first)}
            else:
                operation, (key,) = int(first), rest
                intents[operation] = (key, operation if verb == "S" else None)
                # Without an answer it may have happened or not.
                states[key] = states.get(key, {None}) | {intents[operation][1]}
        return states
