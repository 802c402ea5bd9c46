"""Secrets that are easy to find again, and the search for them in any disguise."""

import base64
import mmap
import re
import secrets
import string
from collections.abc import Iterator
from pathlib import Path

_ALPHABET = string.ascii_letters + string.digits
_LETTERS = re.compile(rb"[A-Za-z0-9]*")
_BLOCK = 1 << 16


def _word(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


class Canaries:
    """A family of 32-byte canaries.

    Each is marker, 8 bytes of its own, second marker, 8 of its own: so the search is for two markers,
    however many canaries there are, and finds the rest of one that was overwritten in part too.
    """

    def __init__(self) -> None:
        self._markers = [_word(8).encode(), _word(8).encode()]
        #: By each of the two parts that are its own.
        self._made: dict[bytes, bytes] = {}
        self._patterns: dict[str, bytes] = {}
        for number, marker in enumerate(self._markers):
            self._watch(marker, f"marker {number + 1}")
        self._digits = b""

    def _watch(self, marker: bytes, what: str) -> None:
        for name, pattern in disguises(marker).items():
            self._patterns[f"{name} of {what}"] = pattern

    def new(self) -> bytes:
        first, second = self._markers
        parts = _word(8).encode(), _word(8).encode()
        canary = first + parts[0] + second + parts[1]
        self._made |= dict.fromkeys(parts, canary)
        return canary

    def number(self) -> int:
        """One of 15 digits, which a double holds; the first ten are the same in all of them."""
        if not self._digits:
            self._digits = str(secrets.randbelow(9 * 10**9) + 10**9).encode()
            self._watch(self._digits, "a number")
        return int(self._digits) * 10**5 + secrets.randbelow(10**5)

    def owner(self, remains: bytes) -> bytes:
        """Of which canary these bytes, a marker and what follows it, are; themselves if it cannot be told."""
        if not remains.startswith(tuple(self._markers)):
            return remains
        if whole := self._made.get(remains[8:16]):
            return whole
        left = _LETTERS.match(remains[8:16])[0]
        owners = {canary for part, canary in self._made.items() if part.startswith(left)}
        if len(left) >= 4 and len(owners) == 1:
            return owners.pop()
        return remains

    def hits(self, data: bytes | mmap.mmap) -> list[tuple[str, int]]:
        """Every disguise that is in there, and every place of it."""
        hits = []
        for name, pattern in self._patterns.items():
            position = data.find(pattern)
            while position >= 0:
                hits.append((name, position))
                position = data.find(pattern, position + 1)
        return hits

    def find(self, data: bytes | mmap.mmap) -> list[str]:
        """The same in words."""
        return [f"{name} at {position}" for name, position in self.hits(data)]

    def hits_in_file(self, path: Path) -> list[tuple[str, int]]:
        if path.stat().st_size == 0:
            return []
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return [(name, start + position) for start, end in _written(data)
                    for name, position in self.hits(data[start:end])]


def _written(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Start and end of what is not all zero: little of a core. A zero of what begins or ends there belongs to it."""
    start = None
    for position in range(0, len(data), _BLOCK):
        if data[position:position + _BLOCK].count(0) < min(_BLOCK, len(data) - position):
            start = position if start is None else start
        elif start is not None:
            yield max(0, start - 1), position + 1
            start = None
    if start is not None:
        yield max(0, start - 1), len(data)


def disguised(secret: bytes) -> dict[str, bytes]:
    """A secret in every form that the search knows, as a leak would have it."""
    text = secret.decode()
    return {
        "plain": secret,
        "reversed": secret[::-1],
        "hex": secret.hex().encode(),
        "upper-case hex": secret.hex().upper().encode(),
        "UTF-16 little-endian": text.encode("utf-16-le"),
        "UTF-16 big-endian": text.encode("utf-16-be"),
        "base64": base64.b64encode(secret),
        "base64 after 1 byte": base64.b64encode(b"." + secret),
        "base64 after 2 bytes": base64.b64encode(b".." + secret),
        "base64url": base64.urlsafe_b64encode(b".." + secret),
    }


def disguises(marker: bytes) -> dict[str, bytes]:
    patterns = {
        name: pattern for name, pattern in disguised(marker).items() if not name.startswith("base64")}
    for shift in range(3):
        # Only the characters that no neighbouring byte has a part in.
        first, last = (shift * 8 + 5) // 6, (shift + len(marker)) * 8 // 6
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            patterns[f"{name}, shifted by {shift}"] = encode(b"\0" * shift + marker)[first:last]
    return patterns
