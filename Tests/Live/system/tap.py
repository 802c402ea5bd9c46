"""A way to a server that counts and keeps all that goes over it."""

import asyncio
import re
import ssl
import threading
from concurrent.futures import Future
from pathlib import Path


class Tap:
    """Passes TCP connections on to a server on 127.0.0.1, byte by byte.

    With `folder` it speaks TLS on both sides, with the certificate there: so what is kept is plain. One thread
    has all the connections, for OpenSSL crashes when two use the same one, if only to read and to write.
    """

    def __init__(self, port: int, folder: Path | None = None) -> None:
        self._target = port
        self._served, self._asked = (None, None) if folder is None else (
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(folder / "ca.pem")))
        if self._served:
            self._served.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._lock = threading.Lock()
        self._sent, self._received = bytearray(), bytearray()
        self._each_sent: list[bytearray] = []
        self._is_cut, self._writers = False, set()
        ready: Future[int] = Future()
        threading.Thread(target=asyncio.run, args=(self._listen(ready),), daemon=True).start()
        self.port = ready.result(10)

    def close(self) -> None:
        """The connections, too."""
        self._loop.call_soon_threadsafe(self._closed.set)

    def cut(self) -> None:
        """Every connection breaks, and new ones end at once, until it is mended."""
        self._loop.call_soon_threadsafe(self._cut, True)

    def mend(self) -> None:
        self._loop.call_soon_threadsafe(self._cut, False)

    def _cut(self, is_cut: bool) -> None:
        self._is_cut = is_cut
        if is_cut:
            for writer in self._writers:
                writer.transport.abort()

    @property
    def sent(self) -> bytes:
        """To the server."""
        with self._lock:
            return bytes(self._sent)

    @property
    def each_sent(self) -> list[bytes]:
        """The same of each connection by itself."""
        with self._lock:
            return [bytes(sent) for sent in self._each_sent]

    @property
    def received(self) -> bytes:
        with self._lock:
            return bytes(self._received)

    def count(self, target: str) -> int:
        """Requests to AWS for this operation."""
        return len(re.findall(rb"(?i)x-amz-target: *secretsmanager\." + target.encode() + rb"\r\n", self.sent))

    async def _listen(self, ready: "Future[int]") -> None:
        try:
            listener = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=128, ssl=self._served)
        except BaseException as error:
            ready.set_exception(error)
            raise
        self._loop, self._closed = asyncio.get_running_loop(), asyncio.Event()
        ready.set_result(listener.sockets[0].getsockname()[1])
        await self._closed.wait()
        listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.close()
            return
        try:
            replies, requests = await asyncio.open_connection("127.0.0.1", self._target, ssl=self._asked)
        except OSError:
            writer.close()
            return
        if self._is_cut:  # meanwhile
            requests.close()
            writer.close()
            return
        own = bytearray()
        with self._lock:
            self._each_sent.append(own)
        copies = [
            asyncio.create_task(self._copy(reader, requests, (self._sent, own), writer)),
            asyncio.create_task(self._copy(replies, writer, (self._received,), requests))]
        self._writers.add(writer)
        try:
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers.discard(writer)
            for copy in copies:
                copy.cancel()
            for end in (requests, writer):
                end.close()

    async def _copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: tuple[bytearray, ...],
        origin: asyncio.StreamWriter
    ) -> None:
        """`origin` writes to where `source` reads from."""
        try:
            while block := await source.read(1 << 16):
                self._keep(block, kept)
                target.write(block)
                await target.drain()
        except OSError:
            pass

    def _keep(self, block: bytes, kept: tuple[bytearray, ...]) -> None:
        with self._lock:
            for each in kept:
                each += block
