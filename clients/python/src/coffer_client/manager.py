"""The guide's CredentialManager, in front of cofferd: its methods, its argument order, its error texts."""

from __future__ import annotations

import json
import os
from typing import Any, Mapping, Optional

from ._messages import checked_text
from .aio import AsyncCoffer
from .blocking import Coffer
from .errors import Code, CofferError, InvalidArgument, NotFound, Reason

__all__ = [
    "AsyncCredentialManager", "CredentialManager", "create_async_credential_manager", "create_credential_manager",
]


class CredentialManager:
    """Credentials as JSON objects, for blocking programs.

    :param coffer: the client to use; None = one of its own, which `close` closes.
    """

    def __init__(self, coffer: Optional[Coffer] = None) -> None:
        self._coffer = Coffer() if coffer is None else coffer
        self._is_own = coffer is None

    def store_credentials(self, connection_id: str, user_id: str, credentials: Mapping[str, Any]) -> None:
        """Creates or replaces them."""
        self._coffer.store(user_id, connection_id, _encoded(credentials))

    def get_credentials(self, connection_id: str, user_id: str) -> Any:
        """What was stored.

        :raises NotFound: with the guide's text, if there are none.
        """
        try:
            record = self._coffer.get(user_id, connection_id)
        except NotFound as error:
            raise _not_found(connection_id, error) from None
        with record:
            return record.json()

    def delete_credentials(self, connection_id: str, user_id: str) -> None:
        """Deleting what is not there is no error."""
        self._coffer.delete(user_id, connection_id)

    def close(self) -> None:
        """Closes the client, if it is the manager's own."""
        if self._is_own:
            self._coffer.close()

    def __enter__(self) -> CredentialManager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncCredentialManager:
    """Credentials as JSON objects, for asyncio.

    :param coffer: the client to use; None = one of its own, which `close` closes.
    """

    def __init__(self, coffer: Optional[AsyncCoffer] = None) -> None:
        self._coffer = AsyncCoffer() if coffer is None else coffer
        self._is_own = coffer is None

    async def store_credentials(self, connection_id: str, user_id: str, credentials: Mapping[str, Any]) -> None:
        """Creates or replaces them."""
        await self._coffer.store(user_id, connection_id, _encoded(credentials))

    async def get_credentials(self, connection_id: str, user_id: str) -> Any:
        """What was stored.

        :raises NotFound: with the guide's text, if there are none.
        """
        try:
            record = await self._coffer.get(user_id, connection_id)
        except NotFound as error:
            raise _not_found(connection_id, error) from None
        with record:
            return record.json()

    async def delete_credentials(self, connection_id: str, user_id: str) -> None:
        """Deleting what is not there is no error."""
        await self._coffer.delete(user_id, connection_id)

    async def close(self) -> None:
        """Closes the client, if it is the manager's own."""
        if self._is_own:
            await self._coffer.close()

    async def __aenter__(self) -> AsyncCredentialManager:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def create_credential_manager() -> CredentialManager:
    """The guide's factory, with its variables and its errors. Which vault it is, cofferd's configuration says."""
    _check_variables()
    return CredentialManager()


def create_async_credential_manager() -> AsyncCredentialManager:
    """As `create_credential_manager`, for asyncio."""
    _check_variables()
    return AsyncCredentialManager()


def _check_variables() -> None:
    """Refuses what the guide's factory refuses: programs rely on it to notice a lost setting in production."""
    kind = os.environ.get("VAULT_TYPE") or "memory"
    if kind == "cloudflare" and not os.environ.get("CLOUDFLARE_SECRETS_STORE"):
        raise _refusal("CLOUDFLARE_SECRETS_STORE not configured")
    if kind == "vault" and not (os.environ.get("VAULT_ADDR") and os.environ.get("VAULT_TOKEN")):
        raise _refusal("VAULT_ADDR and VAULT_TOKEN must be set")
    if kind not in ("cloudflare", "aws", "vault", "embedded", "coffer") and os.environ.get("NODE_ENV") == "production":
        raise _refusal("Memory vault not allowed in production. Set VAULT_TYPE.")


def _refusal(text: str) -> CofferError:
    return CofferError(text, code=Code.FAILED_PRECONDITION)


def _encoded(credentials: Mapping[str, Any]) -> str:
    """As JavaScript's JSON.stringify writes it."""
    text: Optional[str]
    try:
        text = json.dumps(credentials, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        text = None
    if text is None:
        raise InvalidArgument(
            "credentials: expected what JSON can hold: dicts, lists, str, numbers, bool and None", reason=Reason.BAD_FIELD)
    return text


def _not_found(connection_id: str, error: NotFound) -> NotFound:
    text = checked_text("connection_id", connection_id)
    return NotFound(f"Credentials not found for connection: {text}", reason=error.reason, vault=error.vault)
