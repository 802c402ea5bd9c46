"""Client of `cofferd`, the daemon that keeps the credentials of connectors."""

from ._place import default_socket
from .aio import AsyncCoffer
from .blocking import Coffer
from .errors import (
    Aborted, AlreadyExists, Cancelled, Code, CofferError, DeadlineExceeded, InvalidArgument, NotFound, PermissionDenied,
    Reason, Unavailable,
)
from .manager import (
    AsyncCredentialManager, CredentialManager, create_async_credential_manager, create_credential_manager,
)
from .records import Entry, Examination, ExaminationStep, Health, Identity, Key, Receipt, Record, Source, VaultHealth

__all__ = [
    "Aborted", "AlreadyExists", "AsyncCoffer", "AsyncCredentialManager", "Cancelled", "Code", "Coffer", "CofferError",
    "CredentialManager", "DeadlineExceeded", "Entry", "Examination", "ExaminationStep", "Health", "Identity",
    "InvalidArgument", "Key", "NotFound", "PermissionDenied", "Reason", "Receipt", "Record", "Source", "Unavailable",
    "VaultHealth",
    "create_async_credential_manager", "create_credential_manager", "default_socket",
]
__version__ = "0.1.0"
