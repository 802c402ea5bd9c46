"""From arguments to the payloads of requests, and from payloads of responses to what callers get.

On its way in and out a credential is in bytearrays, which are overwritten after use, and in no message of the protobuf
library, whose memory nobody can overwrite. They have their size before a credential is in them: what grows may move, and
leaves what it held behind. Slices of them are taken by memoryview, for a slice of a bytearray is another copy.

Out of reach are the bytes that a str is encoded to, and the answer of a daemon that puts other fields before the
credential, which cofferd does not: that one is taken apart in copies.
"""

from __future__ import annotations

import datetime as _datetime
from functools import lru_cache
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple, Type, TypeVar, Union

from google.protobuf.message import DecodeError, Message

from ._frames import Method
from ._scan import Bytes, Malformed, fields, read_varint, scan
from .errors import Code, CofferError, InvalidArgument, Reason, known_reason, make_error
from .generated.admin_pb2 import DoctorRequest, DoctorResponse, HealthRequest, HealthResponse, InvalidateRequest
from .generated.admin_pb2 import InvalidateResponse, StatsRequest, StatsResponse
from .generated.credentials_pb2 import DeleteRequest, DeleteResponse, Failure, GetManyRequest, GetManyResponse
from .generated.credentials_pb2 import GetRequest, GetResponse, GetResult, ListRequest, ListResponse, PingRequest
from .generated.credentials_pb2 import PingResponse, StoreRequest, StoreResponse
from .records import Entry, Examination, ExaminationStep, Health, Key, Identity, Receipt, Record, VaultHealth, _end

#: Sizes that are refused here, before anything is made of them: no daemon accepts them. The narrower limits are the
#: daemon's to check.
LARGEST_CREDENTIAL = 1 << 20
LONGEST_TEXT = 16 << 10
MOST_LABELS = 1_024
KEYS_PER_CALL = 256
#: Ends the text of the error of a write whose outcome is not known.
MAY_HAVE_HAPPENED = "; a write may have happened"

Duration = Union[int, float, _datetime.timedelta]
AnyKey = Union[Key, Tuple[str, str]]
M = TypeVar("M", bound=Message)

_BREAKERS = {0: "none", 1: "closed", 2: "open", 3: "half-open"}
_WRITES = {0: "unknown", 1: "work", 2: "fail"}
_ACTIONS = {1: "store", 2: "get", 3: "compare", 4: "delete"}


# ---- Requests ----


def _refuse(message: str, reason: Reason = Reason.BAD_FIELD) -> InvalidArgument:
    return InvalidArgument(message, reason=reason)


def checked_text(name: str, text: str) -> str:
    """Refuses what is no text that can be sent. Its value is in no error."""
    if not isinstance(text, str):
        raise TypeError(f"{name}: expected str, got {type(text).__name__}")
    size = _utf8_size(text)
    if size is None:
        raise _refuse(f"{name}: expected text, got a str with lone surrogates, which UTF-8 does not have")
    if size > LONGEST_TEXT:
        raise _refuse(f"{name}: expected at most {LONGEST_TEXT} bytes, got more")
    return text


def _utf8_size(text: str) -> Optional[int]:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return None


def seconds(duration: Duration) -> float:
    """A timedelta or a number of seconds, as a number of seconds."""
    return duration.total_seconds() if isinstance(duration, _datetime.timedelta) else float(duration)


def _milliseconds(name: str, duration: Duration) -> int:
    value = seconds(duration)
    if value != value:
        raise _refuse(f"{name}: expected a duration, got NaN")
    return min(max(0, int(min(value, 1e18) * 1000)), 2**64 - 1)


def _whole_seconds(duration: Duration) -> int:
    value = seconds(duration)
    if not 0 < value < 2**32 - 1:
        raise _refuse(f"ttl: expected more than 0 s and at most 100 years, got {value:g} s")
    return int(value) + (value > int(value))


