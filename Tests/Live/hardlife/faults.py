"""What happens to a vault's answers on their way, and a way on which it does."""

import asyncio
import re
import socket
import struct
from dataclasses import dataclass, field

from harness import Status
from tap import Tap

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_AT_ONCE = struct.pack("ii", 1, 0)


def answer(status: str, body: str, kind: str = "text/html", *headers: str) -> bytes:
    """Of a proxy or gateway before the vault."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()


@dataclass(frozen=True)
class Fault:
    """One kind of damage to the way, and what callers are told while it lasts."""

    name: str
    #: Of a call that was made because of the fault; none = no call fails.
    statuses: frozenset[Status] = field(default=frozenset())
    #: Seconds by which each answer is late.
    delay: float = 0
    #: Answers do not come; they come when it is over.
    hangs: bool = False
    #: The connection is reset, or ends within the answer, when the answer comes.
    resets: bool = False
    cuts: bool = False
    #: No connection lasts, and no new one comes about.
    is_gone: bool = False
    #: What comes in the place of the vault's answer.
    answer: bytes | None = None
    #: The vault gets the request all the same.
    is_forwarded: bool = False
    #: Milliseconds of retry advice that a refusal has at least.
    advice: int = 0
    #: Milliseconds that calls have.
    timeout: int = 4_000

    @property
    def is_http(self) -> bool:
        return self.answer is not None


_BROKEN = frozenset({Status.UNAVAILABLE})
_SLOW = frozenset({Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED})
_BUSY = frozenset({Status.RESOURCE_EXHAUSTED})
#: A write whose answer is none of the vault's is INTERNAL: nobody knows what was done. A read may be tried again.
_STRANGE = frozenset({Status.UNAVAILABLE, Status.INTERNAL})
_PAGE = "<!DOCTYPE html><html><head><title>%s</title></head><body>%s</body></html>"

OUTAGE = Fault("outage", _BROKEN, is_gone=True)
FAULTS = [
    Fault("latency of 2 s", delay=2, timeout=25_000),
    Fault("resets", _BROKEN, resets=True),
    Fault("hangs", _SLOW, hangs=True),
    Fault("cut answers", _BROKEN, cuts=True),
    Fault("429 with advice", _BUSY, advice=1_000, answer=answer(
        "429 Too Many Requests", _PAGE % ("429", "slow down"), "text/html", "Retry-After: 2")),
    Fault("429 without advice", _BUSY, answer=answer("429 Too Many Requests", _PAGE % ("429", "slow down"))),
    Fault("500", _STRANGE, answer=answer("500 Internal Server Error", _PAGE % ("500", "oops"))),
    # A gateway that has waited for the vault in vain: what it was sent was done.
    Fault("503", _BROKEN, is_forwarded=True, answer=answer("503 Service Unavailable", _PAGE % ("503", "try later"))),
    Fault("a proxy's page", _STRANGE, answer=answer("200 OK", _PAGE % ("Welcome", "Please log in to the network"))),
]


class FaultyTap(Tap):
    """A way that a fault can be put on and taken from."""

    def __init__(self, port: int, folder=None) -> None:
        self._fault: Fault | None = None
        #: How often it did something.
        self.met = 0
        super().__init__(port, folder)

    def put(self, fault: Fault) -> None:
        self._fault = fault
        if fault.is_gone:
            self.cut()

    def lift(self) -> None:
        self._fault = None
        self.mend()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            self.met += 1
        try:
            await super()._serve(reader, writer)
        except asyncio.CancelledError:
            pass  # The tap was closed; asyncio would print it.

    async def _copy(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: tuple[bytearray, ...],
        origin: asyncio.StreamWriter
    ) -> None:
        try:
            if kept[0] is self._sent:
                await self._requests(source, target, kept, origin)
            else:
                await self._answers(source, target, kept)
        except OSError:
            pass

    async def _requests(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: tuple[bytearray, ...],
        client: asyncio.StreamWriter
    ) -> None:
        while block := await source.read(1 << 16):
            fault = self._fault
            if fault is not None and fault.is_http and not fault.is_forwarded:
                self.met += 1
                await self._whole(source, block)
                client.write(fault.answer)
                return
            self._keep(block, kept)
            target.write(block)
            await target.drain()

    @staticmethod
    async def _whole(source: asyncio.StreamReader, request: bytes) -> None:
        """Reads the rest of a request: an answer before its end may be lost."""
        while b"\r\n\r\n" not in request:
            if not (block := await source.read(1 << 16)):
                return
            request += block
        head, _, body = request.partition(b"\r\n\r\n")
        length = int(found[1]) if (found := _LENGTH.search(head)) else 0
        while len(body) < length and (block := await source.read(1 << 16)):
            body += block

    async def _answers(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: tuple[bytearray, ...]
    ) -> None:
        loop, due = asyncio.get_running_loop(), 0.0
        while block := await source.read(1 << 16):
            fault = self._fault
            if fault is not None and not await self._pass(fault, block, target):
                return
            self._keep(block, kept)
            # Blocks of one answer are late by the same time, and stay in their order.
            due = max(due + 1e-6, loop.time() + (fault.delay if fault else 0))
            if due - loop.time() > 1e-3:
                loop.call_at(due, self._write, target, block)
            else:
                target.write(block)
                await target.drain()
        await asyncio.sleep(max(0, due - loop.time()))

    @staticmethod
    def _write(client: asyncio.StreamWriter, block: bytes) -> None:
        if not client.is_closing():
            client.write(block)

    async def _pass(self, fault: Fault, block: bytes, client: asyncio.StreamWriter) -> bool:
        """Whether the connection goes on, with this block."""
        self.met += 1
        if fault.is_forwarded:
            client.write(fault.answer)
        elif fault.cuts:
            client.write(block[:len(block) // 2])
        elif fault.resets:
            client.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            client.transport.abort()
        else:
            while self._fault is not None and self._fault.hangs:
                await asyncio.sleep(0.02)
            return True
        return False
