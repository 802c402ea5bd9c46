"""Work that nobody waits for any more, and calls that wait."""

import socket
import sys
import threading
import time

from harness import CallFailed, Client, Status, SystemTest, eventually, options
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

    IDS = range(10_000, 11_000)
    #: At the 99th percentile, in seconds: of a release build, and of a debug build.
    PATIENCE = {"cached Get": (0.002, 0.25), "cancel": (0.010, 0.25), "Stats": (0.010, 0.25), "Health": (0.010, 0.25)}

    def setUp(self) -> None:
        # The vault is a thread of this process: what is measured is not to wait for Python's lock, 5 ms by default.
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(0.0001)
        self.vault = SlowVault()
        self.addCleanup(self.vault.close)
        self.served = self.daemon(
            env=self.vault.environment, config="vault:\n  timeout_ms: 60000\ncache:\n  negative_seconds: 30\n")
        self.client = self.served.client()
        self.addCleanup(self.client.close)
        self.assert_fails(Status.NOT_FOUND, self.client.get, "user", "free")
        alone = [self.exchange(self.get(b"free", 7_000), 7_000, Status.NOT_FOUND) for _ in range(300)]
        self.undisturbed = sorted(alone)[297]

    def exchange(self, frame: bytes, call_id: int, status: Status) -> float:
        """Seconds until the answer, which is to be the next one."""
        started = time.monotonic()
        self.client.send(frame)
        answer = self.client.response()
        took = time.monotonic() - started
        self.assertEqual((answer.call_id, Status(answer.code)), (call_id, status))
        return took

    def health(self, call_id: int) -> float:
        """Seconds until Health has said that the vault is silent, and for how long."""
        started = time.monotonic()
        self.client.send(encode("Admin/Health", b"", call_id))
        answer = self.client.response()
        took = time.monotonic() - started
        self.assertEqual((answer.call_id, Status(answer.code)), (call_id, Status.OK))
        self.assertRegex(answer.payload, rb"the vault has not answered for \d+s;")
        return took

    def check(self, took: dict[str, list[float]], waiting: int) -> None:
        """
        The best of three parts counts: another guest of the machine's host slows one, the daemon slows all. A machine on
        which a cached Get takes long while nothing waits gives the others as much more.
        """
        for what, times in took.items():
            size = len(times) // 3
            parts = [sorted(times[start:start + size])[size * 99 // 100] for start in range(0, 3 * size, size)]
            told = ", ".join(f"{part * 1000:.2f}" for part in parts)
            print(f"       work: {what} past {waiting} waiting Gets: p99 {told} ms", flush=True)
            limit = max(self.PATIENCE[what][0 if options.is_release else 1], 4 * self.undisturbed)
            self.assertLess(min(parts), limit, f"{what}; undisturbed {self.undisturbed * 1000:.2f} ms")

    def test_what_needs_no_vault_passes_a_thousand_waiting_gets(self) -> None:
        """Before a vault that never answers."""
        self.client.send(b"".join(self.get(b"c-%d" % number, number) for number in self.IDS))
        with self.served.client() as other:
            eventually("they wait", 10, lambda: other.stats()["calls_waiting"] >= 1_000)
        memory = self.served.resident_kib()
        took: dict[str, list[float]] = {"cached Get": [], "cancel": [], "Stats": [], "Health": []}
        self.assertLess(self.health(4_000), 1.5, "Health waits for the vault")
        for number in self.IDS[:600]:
            took["cached Get"].append(self.exchange(self.get(b"free", 7_000), 7_000, Status.NOT_FOUND))
            took["cancel"].append(self.exchange(cancel(number), number, Status.CANCELLED))
            took["Stats"].append(self.exchange(encode("Admin/Stats", b"", 6_000), 6_000, Status.OK))
            took["Health"].append(self.health(4_000))
            # Another takes its place.
            self.client.send(self.get(b"c-%d" % number, number))
        self.check(took, 1_000)
        self.assertLess(self.served.resident_kib() - memory, 16 << 10)
        self.client.send(b"".join(self.get(b"d-%d" % number, 20_000 + number) for number in range(24)))
        refusal = self.exchange(self.get(b"another", 5_000), 5_000, Status.RESOURCE_EXHAUSTED)
        self.assertLess(refusal, 1, "the 1,025th is not refused at once")

    def test_cancels_hits_and_stats_pass_them_and_one_more_is_refused(self) -> None:
        client = self.client
        client.send(b"".join(self.get(b"c-%d" % number, number) for number in range(self.WAITING)))
        client.send(self.get(b"another", 5_000))
        refused = client.response()
        self.assertEqual((refused.call_id, Status(refused.code)), (5_000, Status.RESOURCE_EXHAUSTED), refused.failure)
        self.assertEqual(refused.failure.reason, 41)
        self.assertGreater(refused.milliseconds, 0)
        memory = self.served.resident_kib()

        took: dict[str, list[float]] = {"cancel": [], "Stats": [], "cached Get": []}
        for number in range(600):
            took["cancel"].append(self.exchange(cancel(number), number, Status.CANCELLED))
            took["Stats"].append(self.exchange(encode("Admin/Stats", b"", 6_000), 6_000, Status.OK))
            took["cached Get"].append(self.exchange(self.get(b"free", 7_000), 7_000, Status.NOT_FOUND))
            # Another takes the place, as long as there is one.
            client.send(self.get(b"c-%d" % number, number))
        self.check(took, self.WAITING)
        self.assertLess(self.served.resident_kib() - memory, 16 << 10)
        self.vault.release()
        answered = {client.response().call_id for _ in range(self.WAITING)}
        self.assertEqual(answered, set(range(self.WAITING)))
        with self.served.client() as other:
            self.assertTrue(other.health().vaults[0].reachable, "Health does not notice that the vault is back")


class GetManyBehindAHungVault(SystemTest):
    """One vault of two never answers; calls for its records hold up no call that needs the other, or none."""

    def setUp(self) -> None:
        self.vault = SlowVault()
        self.addCleanup(self.vault.close)
        self.served = self.daemon(config=f"""
vaults:
  hung: {{type: vault, address: "http://127.0.0.1:{self.vault.port}", auth: token}}
  local: {{type: embedded}}
routes:
  - {{user: "hung-*", vault: hung}}
  - {{vault: local}}
""", env={"VAULT_TOKEN": "token"})
        with self.served.client() as client:
            for number in range(5):
                client.store("ann", f"c-{number}", b"value")

    def assert_cached_is_answered(self, client: Client) -> None:
        started = time.monotonic()
        self.assertEqual(client.get_many([("ann", "c-0")])[0].status, Status.OK)
        self.assertLess(time.monotonic() - started, 1)

    def test_all_else_is_answered_before_the_deadline(self) -> None:
        keys = [("hung-1", "c"), *(("ann", f"c-{number}") for number in range(5)), ("hung-2", "c")]
        with self.served.client() as client:
            started = time.monotonic()
            results = client.get_many(keys, timeout=2_000)
            self.assertLess(time.monotonic() - started, 2)
        statuses = [result.status for result in results]
        self.assertEqual(statuses, [Status.DEADLINE_EXCEEDED, *[Status.OK] * 5, Status.DEADLINE_EXCEEDED])

    def test_a_batch_on_the_same_connection_is_answered(self) -> None:
        with self.served.client() as other, self.served.client(60) as client:
            for number in range(8):
                other.begin_get_many([(f"hung-{number}", "c")], 20_000)
            eventually("they wait", 5, lambda: client.stats()["calls_waiting"] == 8)
            started = time.monotonic()
            other.begin_get_many([("ann", "c-0")], 5_000)
            self.assertEqual(Status(other.response().code), Status.OK)
            self.assertLess(time.monotonic() - started, 1)

    def test_batches_of_others_are_answered(self) -> None:
        waiting = [self.served.client(60) for _ in range(60)]
        for number, client in enumerate(waiting):
            self.addCleanup(client.close)
            for more in range(4):
                client.begin_get_many([(f"hung-{number}", f"c-{more}")], 20_000)
        with self.served.client() as other:
            eventually("they wait", 10, lambda: other.stats()["calls_waiting"] == 240)
            self.assert_cached_is_answered(other)


class HangingUp(SystemTest):
    """A client that has sent more than its part of a turn, and says that it sends no more."""

    CALLS = 4_000

    def test_what_was_sent_before_the_end_is_answered(self) -> None:
        daemon = self.daemon()
        request = field(1, b"user") + field(2, b"absent")
        with daemon.client() as client:
            sent = b"".join(encode("Credentials/Get", request, number) for number in range(1, self.CALLS + 1))

            def send() -> None:
                client.socket.sendall(sent)
                client.socket.shutdown(socket.SHUT_WR)

            sender = threading.Thread(target=send)
            sender.start()
            answered = set()
            while (frame := client.frame()) is not None:
                answered.add(frame.call_id)
            sender.join(15)
        self.assertEqual(answered, set(range(1, self.CALLS + 1)))
