"""What a call fails with: one class, and subclasses for what programs tell apart."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Optional, Union


class Code(IntEnum):
    """How a call ended: gRPC's status codes, by number and by meaning."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Reason(IntEnum):
    """Why, finer than the code. Act on the code: reasons may be added in any version."""

    UNSPECIFIED = 0
    MALFORMED = 10
    BAD_FIELD = 11
    UNKNOWN_METHOD = 12
    FRAME_TOO_LARGE = 13
    CREDENTIAL_TOO_LARGE = 14
    DUPLICATE_CALL_ID = 15
    NOT_SUPPORTED = 16
    NOT_FOUND = 30
    VERSION_MISMATCH = 31
    ALREADY_EXISTS = 32
    DENIED = 40
    LIMIT = 41
    CANCELLED = 42
    DEADLINE = 43
    DRAINING = 60
    VAULT_UNREACHABLE = 61
    VAULT_REFUSED = 62
    VAULT_FAILED = 63
    UNREADABLE_RECORD = 64
    DISK = 65
    INTERNAL = 79


class CofferError(Exception):
    """A call that failed. `str()` is the text for people; it never has a credential in it."""

    default_code: ClassVar[Code] = Code.UNKNOWN

    code: Code
    """By which programs act."""
    reason: int
    """A `Reason`, or the bare number of one that this client does not know."""
    vault: Optional[str]
    """The configured name of the vault concerned."""
    retryable: bool
    """True if the same call may succeed later without a change."""
    retry_after: Optional[float]
    """The daemon's advice: seconds to wait before a retry; spread retries over some more."""
    may_have_happened: bool
    """True for a write whose outcome is not known: read first, or repeat it with a condition."""

    def __init__(
        self, message: str, *, code: Optional[Code] = None, reason: int = 0, vault: Optional[str] = None,
        retryable: bool = False, retry_after: Optional[float] = None, may_have_happened: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        self.reason = known_reason(reason)
        self.vault = vault
        self.retryable = retryable
        self.retry_after = retry_after
        self.may_have_happened = may_have_happened

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, code={self.code.name}, reason={_name(self.reason)})"


class NotFound(CofferError, KeyError):
    """There is no live record: never stored, deleted, expired, or not for this caller. Never an outage."""

    default_code = Code.NOT_FOUND


class AlreadyExists(CofferError):
    """`if_absent` was asked, and there is a live record."""

    default_code = Code.ALREADY_EXISTS


class Aborted(CofferError):
    """`if_version` named another version, or somebody else wrote at the same time: read again, then retry."""

    default_code = Code.ABORTED


class InvalidArgument(CofferError, ValueError):
    """An argument, a variable or a setting is wrong; the text names it."""

    default_code = Code.INVALID_ARGUMENT


class PermissionDenied(CofferError, PermissionError):
    """A policy or the socket's mode does not allow it."""

    default_code = Code.PERMISSION_DENIED


class Unavailable(CofferError, ConnectionError):
    """The daemon or its vault is out of reach."""

    default_code = Code.UNAVAILABLE


class DeadlineExceeded(CofferError, TimeoutError):
    """No answer within the time given."""

    default_code = Code.DEADLINE_EXCEEDED


class Cancelled(CofferError):
    """The client was closed, or the process was forked while the call was under way."""

    default_code = Code.CANCELLED


_CLASSES = {
    kind.default_code: kind
    for kind in (
        NotFound, AlreadyExists, Aborted, InvalidArgument, PermissionDenied, Unavailable, DeadlineExceeded, Cancelled,
    )
}


def make_error(
    code: int, message: str, *, reason: int = 0, vault: Optional[str] = None, retryable: bool = False,
    retry_after: Optional[float] = None, may_have_happened: bool = False,
) -> CofferError:
    """The error of a status, of the class that the status has. One that later daemons may send counts as UNKNOWN."""
    known = Code(code) if code <= Code.UNAUTHENTICATED else Code.UNKNOWN
    kind = _CLASSES.get(known, CofferError)
    return kind(
        message, code=known, reason=reason, vault=vault, retryable=retryable, retry_after=retry_after,
        may_have_happened=may_have_happened)


def known_reason(reason: int) -> int:
    """A `Reason`, or the number if a later daemon has added it."""
    try:
        return Reason(reason)
    except ValueError:
        return reason


def _name(reason: Union[Reason, int]) -> str:
    return reason.name if isinstance(reason, Reason) else str(reason)
