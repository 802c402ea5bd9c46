"""What calls give back. Times on the wire are Unix milliseconds, UTC; the `…_at` properties are aware datetimes."""

from __future__ import annotations

import datetime as _datetime
import json as _json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Protocol, Tuple, Union

from .errors import Code, CofferError
from .generated.credentials_pb2 import GetResponse

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


class _Timed(Protocol):
    @property
    def created_at_ms(self) -> int: ...
    @property
    def updated_at_ms(self) -> int: ...
    @property
    def expires_at_ms(self) -> int: ...


class _Times:
    """The times of a record as those of the standard library."""

    __slots__ = ()

    @property
    def created_at(self: _Timed) -> _datetime.datetime:
        """When the record first came to be."""
        return _time(self.created_at_ms)

    @property
    def updated_at(self: _Timed) -> _datetime.datetime:
        """When this version was written."""
        return _time(self.updated_at_ms)

    @property
    def expires_at(self: _Timed) -> Optional[_datetime.datetime]:
        """From this moment on the record is not found; None = never."""
        return _end(self.expires_at_ms)


class Record(_Times):
    """A credential and what the daemon knows about it. `repr` shows the credential's size only."""

    # What is beside the credential is decoded when it is asked for.
    __slots__ = ("value", "_rest", "_decoded")

    value: bytearray
    """The secret, as it was stored; empty after `wipe`."""
    _decoded: Optional[GetResponse]

    def __init__(
        self, value: Union[bytes, bytearray], version: str = "", labels: Mapping[str, str] = {}, *,
        created_at_ms: int = 0, updated_at_ms: int = 0, expires_at_ms: int = 0, source: Source = Source.UNKNOWN,
        age: float = 0.0, stale: bool = False, foreign_format: Optional[str] = None,
    ) -> None:
        self.value = bytearray(value)
        response = GetResponse(
            version=version, labels=labels, created_at_ms=created_at_ms, updated_at_ms=updated_at_ms,
            expires_at_ms=expires_at_ms, source=_NUMBERS[source], age_ms=int(age * 1000), stale=stale,
            foreign_format=foreign_format or "")
        self._rest = response.SerializeToString()
        self._decoded = None

    @classmethod
    def _of(cls, value: bytearray, rest: bytes, decoded: Optional[GetResponse] = None) -> Record:
        """`rest` is a response without its credential, known to decode."""
        record = cls.__new__(cls)
        record.value = value
        record._rest = rest
        record._decoded = decoded
        return record

    @property
    def _response(self) -> GetResponse:
        if self._decoded is None:
            self._decoded = GetResponse.FromString(self._rest)
        return self._decoded

    @property
    def version(self) -> str:
        """Opaque: equal exactly when the stored value is the same write."""
        return self._response.version

    @property
    def labels(self) -> Dict[str, str]:
        """As they were stored; a copy."""
        return dict(self._response.labels)

    @property
    def created_at_ms(self) -> int:
        """When the record first came to be; replacing it keeps this."""
        return self._response.created_at_ms

    @property
    def updated_at_ms(self) -> int:
        """When this version was written."""
        return self._response.updated_at_ms

    @property
    def expires_at_ms(self) -> int:
        """From this moment on the record is not found; 0 = never."""
        return self._response.expires_at_ms

    @property
    def source(self) -> Source:
        """Where the answer came from."""
        return _SOURCES.get(self._response.source, Source.UNKNOWN)

    @property
    def age(self) -> float:
        """Seconds since the vault said so."""
        return self._response.age_ms / 1000

    @property
    def stale(self) -> bool:
        """True if the answer is older than the TTL allows and stands in for a vault that could not be asked."""
        return self._response.stale

    @property
    def foreign_format(self) -> Optional[str]:
        """The record's format in the vault, if it is not the one that the vault is written in."""
        return self._response.foreign_format or None

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

    def __reduce__(self) -> Tuple[Any, ...]:
        return _record, (bytes(self.value), self._rest)

    def __repr__(self) -> str:
        return (
            f"Record(value=<{len(self.value)} bytes>, version={self.version!r}, labels={self.labels!r}, "
            f"source={self.source.value}, age={self.age!r}, stale={self.stale!r})")


_SOURCES = {1: Source.MEMORY, 2: Source.VAULT, 3: Source.STALE}
_NUMBERS: Dict[Source, Any] = {Source.UNKNOWN: 0, Source.MEMORY: 1, Source.VAULT: 2, Source.STALE: 3}


# The errors of json and of decode hold the text itself, and would go along as the cause of what is raised inside of
# their handlers: so they end here.

_MISSING = object()


def _record(value: bytes, response: bytes) -> Record:
    return Record._of(bytearray(value), response)


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
class Receipt(_Times):
    """What a store has done."""

    version: str
    """The new version, for `if_version`."""
    created_at_ms: int
    updated_at_ms: int
    expires_at_ms: int
    """0 = never."""


@dataclass(frozen=True)
class Entry(_Times):
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


@dataclass(frozen=True)
class Identity:
    """Who answers, and which limits a client keeps."""

    version: str
    """The daemon's, as `cofferd --version` prints it."""
    instance: str
    """16 hexadecimal digits, drawn at each start: others are another process."""
    draining: bool
    """The daemon is about to end."""
    max_frame_bytes: int
    """Of a frame, its header included."""
    max_credential_bytes: int
    max_waiting_calls: int
    """Calls of one connection that may wait for a vault at the same time."""
    max_keys: int
    """Of one GetMany; `get_many` splits what is more."""
    max_timeout: float
    """The most seconds that a call may take, whatever the client says."""
    features: int
    """Bits; PROTOCOL.md lists them."""


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
    """"closed", "open", "half-open", "none", or "unknown": a later daemon's."""
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
    """A `Reason`, or the bare number of one that this client does not know; UNSPECIFIED = none since the start."""
    write_failure: int
    """As `last_failure`; UNSPECIFIED = writes do not fail."""
    check_error: Optional[CofferError]
    """Why the check made for this call failed."""


@dataclass(frozen=True)
class ExaminationStep:
    """What was done to the test record, and how that ended."""

    action: str
    """"store", "get", "compare" (of what was read with what was stored), "delete", or "unknown": a later daemon's."""
    skipped: bool
    """It was not done, as a step before it failed."""
    duration: float
    """How long it took, in seconds."""
    error: Optional[CofferError]
    """Why it failed; None = it did not."""
    advice: str
    """What to check, in words; empty if there is nothing."""


@dataclass(frozen=True)
class Examination:
    """What the daemon found when it stored, read, compared and deleted a test record in one vault."""

    name: str
    kind: str
    steps: List[ExaminationStep]

    @property
    def error(self) -> Optional[CofferError]:
        """Why the first step that failed did; None = the vault works."""
        return next((step.error for step in self.steps if step.error is not None), None)


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


__all__ = [
    "Entry", "Examination", "ExaminationStep", "Health", "Key", "Identity", "Receipt", "Record", "Source", "VaultHealth",
]