def credential_bytes(value: Union[str, bytes, bytearray, memoryview]) -> bytearray:
    """A copy that can be overwritten."""
    if isinstance(value, str):
        encoded = _encoded(value)
        if encoded is None:
            raise _refuse("value: expected text or bytes, got a str with lone surrogates; store bytes instead")
        valid = bytearray(encoded)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        valid = bytearray(value)
    else:
        raise TypeError(f"value: expected bytes or str, got {type(value).__name__}")
    if len(valid) > LARGEST_CREDENTIAL:
        size = len(valid)
        wipe(valid)
        raise _refuse(
            f"value: expected 1 to {LARGEST_CREDENTIAL} bytes, got {size}; no daemon accepts more",
            Reason.CREDENTIAL_TOO_LARGE)
    return valid


def _encoded(text: str) -> Optional[bytes]:
    # The error would hold the credential.
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return None


def wipe(data: Bytes) -> None:
    """Overwrites what can be overwritten."""
    if isinstance(data, bytearray):
        data[:] = bytes(len(data))


def store_request(
    user: str, connection: str, value: Union[str, bytes, bytearray, memoryview], ttl: Optional[Duration],
    labels: Mapping[str, str], if_version: Optional[str], if_absent: bool,
) -> bytearray:
    """To be overwritten when it has been sent."""
    if if_version is not None and if_absent:
        raise _refuse("if_version and if_absent exclude each other; give one of them")
    head = StoreRequest(user_id=checked_text("user", user), connection_id=checked_text("connection", connection))
    if len(labels) > MOST_LABELS:
        raise _refuse(f"labels: expected at most 16, got {len(labels)}")
    tail = StoreRequest(
        ttl_seconds=0 if ttl is None else _whole_seconds(ttl),
        labels={checked_text("labels", name): checked_text("labels", text) for name, text in labels.items()})
    if if_version is not None:
        tail.if_version = checked_text("if_version", if_version)
    if if_absent:
        tail.if_absent = True
    before, behind = head.SerializeToString(), tail.SerializeToString()
    credential = credential_bytes(value)
    if credential:
        before += b"\x1a" + _varint(len(credential))
    start, end = len(before), len(before) + len(credential)
    payload = bytearray(end + len(behind))
    payload[:start] = before
    payload[start:end] = credential
    payload[end:] = behind
    wipe(credential)
    return payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def get_request(user: str, connection: str, max_age: Optional[Duration]) -> bytes:
    if max_age is None and type(user) is str is type(connection):
        return _usual_get_request(user, connection)
    request = GetRequest(user_id=checked_text("user", user), connection_id=checked_text("connection", connection))
    if max_age is not None:
        request.max_age_ms = _milliseconds("max_age", max_age)
    return request.SerializeToString()


@lru_cache(maxsize=1_024)
def _usual_get_request(user: str, connection: str) -> bytes:
    """By far the most requests are these, and for the same records again and again."""
    request = GetRequest(user_id=checked_text("user", user), connection_id=checked_text("connection", connection))
    return request.SerializeToString()


def delete_request(user: str, connection: str, if_version: Optional[str]) -> bytes:
    request = DeleteRequest(user_id=checked_text("user", user), connection_id=checked_text("connection", connection))
    if if_version is not None:
        request.if_version = checked_text("if_version", if_version)
    return request.SerializeToString()


def key_chunks(keys: Iterable[AnyKey]) -> List[List[AnyKey]]:
    """As many as one GetMany takes."""
    every = list(keys)
    return [every[start : start + KEYS_PER_CALL] for start in range(0, len(every), KEYS_PER_CALL)]


def get_many_request(keys: Sequence[AnyKey], max_age: Optional[Duration]) -> bytes:
    request = GetManyRequest()
    for user, connection in keys:
        request.keys.add(user_id=checked_text("user", user), connection_id=checked_text("connection", connection))
    if max_age is not None:
        request.max_age_ms = _milliseconds("max_age", max_age)
    return request.SerializeToString()


def list_request(user: str, page_token: str, page_size: int) -> bytes:
    if not 0 <= page_size < 2**32:
        raise _refuse(f"page_size: expected 0 to 1000, got {page_size}")
    request = ListRequest(user_id=checked_text("user", user), page_token=page_token, page_size=page_size)
    return request.SerializeToString()


def ping_request() -> bytes:
    return PingRequest().SerializeToString()


def health_request() -> bytes:
    return HealthRequest().SerializeToString()


