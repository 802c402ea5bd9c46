"""A vault with HashiCorp's interface that answers when it is told to, and has no records."""

import asyncio
import threading
from concurrent.futures import Future


class SlowVault:
    """Serves on 127.0.0.1; reads of records wait until `release`, but for those with "free" in their name. Every other
    request is answered at once."""

    def __init__(self) -> None:
        self.reads = 0
        ready: Future[int] = Future()
        threading.Thread(target=asyncio.run, args=(self._listen(ready),), daemon=True).start()
        self.port = ready.result(10)

    @property
    def environment(self) -> dict[str, str]:
        """Of a daemon that keeps its records here."""
        return {"VAULT_TYPE": "vault", "VAULT_ADDR": f"http://127.0.0.1:{self.port}", "VAULT_TOKEN": "token"}

    def release(self) -> None:
        """From now on it answers at once."""
        self._loop.call_soon_threadsafe(self._released.set)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closed.set)

    async def _listen(self, ready: "Future[int]") -> None:
        try:
            listener = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        except BaseException as error:
            ready.set_exception(error)
            raise
        self._loop, self._closed, self._released = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        ready.set_result(listener.sockets[0].getsockname()[1])
        await self._closed.wait()
        self._released.set()
        listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                _, path, _ = head.split(b" ", 2)
                length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                               if line.startswith(b"content-length:")), 0)
                await reader.readexactly(length)
                status, body = b"200 OK", b'{"data":{"ttl":0,"renewable":false,"policies":[]},"initialized":true,"sealed":false}'
                if b"/data/" in path:
                    self.reads += 1
                    if b"free" not in path:
                        await self._released.wait()
                    status, body = b"404 Not Found", b'{"errors":[]}'
                writer.write(b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
                    status, len(body), body))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
