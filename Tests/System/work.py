"""Work that nobody waits for any more, and calls that wait."""

import threading
import time

from harness import CallFailed, Client, Status, SystemTest, options
from harness.client import cancel, encode
from harness.hostile import field
from harness.slow_vault import SlowVault


class Neighbour(threading.Thread):
    """A client that reads a record from the vault again and again, and notes how long that takes."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client
        self.took: list[float] = []
        self.fault: Exception | None = None
        self.is_over = threading.Event()

    def run(self) -> None:
        try:
            while not self.is_over.is_set():
                started = time.monotonic()
                self.client.get("user", "c", max_age_ms=0)
                self.took.append(time.monotonic() - started)
        except (CallFailed, OSError) as error:
            self.fault = error

    def end(self) -> None:
        self.is_over.set()
        self.join(30)


class CancelLoops(SystemTest):
    """One connection begins calls and cancels them: it costs little, and others are served."""

    KEY = field(1, b"user") + field(2, b"c")
    BATCH = 50

    def check(self, method: str, payload: bytes, count: int) -> None:
        daemon = self.daemon()
        with daemon.client(60) as loop, daemon.client() as other:
            other.store("user", "c", b"value")
            neighbour = Neighbour(other)
            before = daemon.resident_kib()
            peak = before
            neighbour.start()
            started = time.monotonic()
            try:
                for first in range(0, count, self.BATCH):
                    loop.send(b"".join(
                        encode(method, payload, first + number) + cancel(first + number) for number in range(self.BATCH)))
                    for _ in range(self.BATCH):
                        self.assertIn(
                            Status(loop.response().code),
                            (Status.OK, Status.CANCELLED, Status.RESOURCE_EXHAUSTED))
                    peak = max(peak, daemon.resident_kib())
            finally:
                neighbour.end()
            seconds = time.monotonic() - started
        self.assertIsNone(neighbour.fault)
        took = sorted(neighbour.took)
        print(
            f"       work: {count} {method} cancelled in {seconds:.1f} s: {before >> 10} to {peak >> 10} MiB; others' Gets "
            f"p99 {took[len(took) * 99 // 100] * 1000:.1f} ms, at most {took[-1] * 1000:.1f} ms", flush=True)
        self.assertLess(peak - before, 48 << 10, "memory has grown")
        self.assertLess(took[-1], 1, "others waited")

    def test_health(self) -> None:
        self.check("Admin/Health", b"", options.sized(20_000, 300_000))

    def test_get_many(self) -> None:
        keys = b"".join(field(1, field(1, b"user-%d" % n) + field(2, b"connection")) for n in range(256))
        self.check("Credentials/GetMany", keys + field(2, 0), options.sized(500, 10_000))

    def test_list(self) -> None:
        self.check("Credentials/List", field(1, b"user"), options.sized(10_000, 100_000))


class ManyWaiting(SystemTest):
    """A connection with as many waiting calls as it may have, before a vault that does not answer."""

    WAITING = 1_024

    def get(self, connection: bytes, call_id: int) -> bytes:
        return encode("Credentials/Get", field(1, b"user") + field(2, connection), call_id, 30_000)

    def test_cancels_hits_and_stats_pass_them_and_one_more_is_refused(self) -> None:
        vault = SlowVault()
        self.addCleanup(vault.close)
        daemon = self.daemon(
            env=vault.environment, config="vault:\n  timeout_ms: 60000\ncache:\n  negative_seconds: 30\n")
        client = daemon.client()
        self.addCleanup(client.close)
        self.assert_fails(Status.NOT_FOUND, client.get, "user", "free")
        client.send(b"".join(self.get(b"c-%d" % number, number) for number in range(self.WAITING)))
        client.send(self.get(b"another", 5_000))
        refused = client.response()
        self.assertEqual((refused.call_id, Status(refused.code)), (5_000, Status.RESOURCE_EXHAUSTED), refused.failure)
        self.assertEqual(refused.failure.reason, 41)
        self.assertGreater(refused.milliseconds, 0)
        memory = daemon.resident_kib()

        took: dict[str, list[float]] = {"cancel": [], "Stats": [], "cached Get": []}
        for number in range(200):
            started = time.monotonic()
            client.send(cancel(number))
            frame = client.response()
            took["cancel"].append(time.monotonic() - started)
            self.assertEqual((frame.call_id, Status(frame.code)), (number, Status.CANCELLED))
            started = time.monotonic()
            client.send(encode("Admin/Stats", b"", 6_000))
            frame = client.response()
            took["Stats"].append(time.monotonic() - started)
            self.assertEqual((frame.call_id, Status(frame.code)), (6_000, Status.OK))
            started = time.monotonic()
            client.send(self.get(b"free", 7_000))
            frame = client.response()
            took["cached Get"].append(time.monotonic() - started)
            self.assertEqual((frame.call_id, Status(frame.code)), (7_000, Status.NOT_FOUND))
            # Another takes the place, as long as there is one.
            client.send(self.get(b"c-%d" % number, number))
        for what, times in took.items():
            p99 = sorted(times)[len(times) * 99 // 100]
            print(f"       work: {what} past {self.WAITING} waiting Gets: p99 {p99 * 1000:.2f} ms", flush=True)
            self.assertLess(p99, 0.25)
        self.assertLess(daemon.resident_kib() - memory, 16 << 10)
        vault.release()
        answered = {client.response().call_id for _ in range(self.WAITING)}
        self.assertEqual(answered, set(range(self.WAITING)))