def stats_request() -> bytes:
    return StatsRequest().SerializeToString()


def doctor_request(vault: Optional[str]) -> bytes:
    return DoctorRequest(vault=checked_text("vault", vault or "")).SerializeToString()


def invalidate_request(user: Optional[str], connection: Optional[str], everything: bool) -> bytes:
    request = InvalidateRequest()
    if everything:
        if user is not None or connection is not None:
            raise _refuse("all excludes user and connection; give one of them")
        request.all = True
    elif connection is not None:
        request.key.user_id = checked_text("user", user or "")
        request.key.connection_id = checked_text("connection", connection)
    elif user is not None:
        request.user_id = checked_text("user", user)
    return request.SerializeToString()


# ---- Responses ----


def _decode(kind: Type[M], data: Bytes) -> M:
    """Raises Malformed unless the bytes can be read in one way only.

    Nearly always they are what this library itself would write, which needs no second look.
    """
    message: Any
    try:
        message = kind.FromString(bytes(data))
    except (DecodeError, ValueError):
        scan(kind.DESCRIPTOR, data)
        raise Malformed("it is not the message") from None
    message.DiscardUnknownFields()
    # A zero byte may be U+0000 in text, and short messages cannot have too many elements.
    if message.SerializeToString() != data or 0 in data or len(data) > 2048:
        scan(message.DESCRIPTOR, data)
    decoded: M = message
    return decoded


def _parsed(rest: bytes) -> Optional[GetResponse]:
    """A response without credential; None if its bytes need a closer look."""
    try:
        response: Any = GetResponse.FromString(rest)
    except (DecodeError, ValueError):
        return None
    response.DiscardUnknownFields()
    usual = response.SerializeToString() == rest and 0 not in rest and len(rest) <= 2048 and not response.credential
    return response if usual else None


def _take_credential(data: Bytes, at: int, end: int) -> Tuple[bytearray, bytes]:
    """The credential of a GetResponse between two places, and the rest of its bytes."""
    if end - at >= 2 and data[at] == 0x0A:
        length, value_at = data[at + 1], at + 2
        if length > 0x7F:
            length, value_at = read_varint(data, at + 1, end)
        value_end = value_at + length
        if value_end > end:
            raise Malformed("coffer.v1.GetResponse.credential: a length goes beyond the end")
        with memoryview(data) as view:
            return bytearray(view[value_at:value_end]), bytes(view[value_end:end])
    return bytearray(), bytes(data[at:end])


def _take_late_credential(data: bytes) -> Tuple[bytearray, bytes]:
    """As `_take_credential`, of a message with its fields in another order than that of their numbers."""
    scan(GetResponse.DESCRIPTOR, data)
    credential, rest = bytearray(), bytearray()
    for number, _, tag_at, value_at, field_end in fields(data, 0, len(data)):
        if number == 1:
            credential += data[value_at:field_end]
        else:
            rest += data[tag_at:field_end]
    return credential, bytes(rest)


def _record(data: Bytes, at: int, end: int) -> Record:
    credential, rest = _take_credential(data, at, end)
    if _decode(GetResponse, rest).credential:
        if credential:
            raise Malformed("coffer.v1.GetResponse.credential: twice")
        credential, rest = _take_late_credential(rest)
        _decode(GetResponse, rest)
    return Record._of(credential, rest)


class _KnownHeads:
    """What answers for one record from the daemon's memory have in common: all but the credential in front and the age at
    the end. One that was read once needs no second look, whatever the age is."""

    most = 1_024
    longest = 256

    def __init__(self) -> None:
        self._heads: Set[bytes] = set()

    @staticmethod
    def of(rest: bytes) -> Optional[bytes]:
        """What is before an age of 1 ms to half an hour in its shortest form; None if that is not at the end."""
        size = len(rest)
        if size < 4 or not 0 < rest[-1] < 0x80:
            return None
        if rest[-2] == _AGE:
            return rest[:-2]
        if rest[-2] < 0x80:
            return None
        if rest[-3] == _AGE:
            return rest[:-3]
        return rest[:-4] if rest[-3] >= 0x80 and rest[-4] == _AGE else None

    def __contains__(self, head: Optional[bytes]) -> bool:
        return head in self._heads

    def add(self, head: Optional[bytes], response: GetResponse) -> None:
        """:param response: what was read; its bytes have every field once, in the order of the numbers."""
        # With nothing behind it, what looks like the age is the age.
        if head is None or len(head) > self.longest or not response.age_ms or response.stale or response.foreign_format:
            return
        if len(self._heads) >= self.most:
            self._heads.clear()
        self._heads.add(head)


