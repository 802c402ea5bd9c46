"""Clients that do not read, and clients that do not finish: what the daemon keeps for them has an end."""

import resource
import socket
import threading
import time
from collections import Counter
from pathlib import Path

from harness import CallFailed, Client, Daemon, Status, SystemTest, eventually, messages, options
from harness.client import cancel, encode

#: What the daemon's memory stays under, in KiB: the MemoryMax that such a unit may have.
ROOM = 256 << 10
#: What others wait at the 99th percentile, in seconds: of a release build on a machine with nothing else to do. Records
#: that come from the vault are opened, encoded and sealed for the cache between the others' calls.
PATIENCE, PATIENCE_PAST_CACHE = 0.005, 0.03
#: The same of a debug build; and how many times as long as without hogs, where the machine is busy.
DEBUG_PATIENCE, BUSY = 0.25, 3
LARGE = 60_000
RECORDS = 40


class Buffers(SystemTest):
    stall = "limits:\n  write_stall_seconds: 2\n  frame_seconds: 2\n  call_ms: 3000\n"

    def setUp(self) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.served = self.daemon(config=self.stall)
        self.healthy = self.served.client()
        self.addCleanup(self.healthy.close)
        for number in range(RECORDS):
            self.healthy.store("user", f"large{number}", bytes([number]) * LARGE)
        self.healthy.store("user", "small", b"value")
        self.undisturbed = self.p99([self.ask() for _ in range(500)])
        self.hogs: list[socket.socket] = []
        self.addCleanup(self.close_hogs)

    def close_hogs(self) -> None:
        for hog in self.hogs:
            hog.close()

    def hog(self, data: bytes, count: int) -> None:
        """So many clients that send this, as much of it as the daemon takes, and never read."""
        for _ in range(count):
            hog = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.hogs.append(hog)
            hog.settimeout(15)
            hog.connect(str(self.served.place.socket))
            hog.setblocking(False)
            try:
                hog.send(data)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                pass

    def ask(self) -> float:
        """Seconds that a cached Get of a healthy client takes."""
        began = time.monotonic()
        self.assertEqual(self.healthy.get("user", "small").credential, b"value")
        took = time.monotonic() - began
        time.sleep(0.002)
        return took

    @staticmethod
    def p99(times: list[float]) -> float:
        return sorted(times)[len(times) * 99 // 100]

    def peak_kib(self) -> int:
        for line in Path(f"/proc/{self.served.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        raise AssertionError("the daemon is dead")

    def calm(self) -> tuple[float, float, int]:
        """Gets of a healthy client until nothing waits for the hogs: the 99th percentile and the most in seconds, and the
        peak of memory."""
        times, started = [], time.monotonic()
        while True:
            times.append(self.ask())
            self.assertLess(self.peak_kib(), ROOM, "it heaps up what nobody reads")
            passed = time.monotonic() - started
            if passed > 2.5 and self.left()[1:] == (0, 0):
                break
            if passed > 25:
                self.fail(f"calls and bytes still wait: {self.left()}")
        self.assertGreater(self.healthy.stats()["connections_cut_total"], 0, "who does not read is not cut")
        return self.p99(times), max(times), self.peak_kib()

    def get_many(self, **fields) -> bytes:
        keys = [messages.credentials.Key(user_id="user", connection_id=f"large{n % RECORDS}") for n in range(256)]
        return messages.credentials.GetManyRequest(keys=keys, **fields).SerializeToString()

    def assert_calm(self, what: str, patience: float = PATIENCE) -> None:
        p99, most, peak = self.calm()
        print(
            f"       {what}: others' p99 {p99 * 1e3:.2f} ms, at most {most * 1e3:.1f} ms, undisturbed p99 "
            f"{self.undisturbed * 1e3:.2f} ms; peak {peak / 1024:.0f} MiB", flush=True)
        self.assert_soon(p99, patience)
        self.assertLess(most, 1, "somebody waited for those who do not read")

    def assert_soon(self, p99: float, patience: float) -> None:
        bound = max(patience if options.is_release else DEBUG_PATIENCE, BUSY * self.undisturbed)
        self.assertLess(p99, bound, "others wait for those who do not read")

    def test_unread_answers_of_4096_get_manys(self) -> None:
        """Each answer is 15 MB, all together are 60 GB."""
        calls = b"".join(encode("Credentials/GetMany", self.get_many(), number) for number in range(32))
        self.hog(calls, 128)
        self.assert_calm("128 connections with 32 GetManys each")
        results = self.healthy.get_many([("user", f"large{n % RECORDS}") for n in range(256)])
        self.assertEqual([len(result.record.credential) for result in results], [LARGE] * 256)

    def test_unread_answers_that_the_vault_is_asked_for(self) -> None:
        calls = b"".join(encode("Credentials/GetMany", self.get_many(max_age_ms=0), number) for number in range(32))
        self.hog(calls, 32)
        self.assert_calm("32 connections with 32 GetManys each, past the cache", PATIENCE_PAST_CACHE)

    def test_thousands_of_calls_whose_clients_go(self) -> None:
        calls = b"".join(encode("Credentials/GetMany", self.get_many(max_age_ms=0), number) for number in range(32))
        for _ in range(4):
            self.hog(calls, 64)
            self.close_hogs()
            self.hogs.clear()
        times = []
        started = time.monotonic()
        while self.left() != (1, 0, 0) or len(times) < 500:
            times.append(self.ask())
            self.assertLess(time.monotonic() - started, 25, f"calls and bytes still wait: {self.left()}")
        print(
            f"       256 connections with 32 GetManys each that go: others' p99 {self.p99(times) * 1e3:.2f} ms, "
            f"undisturbed p99 {self.undisturbed * 1e3:.2f} ms", flush=True)
        self.assert_soon(self.p99(times), PATIENCE_PAST_CACHE)

    def test_unread_answers_on_a_connection_each(self) -> None:
        self.hog(encode("Credentials/GetMany", self.get_many(), 1), options.sized(700, 4_000))
        self.assert_calm("connections with a GetMany each")

    def test_unread_gets(self) -> None:
        gets = b"".join(
            encode("Credentials/Get", messages.credentials.GetRequest(
                user_id="user", connection_id=f"large{number % RECORDS}").SerializeToString(), number)
            for number in range(100))
        self.hog(gets, 300)
        self.assert_calm("300 connections with 100 Gets each")

    def test_frames_that_nobody_finishes(self) -> None:
        self.hog(encode("Credentials/Store", b"", 1, length=1_000_000) + bytes(150_000), 500)
        for hog in self.hogs:
            hog.setblocking(True)
            hog.settimeout(0.05)
        for _ in range(5):
            for hog in self.hogs:
                try:
                    hog.send(bytes(150_000))
                except (TimeoutError, BrokenPipeError, ConnectionResetError):
                    pass
        self.assert_calm("500 connections with most of a frame each")

    def test_a_get_many_that_is_read_comes_whole_however_slowly(self) -> None:
        with self.served.client() as slow:
            call = slow.begin("Credentials/GetMany", messages.credentials.GetManyRequest.FromString(self.get_many()), 60_000)
            found = 0
            for frame in slow.responses(call):
                found += len(messages.credentials.GetManyResponse.FromString(frame.payload).results)
                time.sleep(0.02)
            self.assertEqual(found, 256)
        self.assertLess(self.peak_kib(), ROOM)

    def test_a_get_many_whose_client_goes_leaves_nothing(self) -> None:
        self.hog(encode("Credentials/GetMany", self.get_many(), 1), 20)
        eventually("they are accepted", 5, lambda: self.healthy.stats()["connections"] == 21)
        self.close_hogs()
        eventually("nothing is left of them", 5, lambda: self.left() == (1, 0, 0))

    def test_a_get_many_that_is_cancelled_ends(self) -> None:
        with self.served.client() as client:
            call = client.begin("Credentials/GetMany", messages.credentials.GetManyRequest.FromString(self.get_many()))
            client.send(cancel(call))
            while (frame := client.response()).more:
                pass
            self.assertEqual(frame.code, Status.CANCELLED)
            self.assertTrue(client.health().serving)
            eventually("nothing is left of it", 5, lambda: self.left() == (2, 0, 0))

    def left(self) -> tuple[int, int, int]:
        stats = self.healthy.stats()
        return stats["connections"], stats["calls_waiting"], stats["buffered_bytes"]


def many(count: int, **fields):
    """A GetMany of so many large records."""
    return messages.credentials.GetManyRequest(
        keys=[messages.credentials.Key(user_id="user", connection_id=f"large{n % RECORDS}") for n in range(count)], **fields)


class PromptReaders(SystemTest):
    """Clients that read at once get all of a GetMany past the cache, however many do and however large the records are: no
    connection is closed for it, and no call refused."""

    def check(self, limits: str, bytes_each: int, clients: int, calls: int = 1) -> None:
        daemon = self.daemon(config=f"limits: {{{limits}}}\n")
        with daemon.client() as client:
            for number in range(RECORDS):
                client.store("user", f"large{number}", bytes([number]) * bytes_each)
        outcomes: Counter[str] = Counter()
        end = time.monotonic() + options.sized(3, 10)
        readers = [
            threading.Thread(target=self.read, args=(daemon, bytes_each, calls, end, outcomes)) for _ in range(clients)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(120)
        self.assertEqual(set(outcomes), {"whole"}, outcomes)
        self.assertGreaterEqual(outcomes["whole"], clients * calls)
        self.assertNotIn("closed a", daemon.log_text())
        with daemon.client() as client:
            eventually("nothing is left of them", 5, lambda: client.stats()["buffered_bytes"] == 0)

    def read(self, daemon: Daemon, bytes_each: int, calls: int, end: float, outcomes: Counter[str]) -> None:
        try:
            with daemon.client(60) as client:
                while True:
                    self.read_once(client, bytes_each, calls)
                    outcomes["whole"] += calls
                    if time.monotonic() > end:
                        return
        except (AssertionError, CallFailed, OSError) as error:
            outcomes[f"{type(error).__name__}: {error}"] += 1

    def read_once(self, client: Client, bytes_each: int, calls: int) -> None:
        """Begins so many calls and reads their answers as they come."""
        found = {client.begin("Credentials/GetMany", many(RECORDS, max_age_ms=0), 60_000): 0 for _ in range(calls)}
        open_calls = set(found)
        while open_calls:
            frame = client.response()
            if frame.code != Status.OK:
                raise CallFailed(frame)
            for result in messages.credentials.GetManyResponse.FromString(frame.payload).results:
                assert len(result.record.credential) == bytes_each, f"a key failed: {result.failure.message}"
                found[frame.call_id] += 1
            if not frame.more:
                open_calls.remove(frame.call_id)
        assert set(found.values()) == {RECORDS}, found

    def test_the_largest_records(self) -> None:
        self.check("credential_bytes: 1MiB", 1_000 << 10, clients=2)

    def test_the_largest_records_of_calls_on_one_connection(self) -> None:
        self.check("credential_bytes: 1MiB", 1_000 << 10, clients=1, calls=3)

    def test_large_records_and_little_room(self) -> None:
        self.check("credential_bytes: 256KiB, buffered_bytes_per_uid: 8MiB", 250 << 10, clients=8)

    def test_many_clients_and_little_room(self) -> None:
        self.check("buffered_bytes_per_uid: 4MiB", LARGE, clients=24)


class StalledElsewhere(SystemTest):
    """Connections that read nothing keep no others of their uid from being served, whichever reactor has which of them."""

    def check(self, requests: list[bytes], stalled: int, filled: int) -> None:
        """Others are served soon after so many connections have sent these requests, once so many bytes wait."""
        daemon = self.daemon(config="reactors: 2\nlimits: {buffered_bytes_per_uid: 4MiB}\n")
        # Connections go to the reactors in turn: every other one is on the first.
        clients = [daemon.client() for _ in range(2 * stalled + 4)]
        for client in clients:
            self.addCleanup(client.close)
        watch = clients[0]
        for number in range(RECORDS):
            watch.store("user", f"large{number}", bytes([number]) * LARGE)
        for client in clients[4::2]:
            client.send(b"".join(requests))
        eventually("their answers wait", 5, lambda: watch.stats()["buffered_bytes"] >= filled)
        # A second until they count as stalled, one until they are looked for, and some for a busy machine; far less than
        # limits.write_stall_seconds.
        time.sleep(4)
        for client in (clients[1], clients[2]):
            self.assertEqual(len(client.get_many([("user", f"large{n}") for n in range(8)])), 8)

    def test_answers_to_get_manys(self) -> None:
        calls = [encode("Credentials/GetMany", many(64).SerializeToString(), number, 60_000) for number in range(4)]
        self.check(calls, stalled=14, filled=1 << 21)

    def test_answers_to_gets(self) -> None:
        gets = [encode("Credentials/Get", messages.credentials.GetRequest(
            user_id="user", connection_id=f"large{number}").SerializeToString(), number) for number in range(12)]
        self.check(gets, stalled=16, filled=7 << 19)
