#!/usr/bin/env python3
"""How fast the client for asyncio is, as a ratio to a bare loop in the same run on the same daemon.

    python3 ratios.py BIN [--rounds N] [--calls N] [--least RATIO]

BIN holds cofferd. The bare loops send prepared frames of the same Gets, await each answer and look at its length, id and
status only: one by asyncio's streams, as most programs are written, and one by a protocol of its own, the least that asyncio
can do. All go round by round in turns; what is printed is the median of the rounds' ratios. With --least, the exit code is 1
if one to the streams is below it.
"""

import argparse
import asyncio
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile
import time

try:
    import coffer_client
except ImportError:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "src"))
    import coffer_client

from coffer_client import _frames as frames
from coffer_client import _messages as messages

CLOCK = time.perf_counter
HEADER = struct.Struct(">IBBHQII")


class Bare(asyncio.Protocol):
    """Prepared frames out, answers counted."""

    def __init__(self):
        self.waiting = {}
        self.buffer = b""
        payload = messages.get_request("ann", "github", None)
        self.rest = HEADER.pack(20 + len(payload), 1, frames.REQUEST, 0, 0, frames.GET.id, 5000)[16:] + payload
        self.start = HEADER.pack(20 + len(payload), 1, frames.REQUEST, 0, 0, frames.GET.id, 5000)[:8]
        self.last = 0

    def connection_made(self, transport):
        self.transport = transport
        self.loop = asyncio.get_running_loop()

    def data_received(self, data):
        data = self.buffer + data if self.buffer else data
        at, size = 0, len(data)
        while size - at >= 24:
            length, _, _, _, call_id, status, _ = HEADER.unpack_from(data, at)
            if size - at < 4 + length:
                break
            at += 4 + length
            self.waiting.pop(call_id).set_result(status)
        self.buffer = data[at:]

    async def get(self):
        self.last += 1
        future = self.waiting[self.last] = self.loop.create_future()
        self.transport.write(self.start + self.last.to_bytes(8, "big") + self.rest)
        if await future != 0:
            raise RuntimeError("the daemon refused a Get")


class BareStreams:
    """The same by asyncio's streams."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.waiting, self.last = {}, 0
        self.loop = asyncio.get_running_loop()
        self.frame = Bare()
        self.task = asyncio.ensure_future(self.read())

    async def read(self):
        while True:
            length, _, _, _, call_id, status, _ = HEADER.unpack(await self.reader.readexactly(24))
            await self.reader.readexactly(length - 20)
            self.waiting.pop(call_id).set_result(status)

    async def get(self):
        self.last += 1
        future = self.waiting[self.last] = self.loop.create_future()
        self.writer.write(self.frame.start + self.last.to_bytes(8, "big") + self.frame.rest)
        if await future != 0:
            raise RuntimeError("the daemon refused a Get")


async def rate(get, calls, at_once):
    async def work():
        for _ in range(calls // at_once):
            await get()

    start = CLOCK()
    if at_once == 1:
        await work()
    else:
        await asyncio.gather(*(work() for _ in range(at_once)))
    return calls / (CLOCK() - start)


async def measure(path, rounds, calls):
    loop = asyncio.get_running_loop()
    _, bare = await loop.create_unix_connection(Bare, path)
    streams = BareStreams(*await asyncio.open_unix_connection(path))
    async with coffer_client.AsyncCoffer(path) as client:
        await client.store("ann", "github", b"x" * 64)

        async def get():
            await client.get("ann", "github")

        ratios = {}
        for at_once in (1, 20):
            rows = []
            for _ in range(rounds + 1):
                rows.append([await rate(one, calls, at_once) for one in (streams.get, bare.get, get)])
            medians = [statistics.median(column) for column in zip(*rows[1:])]
            ratios[at_once] = statistics.median(own / other for other, _, own in rows[1:])
            least = statistics.median(own / other for _, other, own in rows[1:])
            print(
                f"{at_once:2} in flight: {ratios[at_once]:.2f} of bare streams, {least:.2f} of a bare protocol "
                f"({medians[2]:,.0f}, {medians[0]:,.0f} and {medians[1]:,.0f} Gets a second)", flush=True)
    streams.task.cancel()
    streams.writer.close()
    bare.transport.close()
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--calls", type=int, default=1_000)
    parser.add_argument("--least", type=float, default=0.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        daemon = subprocess.Popen(
            [f"{arguments.bin}/cofferd", "--socket", path, "--data", f"{folder}/data"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 20
            while not pathlib.Path(path).exists() and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(0.2)
            ratios = asyncio.run(measure(path, arguments.rounds, arguments.calls))
        finally:
            daemon.terminate()
            daemon.wait(20)
    sys.exit(any(ratio < arguments.least for ratio in ratios.values()))


if __name__ == "__main__":
    main()
