from . import credentials_pb2 as _credentials_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DoctorRequest(_message.Message):
    __slots__ = ["vault"]
    VAULT_FIELD_NUMBER: _ClassVar[int]
    vault: str
    def __init__(self, vault: _Optional[str] = ...) -> None: ...

class DoctorResponse(_message.Message):
    __slots__ = ["vaults"]
    VAULTS_FIELD_NUMBER: _ClassVar[int]
    vaults: _containers.RepeatedCompositeFieldContainer[VaultExamination]
    def __init__(self, vaults: _Optional[_Iterable[_Union[VaultExamination, _Mapping[str, object]]]] = ...) -> None: ...

class DoctorStep(_message.Message):
    __slots__ = ["action", "advice", "duration_us", "failure", "skipped", "status"]
    class Action(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
    ACTION_COMPARE: DoctorStep.Action
    ACTION_DELETE: DoctorStep.Action
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ACTION_GET: DoctorStep.Action
    ACTION_STORE: DoctorStep.Action
    ACTION_UNSPECIFIED: DoctorStep.Action
    ADVICE_FIELD_NUMBER: _ClassVar[int]
    DURATION_US_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    action: DoctorStep.Action
    advice: str
    duration_us: int
    failure: _credentials_pb2.Failure
    skipped: bool
    status: int
    def __init__(self, action: _Optional[_Union[DoctorStep.Action, str]] = ..., status: _Optional[int] = ..., skipped: bool = ..., duration_us: _Optional[int] = ..., failure: _Optional[_Union[_credentials_pb2.Failure, _Mapping[str, object]]] = ..., advice: _Optional[str] = ...) -> None: ...

class HealthRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class HealthResponse(_message.Message):
    __slots__ = ["serving", "uptime_ms", "vaults", "version", "warnings"]
    SERVING_FIELD_NUMBER: _ClassVar[int]
    UPTIME_MS_FIELD_NUMBER: _ClassVar[int]
    VAULTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    serving: bool
    uptime_ms: int
    vaults: _containers.RepeatedCompositeFieldContainer[VaultHealth]
    version: str
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, serving: bool = ..., version: _Optional[str] = ..., uptime_ms: _Optional[int] = ..., vaults: _Optional[_Iterable[_Union[VaultHealth, _Mapping[str, object]]]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class InvalidateRequest(_message.Message):
    __slots__ = ["all", "key", "user_id"]
    ALL_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    all: bool
    key: _credentials_pb2.Key
    user_id: str
    def __init__(self, key: _Optional[_Union[_credentials_pb2.Key, _Mapping[str, object]]] = ..., user_id: _Optional[str] = ..., all: bool = ...) -> None: ...

class InvalidateResponse(_message.Message):
    __slots__ = ["dropped"]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped: int
    def __init__(self, dropped: _Optional[int] = ...) -> None: ...

class Stat(_message.Message):
    __slots__ = ["name", "value"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: int
    def __init__(self, name: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...

class StatsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StatsResponse(_message.Message):
    __slots__ = ["stats"]
    STATS_FIELD_NUMBER: _ClassVar[int]
    stats: _containers.RepeatedCompositeFieldContainer[Stat]
    def __init__(self, stats: _Optional[_Iterable[_Union[Stat, _Mapping[str, object]]]] = ...) -> None: ...

class VaultExamination(_message.Message):
    __slots__ = ["kind", "name", "steps"]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    steps: _containers.RepeatedCompositeFieldContainer[DoctorStep]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., steps: _Optional[_Iterable[_Union[DoctorStep, _Mapping[str, object]]]] = ...) -> None: ...

class VaultHealth(_message.Message):
    __slots__ = ["breaker", "breaker_retry_ms", "calls", "check_failure", "check_status", "failures", "format", "in_flight", "kind", "last_failure", "last_failure_ms", "last_good_contact_ms", "latency_us", "name", "queued", "reachable", "refusals", "retries", "routes", "write_failure", "writes"]
    class Breaker(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
    class Writes(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
    BREAKER_CLOSED: VaultHealth.Breaker
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    BREAKER_HALF_OPEN: VaultHealth.Breaker
    BREAKER_OPEN: VaultHealth.Breaker
    BREAKER_RETRY_MS_FIELD_NUMBER: _ClassVar[int]
    BREAKER_UNSPECIFIED: VaultHealth.Breaker
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CHECK_FAILURE_FIELD_NUMBER: _ClassVar[int]
    CHECK_STATUS_FIELD_NUMBER: _ClassVar[int]
    FAILURES_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_FIELD_NUMBER: _ClassVar[int]
    LAST_FAILURE_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_GOOD_CONTACT_MS_FIELD_NUMBER: _ClassVar[int]
    LATENCY_US_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    REACHABLE_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    RETRIES_FIELD_NUMBER: _ClassVar[int]
    ROUTES_FIELD_NUMBER: _ClassVar[int]
    WRITES_FAIL: VaultHealth.Writes
    WRITES_FIELD_NUMBER: _ClassVar[int]
    WRITES_UNSPECIFIED: VaultHealth.Writes
    WRITES_WORK: VaultHealth.Writes
    WRITE_FAILURE_FIELD_NUMBER: _ClassVar[int]
    breaker: VaultHealth.Breaker
    breaker_retry_ms: int
    calls: int
    check_failure: _credentials_pb2.Failure
    check_status: int
    failures: int
    format: str
    in_flight: int
    kind: str
    last_failure: _credentials_pb2.Failure.Reason
    last_failure_ms: int
    last_good_contact_ms: int
    latency_us: int
    name: str
    queued: int
    reachable: bool
    refusals: int
    retries: int
    routes: _containers.RepeatedScalarFieldContainer[str]
    write_failure: _credentials_pb2.Failure.Reason
    writes: VaultHealth.Writes
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., reachable: bool = ..., latency_us: _Optional[int] = ..., last_good_contact_ms: _Optional[int] = ..., last_failure: _Optional[_Union[_credentials_pb2.Failure.Reason, str]] = ..., format: _Optional[str] = ..., routes: _Optional[_Iterable[str]] = ..., breaker: _Optional[_Union[VaultHealth.Breaker, str]] = ..., breaker_retry_ms: _Optional[int] = ..., in_flight: _Optional[int] = ..., queued: _Optional[int] = ..., calls: _Optional[int] = ..., failures: _Optional[int] = ..., retries: _Optional[int] = ..., refusals: _Optional[int] = ..., last_failure_ms: _Optional[int] = ..., writes: _Optional[_Union[VaultHealth.Writes, str]] = ..., write_failure: _Optional[_Union[_credentials_pb2.Failure.Reason, str]] = ..., check_status: _Optional[int] = ..., check_failure: _Optional[_Union[_credentials_pb2.Failure, _Mapping[str, object]]] = ...) -> None: ...
