"""A vault that cannot be reached for a moment: Stores work again about as soon as it is back."""

import asyncio
import threading
import time
from concurrent.futures import Future

from harness import SystemTest
from harness.options import options
from load import Traffic, store
from stage import Stage, configuration, new_daemon

ROUNDS, SOAK_ROUNDS = 3, 20
AWAY = 0.6
#: Stores a second.
RATE = 20
#: A Store works at most so many seconds after the return, and none fails later than that.
RECOVERY = 1
#: Longer than the breaker needs to take the next blip for a new outage.
BETWEEN = 6


class Door:
    """The way to a port of 127.0.0.1. While it is shut nobody listens, and open connections are reset."""

    def __init__(self, target: int) -> None:
        self._target, self.port = target, 0
        self._writers: set[asyncio.StreamWriter] = set()
        ready: Future[asyncio.AbstractEventLoop] = Future()
        threading.Thread(target=asyncio.run, args=(self._run(ready),), daemon=True).start()
        self._loop = ready.result(10)
        self.open()

    def open(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def shut(self) -> None:
        asyncio.run_coroutine_threadsafe(self._reset(), self._loop).result(10)

    def close(self) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._closed.set)

    async def _run(self, ready: "Future[asyncio.AbstractEventLoop]") -> None:
        self._closed = asyncio.Event()
        ready.set_result(asyncio.get_running_loop())
        await self._closed.wait()

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=128)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _reset(self) -> None:
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, requests = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, requests}
        self._writers |= ends
        try:
            copies = [asyncio.create_task(self._copy(reader, requests)), asyncio.create_task(self._copy(answers, writer))]
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._writers -= ends
            for end in ends:
                end.close()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while block := await source.read(1 << 16):
                target.write(block)
                await target.drain()
        except OSError:
            pass


class Blip(SystemTest):
    time_limit = 300

    def test_a_blip_costs_about_what_it_lasts(self) -> None:
        stage = Stage()
        self.addCleanup(stage.dispose)
        bao = stage.bao("bao")
        door = Door(int(bao.address.rpartition(":")[2]))
        self.addCleanup(door.close)
        daemon = new_daemon(configuration({"main": stage.vault(bao, address=f"https://127.0.0.1:{door.port}")}))
        self.addCleanup(daemon.dispose)
        with daemon.client() as client:
            client.store("user", "first", b"value")
        traffic = Traffic(daemon, lambda n: store("user", f"key-{n % 20}", f"value-{n}".encode()), RATE, 3_000).start()
        try:
            times = [self.away(door) for _ in range(options.sized(ROUNDS, SOAK_ROUNDS))]
        finally:
            traffic.stop()
        samples = traffic.samples
        for gone, back in times:
            failed = [each for each in samples if gone <= each.answered < back + BETWEEN and not each.reached]
            works = min(each.answered for each in samples if each.reached and each.answered >= back) - back
            last = max((each.answered for each in failed), default=back) - back
            print(f"  away for {back - gone:.2f} s: a Store works {works:.2f} s after, the last that failed {last:.2f} s "
                  f"after; {len(failed)} failed", flush=True)
            with self.subTest(gone=gone - times[0][0]):
                self.assertGreater(len(failed), 0, "it was not away")
                self.assertLess(works, RECOVERY)
                self.assertLess(last, RECOVERY)
        first = times[0][0]
        self.assertEqual([each for each in samples if each.answered < first and not each.reached], [])

    def away(self, door: Door) -> tuple[float, float]:
        """When it was gone, and when it was back."""
        time.sleep(BETWEEN)
        gone = time.time()
        door.shut()
        time.sleep(max(0, gone + AWAY - time.time()))
        door.open()
        back = time.time()
        time.sleep(RECOVERY + 1)
        return gone, back
