"""The Python client, `clients/python`, as the interoperability cases call it."""

import asyncio
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "clients/python/src"))

import coffer_client  # noqa: E402
from coffer_client import _messages as messages  # noqa: E402
from plain_client import CofferError  # noqa: E402

SOURCES = {coffer_client.Source.MEMORY: 1, coffer_client.Source.VAULT: 2, coffer_client.Source.STALE: 3}


def seconds(milliseconds):
    """For `max_age`. A float does not hold the largest one; the client bounds what is more."""
    return None if milliseconds is None else milliseconds / 1000


class Product:
    """The methods of the services, on the public calls of a client; `run` gives what one of them returns."""

    def __init__(self, client, run):
        self.client, self.run = client, run

    def call(self, method, **fields):
        try:
            return getattr(self, method)(**fields)
        except coffer_client.CofferError as error:
            raise CofferError(error.code.name, int(error.reason), str(error)) from None

    def stream(self, method, **fields):
        return [self.call(method, **fields)]

    def Store(self, user_id, connection_id, credential, labels, ttl_seconds=None, if_version=None, if_absent=False):
        return self.run(self.client.store(
            user_id, connection_id, credential, ttl=ttl_seconds, labels=labels, if_version=if_version,
            if_absent=if_absent))

    def Get(self, user_id, connection_id, max_age_ms=None):
        record = self.run(self.client.get(user_id, connection_id, max_age=seconds(max_age_ms)))
        return types.SimpleNamespace(
            credential=bytes(record.value), version=record.version, labels=record.labels,
            expires_at_ms=record.expires_at_ms, source=SOURCES.get(record.source))

    def Delete(self, user_id, connection_id, if_version=None):
        return types.SimpleNamespace(
            existed=self.run(self.client.delete(user_id, connection_id, if_version=if_version)))

    def GetMany(self, keys, max_age_ms=None):
        pairs = [(key["user_id"], key["connection_id"]) for key in keys]
        if not 1 <= len(pairs) <= 256:
            # The client never sends such a call: none for no keys, two for so many.
            return self.run(self.client._call(
                coffer_client._frames.GET_MANY, messages.get_many_request(pairs, seconds(max_age_ms)), None,
                lambda parts: messages.decode_results(len(pairs), parts)))
        results = self.run(self.client.get_many(pairs, max_age=seconds(max_age_ms)))
        statuses = [int(one.code) if isinstance(one, coffer_client.CofferError) else 0 for one in results]
        return types.SimpleNamespace(results=[
            types.SimpleNamespace(index=index, status=status) for index, status in enumerate(statuses)])

    def List(self, user_id, page_size=0):
        entries = self.run(self.client.list(user_id, page_size=page_size))
        return types.SimpleNamespace(
            entries=[types.SimpleNamespace(connection_id=entry.connection) for entry in entries], next_page_token="")

    def Ping(self):
        return self.run(self.client.ping())

    def Health(self):
        return self.run(self.client.health())

    def Stats(self):
        stats = self.run(self.client.stats())
        return types.SimpleNamespace(stats=[types.SimpleNamespace(name=name) for name in stats])

    def Invalidate(self, all=False, user_id=None, key=None):
        user, connection = (user_id, None) if key is None else (key.user_id, key.connection_id)
        return types.SimpleNamespace(dropped=self.run(self.client.invalidate(user, connection, all=all)))


def blocking(path):
    return Product(coffer_client.Coffer(path), lambda result: result)


def asynchronous(path):
    loop = asyncio.new_event_loop()

    async def collect(iterator):
        return [one async for one in iterator]

    def run(result):
        return loop.run_until_complete(collect(result) if hasattr(result, "__aiter__") else result)

    return Product(coffer_client.AsyncCoffer(path), run)