#: The tag of GetResponse.age_ms.
_AGE = 0x40
_known_heads = _KnownHeads()


def decode_record(parts: Sequence[bytearray]) -> Record:
    """Overwrites the bytes."""
    data = parts[0]
    size = len(data)
    if size > 2 and data[0] == 0x0A and 0 < data[1] < 0x80 and 2 + data[1] <= size:
        # Nearly all are such: a short credential at the beginning. What this library writes again as it came has every
        # field once, in its order and in its shortest form; without a zero byte no text has U+0000.
        rest = bytes(data[2 + data[1] :])
        head = _KnownHeads.of(rest)
        response = None if head in _known_heads else _parsed(rest)
        if response is not None:
            _known_heads.add(head, response)
        if response is not None or head in _known_heads:
            credential = data[2 : 2 + data[1]]
            data[:] = bytes(size)
            return Record._of(credential, rest, response)
    record = _record(data, 0, size)
    data[:] = bytes(size)
    return record


def decode_receipt(parts: Sequence[Bytes]) -> Receipt:
    response = _decode(StoreResponse, parts[0])
    return Receipt(response.version, response.created_at_ms, response.updated_at_ms, response.expires_at_ms)


def decode_existed(parts: Sequence[Bytes]) -> bool:
    return _decode(DeleteResponse, parts[0]).existed


def decode_results(count: int, parts: Sequence[Bytes]) -> List[Union[Record, CofferError]]:
    """One for each key, in their order. Overwrites the bytes."""
    results: List[Union[Record, CofferError, None]] = [None] * count
    for part in parts:
        scan(GetManyResponse.DESCRIPTOR, part)
        for number, _, _, value_at, end in fields(part, 0, len(part)):
            if number == 1:
                index, result = _result(part, value_at, end)
                if index >= count or results[index] is not None:
                    raise Malformed(f"a result for key {index}, which needs none")
                results[index] = result
        wipe(part)
    if None in results:
        raise Malformed(f"no result for key {results.index(None)}")
    return [result for result in results if result is not None]


def _result(data: Bytes, at: int, end: int) -> Tuple[int, Union[Record, CofferError]]:
    record: Optional[Record] = None
    rest = bytearray()
    for number, _, tag_at, value_at, field_end in fields(data, at, end):
        if number == 3:
            record = _record(data, value_at, field_end)
        else:
            rest += data[tag_at:field_end]
    result = _decode(GetResult, rest)
    if result.status == 0 and record is not None:
        return result.index, record
    if result.status == 0 or record is not None:
        raise Malformed("a result whose status and content contradict each other")
    return result.index, failure_error(result.status, result.failure if result.HasField("failure") else None)


def decode_page(parts: Sequence[Bytes]) -> Tuple[List[Entry], str]:
    """The entries, and the token of the next page."""
    response = _decode(ListResponse, parts[0])
    entries = [
        Entry(
            entry.user_id, entry.connection_id, entry.version, dict(entry.labels), entry.created_at_ms,
            entry.updated_at_ms, entry.expires_at_ms,
            failure_error(entry.status, entry.failure if entry.HasField("failure") else None) if entry.status else None)
        for entry in response.entries
    ]
    return entries, response.next_page_token


class PageTokens:
    """Ends a listing in which a page token comes again, by Brent's rule: it keeps one token, whatever the listing's length,
    and finds every circle within three times the pages that lead into and around it."""

    def __init__(self) -> None:
        self._kept = ""
        self._age = 0
        self._longest_age = 1

    def check(self, token: str) -> None:
        """
        :param token: of the next page; empty after the last one.
        """
        if not token:
            return
        if token == self._kept:
            raise CofferError(
                "the daemon answered List with the token of a page that it gave before", code=Code.INTERNAL,
                reason=Reason.MALFORMED)
        self._age += 1
        if self._age == self._longest_age:
            self._kept, self._age, self._longest_age = token, 0, 2 * self._longest_age


