"""What calls give back. Times on the wire are Unix milliseconds, UTC; the `…_at` properties are aware datetimes."""

from __future__ import annotations

import datetime as _datetime
import json as _json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Dict, List, NamedTuple, Optional

from .errors import Code, CofferError, Reason

_EPOCH = _datetime.datetime(1970, 1, 1, tzinfo=_datetime.timezone.utc)
_LATEST = _datetime.datetime.max.replace(tzinfo=_datetime.timezone.utc)


def _time(milliseconds: int) -> _datetime.datetime:
    try:
        return _EPOCH + _datetime.timedelta(milliseconds=milliseconds)
    except OverflowError:
        return _LATEST


def _end(milliseconds: int) -> Optional[_datetime.datetime]:
    return _time(milliseconds) if milliseconds else None


class Key(NamedTuple):
    """Names one credential. Each id has 1 to 256 bytes of UTF-8 without control characters."""

    user: str
    connection: str


class Source(Enum):
    """Where an answer came from."""

    MEMORY = "memory"
    """From the daemon's cache, inside its TTL."""
    VAULT = "vault"
    """The vault was asked for this answer."""
    STALE = "stale"
    """From the cache past its TTL, because the vault could not be asked."""
    UNKNOWN = "unknown"
    """A later daemon says something that this client does not know."""


@dataclass(eq=False, repr=False)
class Record:
    """A credential and what the daemon knows about it. `repr` shows the credential's size only."""

    __slots__ = (
        "value", "version", "labels", "created_at_ms", "updated_at_ms", "expires_at_ms", "source", "age", "stale",
        "foreign_format",
    )

    value: bytearray
    """The secret, as it was stored; empty after `wipe`."""
    version: str
    """Opaque: equal exactly when the stored value is the same write."""
    labels: Dict[str, str]
    created_at_ms: int
    updated_at_ms: int
    expires_at_ms: int
    """0 = never."""
    source: Source
    age: float
    """Seconds since the vault said so."""
    stale: bool
    """True if the answer is older than the TTL allows and stands in for a vault that could not be asked."""
    foreign_format: Optional[str]
    """The record's format in the vault, if it is not the one that the vault is written in."""

    @property
    def created_at(self) -> _datetime.datetime:
        """When the record first came to be; replacing it keeps this."""
        return _time(self.created_at_ms)

    @property
    def updated_at(self) -> _datetime.datetime:
        """When this version was written."""
        return _time(self.updated_at_ms)

    @property
    def expires_at(self) -> Optional[_datetime.datetime]:
        """From this moment on the record is not found; None = never."""
        return _end(self.expires_at_ms)

    def text(self) -> str:
        """The credential as text. Python cannot wipe the copy. DATA_LOSS if it is not UTF-8."""
        text = _decoded(self.value)
        if text is None:
            raise CofferError("the credential is not UTF-8; use its bytes: Record.value", code=Code.DATA_LOSS)
        return text

    def json(self) -> Any:
        """The credential as JSON. Python cannot wipe the copy. DATA_LOSS if it is not JSON."""
        text = _decoded(self.value)
        value = _MISSING if text is None else _parsed(text)
        if value is _MISSING:
            raise CofferError("the credential is not JSON; use its bytes: Record.value", code=Code.DATA_LOSS)
        return value

    def wipe(self) -> None:
        """Overwrites the credential with zeros and empties it."""
        self.value[:] = bytes(len(self.value))
        self.value.clear()

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return (
            f"Record(value=<{len(self.value)} bytes>, version={self.version!r}, labels={self.labels!r}, "
            f"source={self.source.value}, age={self.age!r}, stale={self.stale!r})")


# The errors of json and of decode hold the text itself, and would go along as the cause of what is raised inside of
# their handlers: so they end here.

_MISSING = object()


def _decoded(value: bytearray) -> Optional[str]:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _parsed(text: str) -> Any:
    try:
        return _json.loads(text)
    except (ValueError, RecursionError):
        return _MISSING


@dataclass(frozen=True)
class Receipt:
    """What a store has done."""

    version: str
    """The new version, for `if_version`."""
    created_at_ms: int
    updated_at_ms: int
    expires_at_ms: int
    """0 = never."""

    @property
    def created_at(self) -> _datetime.datetime:
        """When the record first came to be."""
        return _time(self.created_at_ms)

    @property
    def updated_at(self) -> _datetime.datetime:
        """When this version was written."""
        return _time(self.updated_at_ms)

    @property
    def expires_at(self) -> Optional[_datetime.datetime]:
        """From this moment on the record is not found; None = never."""
        return _end(self.expires_at_ms)


@dataclass(frozen=True)
class Entry:
    """One connection of a user, without its credential."""

    user: str
    """Empty if there is an `error` and only the record itself could tell it; `connection` too."""
    connection: str
    version: str
    labels: Dict[str, str]
    created_at_ms: int
    updated_at_ms: int
    expires_at_ms: int
    """0 = never."""
    error: Optional[CofferError] = None
    """Why the record, which is there, cannot be read. If set, there is no version, no label and no time."""

    @property
    def created_at(self) -> _datetime.datetime:
        """When the record first came to be."""
        return _time(self.created_at_ms)

    @property
    def updated_at(self) -> _datetime.datetime:
        """When this version was written."""
        return _time(self.updated_at_ms)

    @property
    def expires_at(self) -> Optional[_datetime.datetime]:
        """From this moment on the record is not found; None = never."""
        return _end(self.expires_at_ms)


@dataclass(frozen=True)
class VaultHealth:
    """One vault, as the daemon sees it."""

    name: str
    kind: str
    reachable: bool
    """The check made for this call succeeded."""
    latency: float
    """How long that check took, in seconds."""
    format: str
    """What records are written as: "sealed", "json", "legacy-aes"."""
    routes: List[str]
    breaker: str
    """"closed", "open", "half-open", or "none"."""
    breaker_retry: float
    """Seconds until the vault is asked again; 0 = the breaker is not open."""
    writes: str
    """"work", "fail", or "unknown": none has succeeded since the start, or failed."""
    in_flight: int
    queued: int
    calls: int
    failures: int
    retries: int
    refusals: int
    last_good_contact_at: Optional[_datetime.datetime]
    last_failure_at: Optional[_datetime.datetime]
    last_failure: int
    """A `Reason`; 0 = none since the start."""
    write_failure: int
    """A `Reason`; 0 = writes do not fail."""
    check_error: Optional[CofferError]
    """Why the check made for this call failed."""


@dataclass(frozen=True)
class Identity:
    """What a daemon says of itself."""

    version: str
    instance: str
    """Drawn at each start of a daemon: another one is another process."""
    draining: bool
    """It is about to end."""
    max_frame_bytes: int
    max_credential_bytes: int
    max_waiting_calls: int
    """Calls of one connection that may wait for a vault at the same time."""
    max_keys: int
    """Of one call of the protocol; `get_many` splits what is more."""
    max_timeout: float
    """Seconds that a call may take, whatever the client says."""
    features: int = 0
    """A bit for each thing that later daemons do."""


@dataclass(frozen=True)
class Health:
    """Whether the daemon and its vaults can do their work."""

    serving: bool
    version: str
    uptime: float
    """Seconds since the daemon started."""
    vaults: List[VaultHealth] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)
    """Protections that the host does not give, in words."""


__all__ = ["Entry", "Health", "Identity", "Key", "Reason", "Receipt", "Record", "Source", "VaultHealth"]
