"""The ways between the nodes of a cluster, which can be cut."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future


class Links:
    """Passes the connections of nodes to each other on; while one is cut off, nothing goes from or to it.

    What a cut connection holds is passed on when it heals, as TCP would do it.
    """

    def __init__(self) -> None:
        self._cut: set[object] = set()
        ready: Future[asyncio.AbstractEventLoop] = Future()
        threading.Thread(target=asyncio.run, args=(self._run(ready),), daemon=True).start()
        self._loop = ready.result(10)

    def door(self, target: int, owner: Callable[[], int], nodes: Callable[[], list[int]]) -> int:
        """A port of 127.0.0.1 that leads to `target`.

        `owner` is the process that listens there, `nodes` are all that may come.
        """
        opened = asyncio.run_coroutine_threadsafe(self._open(target, owner, nodes), self._loop)
        return opened.result(10)

    def cut(self, pid: int) -> None:
        """Nothing goes from this process to others, or from others to it."""
        self._cut = {pid}

    def cut_connections(self, ports: list[int]) -> None:
        """Nothing goes over those that leave for their targets from these ports."""
        self._cut = {("port", port) for port in ports}

    def heal(self) -> None:
        self._cut = set()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._closed.set)

    async def _run(self, ready: "Future[asyncio.AbstractEventLoop]") -> None:
        self._closed = asyncio.Event()
        ready.set_result(asyncio.get_running_loop())
        await self._closed.wait()

    async def _open(self, target: int, owner: Callable[[], int], nodes: Callable[[], list[int]]) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            ends: set[object] = {owner(), caller(writer, nodes())}
            try:
                await self._whole(ends)
                answers, requests = await asyncio.open_connection("127.0.0.1", target)
                ends.add(("port", requests.get_extra_info("sockname")[1]))
            except OSError:
                writer.close()
                return
            copies = [asyncio.create_task(self._copy(reader, requests, ends)),
                      asyncio.create_task(self._copy(answers, writer, ends))]
            try:
                await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for copy in copies:
                    copy.cancel()
                for end in (requests, writer):
                    end.close()

        listener = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=128)
        return listener.sockets[0].getsockname()[1]

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, ends: set[object]) -> None:
        try:
            while block := await source.read(1 << 16):
                await self._whole(ends)
                target.write(block)
                await target.drain()
        except OSError:
            pass

    async def _whole(self, ends: set[object]) -> None:
        while self._cut & ends:
            await asyncio.sleep(0.02)


def caller(writer: asyncio.StreamWriter, pids: list[int]) -> int:
    """Which of these processes has the other end of a connection on 127.0.0.1; 0 = none of them."""
    here, there = (f"0100007F:{writer.get_extra_info(name)[1]:04X}" for name in ("sockname", "peername"))
    with open("/proc/net/tcp") as table:
        inodes = [fields[9] for fields in map(str.split, table) if fields[1:3] == [there, here]]
    for pid in pids:
        for name in _descriptors(pid):
            try:
                if inodes and os.readlink(name) == f"socket:[{inodes[0]}]":
                    return pid
            except OSError:
                pass
    return 0


def _descriptors(pid: int) -> list[str]:
    try:
        return [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []
