"""Reads the credentials of a user's connections, all at once, with asyncio."""

import asyncio
import sys

from coffer_client import AsyncCoffer, CofferError, NotFound


async def main(user: str) -> None:
    async with AsyncCoffer() as coffer:
        names = [entry.connection async for entry in coffer.list(user)]
        for name, record in zip(names, await asyncio.gather(*(coffer.try_get(user, name) for name in names))):
            print(name, "gone meanwhile" if record is None else f"{len(record.value)} bytes from {record.source.value}")
        try:
            await coffer.get(user, "no such connection", timeout=1)
        except NotFound as error:
            print(error)


try:
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "ann"))
except CofferError as error:
    sys.exit(f"coffer: {error}")
