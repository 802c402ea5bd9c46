from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
SOURCE_MEMORY: Source
SOURCE_STALE_ON_ERROR: Source
SOURCE_UNSPECIFIED: Source
SOURCE_VAULT: Source

class DeleteRequest(_message.Message):
    __slots__ = ["connection_id", "if_version", "user_id"]
    CONNECTION_ID_FIELD_NUMBER: _ClassVar[int]
    IF_VERSION_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    connection_id: str
    if_version: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., connection_id: _Optional[str] = ..., if_version: _Optional[str] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ["existed"]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    existed: bool
    def __init__(self, existed: bool = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ["may_have_happened", "message", "reason", "retryable", "vault"]
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
    MAY_HAVE_HAPPENED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_ALREADY_EXISTS: Failure.Reason
    REASON_BAD_FIELD: Failure.Reason
    REASON_CANCELLED: Failure.Reason
    REASON_CREDENTIAL_TOO_LARGE: Failure.Reason
    REASON_DEADLINE: Failure.Reason
    REASON_DENIED: Failure.Reason
    REASON_DISK: Failure.Reason
    REASON_DRAINING: Failure.Reason
    REASON_DUPLICATE_CALL_ID: Failure.Reason
    REASON_FIELD_NUMBER: _ClassVar[int]
    REASON_FRAME_TOO_LARGE: Failure.Reason
    REASON_INTERNAL: Failure.Reason
    REASON_LIMIT: Failure.Reason
    REASON_MALFORMED: Failure.Reason
    REASON_NOT_FOUND: Failure.Reason
    REASON_NOT_SUPPORTED: Failure.Reason
    REASON_UNKNOWN_METHOD: Failure.Reason
    REASON_UNREADABLE_RECORD: Failure.Reason
    REASON_UNSPECIFIED: Failure.Reason
    REASON_VAULT_FAILED: Failure.Reason
    REASON_VAULT_REFUSED: Failure.Reason
    REASON_VAULT_UNREACHABLE: Failure.Reason
    REASON_VERSION_MISMATCH: Failure.Reason
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    VAULT_FIELD_NUMBER: _ClassVar[int]
    may_have_happened: bool
    message: str
    reason: Failure.Reason
    retryable: bool
    vault: str
    def __init__(self, reason: _Optional[_Union[Failure.Reason, str]] = ..., message: _Optional[str] = ..., vault: _Optional[str] = ..., retryable: bool = ..., may_have_happened: bool = ...) -> None: ...

class GetManyRequest(_message.Message):
    __slots__ = ["keys", "max_age_ms"]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[Key]
    max_age_ms: int
    def __init__(self, keys: _Optional[_Iterable[_Union[Key, _Mapping[str, object]]]] = ..., max_age_ms: _Optional[int] = ...) -> None: ...

class GetManyResponse(_message.Message):
    __slots__ = ["results"]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[GetResult]
    def __init__(self, results: _Optional[_Iterable[_Union[GetResult, _Mapping[str, object]]]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ["connection_id", "max_age_ms", "user_id"]
    CONNECTION_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_AGE_MS_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    connection_id: str
    max_age_ms: int
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., connection_id: _Optional[str] = ..., max_age_ms: _Optional[int] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ["age_ms", "created_at_ms", "credential", "expires_at_ms", "foreign_format", "labels", "source", "stale", "updated_at_ms", "version"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    FOREIGN_FORMAT_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    age_ms: int
    created_at_ms: int
    credential: bytes
    expires_at_ms: int
    foreign_format: str
    labels: _containers.ScalarMap[str, str]
    source: Source
    stale: bool
    updated_at_ms: int
    version: str
    def __init__(self, credential: _Optional[bytes] = ..., version: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., created_at_ms: _Optional[int] = ..., updated_at_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., source: _Optional[_Union[Source, str]] = ..., age_ms: _Optional[int] = ..., stale: bool = ..., foreign_format: _Optional[str] = ...) -> None: ...

class GetResult(_message.Message):
    __slots__ = ["failure", "index", "record", "status"]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    failure: Failure
    index: int
    record: GetResponse
    status: int
    def __init__(self, index: _Optional[int] = ..., status: _Optional[int] = ..., record: _Optional[_Union[GetResponse, _Mapping[str, object]]] = ..., failure: _Optional[_Union[Failure, _Mapping[str, object]]] = ...) -> None: ...

class Key(_message.Message):
    __slots__ = ["connection_id", "user_id"]
    CONNECTION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    connection_id: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., connection_id: _Optional[str] = ...) -> None: ...

class ListEntry(_message.Message):
    __slots__ = ["connection_id", "created_at_ms", "expires_at_ms", "failure", "labels", "status", "updated_at_ms", "user_id", "version"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONNECTION_ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    connection_id: str
    created_at_ms: int
    expires_at_ms: int
    failure: Failure
    labels: _containers.ScalarMap[str, str]
    status: int
    updated_at_ms: int
    user_id: str
    version: str
    def __init__(self, user_id: _Optional[str] = ..., connection_id: _Optional[str] = ..., version: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., created_at_ms: _Optional[int] = ..., updated_at_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ..., status: _Optional[int] = ..., failure: _Optional[_Union[Failure, _Mapping[str, object]]] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ["page_size", "page_token", "user_id"]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., page_token: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ["entries", "next_page_token"]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[ListEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[ListEntry, _Mapping[str, object]]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class PingRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PingResponse(_message.Message):
    __slots__ = ["draining", "features", "instance", "max_call_ms", "max_credential_bytes", "max_frame_bytes", "max_keys", "max_waiting_calls", "version"]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    MAX_CALL_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_CREDENTIAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_FRAME_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_KEYS_FIELD_NUMBER: _ClassVar[int]
    MAX_WAITING_CALLS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    draining: bool
    features: int
    instance: str
    max_call_ms: int
    max_credential_bytes: int
    max_frame_bytes: int
    max_keys: int
    max_waiting_calls: int
    version: str
    def __init__(self, version: _Optional[str] = ..., instance: _Optional[str] = ..., draining: bool = ..., max_frame_bytes: _Optional[int] = ..., max_credential_bytes: _Optional[int] = ..., max_waiting_calls: _Optional[int] = ..., max_keys: _Optional[int] = ..., max_call_ms: _Optional[int] = ..., features: _Optional[int] = ...) -> None: ...

class StoreRequest(_message.Message):
    __slots__ = ["connection_id", "credential", "if_absent", "if_version", "labels", "ttl_seconds", "user_id"]
    class LabelsEntry(_message.Message):
        __slots__ = ["key", "value"]
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CONNECTION_ID_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    IF_ABSENT_FIELD_NUMBER: _ClassVar[int]
    IF_VERSION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    connection_id: str
    credential: bytes
    if_absent: bool
    if_version: str
    labels: _containers.ScalarMap[str, str]
    ttl_seconds: int
    user_id: str
    def __init__(self, user_id: _Optional[str] = ..., connection_id: _Optional[str] = ..., credential: _Optional[bytes] = ..., ttl_seconds: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., if_version: _Optional[str] = ..., if_absent: bool = ...) -> None: ...

class StoreResponse(_message.Message):
    __slots__ = ["created_at_ms", "expires_at_ms", "updated_at_ms", "version"]
    CREATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_MS_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_MS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    created_at_ms: int
    expires_at_ms: int
    updated_at_ms: int
    version: str
    def __init__(self, version: _Optional[str] = ..., created_at_ms: _Optional[int] = ..., updated_at_ms: _Optional[int] = ..., expires_at_ms: _Optional[int] = ...) -> None: ...

class Source(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