def decode_ping(parts: Sequence[Bytes]) -> Identity:
    response = _decode(PingResponse, parts[0])
    return Identity(
        response.version, response.instance, response.draining, response.max_frame_bytes,
        response.max_credential_bytes, response.max_waiting_calls, response.max_keys, response.max_call_ms / 1000,
        response.features)


def decode_health(parts: Sequence[Bytes]) -> Health:
    response = _decode(HealthResponse, parts[0])
    return Health(
        response.serving, response.version, response.uptime_ms / 1000,
        [_vault_health(vault) for vault in response.vaults], list(response.warnings))


def _vault_health(vault: Any) -> VaultHealth:
    return VaultHealth(
        name=vault.name, kind=vault.kind, reachable=vault.reachable, latency=vault.latency_us / 1e6,
        format=vault.format, routes=list(vault.routes), breaker=_BREAKERS.get(vault.breaker, "unknown"),
        breaker_retry=vault.breaker_retry_ms / 1000, writes=_WRITES.get(vault.writes, "unknown"),
        in_flight=vault.in_flight, queued=vault.queued, calls=vault.calls, failures=vault.failures,
        retries=vault.retries, refusals=vault.refusals, last_good_contact_at=_end(vault.last_good_contact_ms),
        last_failure_at=_end(vault.last_failure_ms), last_failure=known_reason(vault.last_failure),
        write_failure=known_reason(vault.write_failure),
        check_error=_check_error(vault))


def _check_error(vault: Any) -> Optional[CofferError]:
    if not vault.check_status:
        return None
    return failure_error(vault.check_status, vault.check_failure if vault.HasField("check_failure") else None)


def decode_stats(parts: Sequence[Bytes]) -> Dict[str, int]:
    return {stat.name: stat.value for stat in _decode(StatsResponse, parts[0]).stats}


def decode_examinations(parts: Sequence[Bytes]) -> List[Examination]:
    return [
        Examination(vault.name, vault.kind, [_examination_step(step) for step in vault.steps])
        for vault in _decode(DoctorResponse, parts[0]).vaults
    ]


def _examination_step(step: Any) -> ExaminationStep:
    error = failure_error(step.status, step.failure if step.HasField("failure") else None) if step.status else None
    return ExaminationStep(
        _ACTIONS.get(step.action, "unknown"), step.skipped, step.duration_us / 1e6, error, step.advice)


def decode_dropped(parts: Sequence[Bytes]) -> int:
    return _decode(InvalidateResponse, parts[0]).dropped


# ---- Failures ----


def failure_error(
    status: int, failure: Optional[Failure], retry_after: Optional[float] = None, writes: bool = False,
) -> CofferError:
    """What the daemon says of a call, of a key or of an entry that failed.

    :param writes: the call changes something; without an explanation nobody knows whether it has.
    """
    if failure is None:
        return make_error(
            status, f"the daemon answered with status {status} and no explanation{MAY_HAVE_HAPPENED if writes else ''}",
            retry_after=retry_after, may_have_happened=writes)
    return make_error(
        status, failure.message, reason=failure.reason, vault=failure.vault or None, retryable=failure.retryable,
        retry_after=retry_after, may_have_happened=failure.may_have_happened)


def decode_failure(status: int, retry_ms: int, data: Bytes, writes: bool = False) -> CofferError:
    """A Failure that does not decode leaves its call the status and the retry of the header."""
    failure: Optional[Failure] = None
    if data:
        try:
            failure = _decode(Failure, data)
        except Malformed:
            failure = None
    return failure_error(status, failure, retry_ms / 1000 if retry_ms else None, writes)


def undecodable(method: Method, fault: Malformed, parts: Sequence[Bytes]) -> CofferError:
    """A payload that does not decode ends its call, not the connection."""
    for part in parts:
        wipe(part)
    return CofferError(
        f"the daemon's answer to {method.name} does not decode: {fault}{MAY_HAVE_HAPPENED if method.writes else ''}",
        code=Code.INTERNAL, reason=Reason.MALFORMED, may_have_happened=method.writes)
