"""How the daemon stops: nobody's request is lost, and nothing of it stays."""

import signal
import subprocess
import threading
import time

from harness import Client, Daemon, Kind, Status, SystemTest, eventually, messages, options
from harness.client import Truncated, encode
from harness.slow_vault import SlowVault


class LoadedClient(threading.Thread):
    """Keeps `depth` calls in flight, Get and Store by turns, until the daemon goes away."""

    def __init__(self, daemon: Daemon, number: int, depth: int, heeds_go_away: bool):
        super().__init__(daemon=True)
        self.client: Client = daemon.client(seconds=10)
        self.number = number
        self.depth = depth
        self.heeds_go_away = heeds_go_away
        self.in_flight: set[int] = set()
        self.statuses: dict[str, int] = {}
        self.acknowledged: dict[str, bytes] = {}
        self._writes: dict[int, tuple[str, bytes]] = {}
        self.saw_go_away = False
        self.can_send = True
        self.fault: str | None = None

    def run(self) -> None:
        try:
            while True:
                while self.can_send and len(self.in_flight) < self.depth:
                    self.send_one()
                if not self.in_flight and not self.can_send:
                    break
                frame = self.client.frame()
                if frame is None:
                    if self.in_flight:
                        self.fault = f"closed with {len(self.in_flight)} requests unanswered"
                    break
                self.take(frame)
        except Truncated as error:
            self.fault = f"a truncated frame: {error}"
        except Exception as error:
            self.fault = repr(error)
        finally:
            self.client.close()

    def send_one(self) -> None:
        call_id = self.client.next_id()
        name = f"c{call_id % 50}"
        if call_id % 4 == 0:
            value = b"%d/%d" % (self.number, call_id)
            method, request = "Credentials/Store", messages.credentials.StoreRequest(
                user_id=f"user{self.number}", connection_id=f"w{call_id}", credential=value)
            self._writes[call_id] = (f"w{call_id}", value)
        else:
            method, request = "Credentials/Get", messages.credentials.GetRequest(
                user_id="shared", connection_id=name)
        try:
            self.client.send(encode(method, request.SerializeToString(), call_id))
            self.in_flight.add(call_id)
        except (BrokenPipeError, ConnectionResetError):
            self.can_send = False

    def take(self, frame) -> None:
        if frame.kind == Kind.GO_AWAY:
            self.saw_go_away = True
            if self.heeds_go_away:
                self.can_send = False
            return
        assert frame.call_id in self.in_flight, f"an answer to {frame.call_id}, which is not in flight"
        self.in_flight.remove(frame.call_id)
        status = Status(frame.code).name
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status == "OK" and frame.call_id in self._writes:
            name, value = self._writes[frame.call_id]
            self.acknowledged[name] = value


class Stopping(SystemTest):
    def stop_under_load(self, heeds_go_away: bool) -> None:
        daemon = self.daemon()
        with daemon.client() as client:
            for number in range(50):
                client.store("shared", f"c{number}", b"value")
        clients = [LoadedClient(daemon, number, 8, heeds_go_away) for number in range(16)]
        for thread in clients:
            thread.start()
        time.sleep(0.5)
        started = time.monotonic()
        self.assertEqual(daemon.terminate(), 0)
        took = time.monotonic() - started
        for thread in clients:
            thread.join(10)
            self.assertFalse(thread.is_alive(), "a client still waits")
            self.assertIsNone(thread.fault)
            self.assertTrue(thread.saw_go_away)
            self.assertLessEqual(set(thread.statuses), {"OK", "UNAVAILABLE"})
        self.assertLess(took, 5)
        self.assertFalse(daemon.place.socket.exists(), "the socket file is still there")
        self.assertGreater(sum(thread.statuses.get("OK", 0) for thread in clients), 500, "there was no load")
        daemon.start()
        with daemon.client() as client:
            for thread in clients:
                for name, value in thread.acknowledged.items():
                    self.assertEqual(client.get(f"user{thread.number}", name).credential, value)

    def test_stop_under_load_answers_every_request(self) -> None:
        for round in range(options.sized(3, 30)):
            with self.subTest(round=round):
                self.stop_under_load(heeds_go_away=True)

    def test_stop_under_load_of_clients_that_do_not_heed_it(self) -> None:
        for round in range(options.sized(2, 20)):
            with self.subTest(round=round):
                self.stop_under_load(heeds_go_away=False)

    def test_idle_connection_gets_go_away_and_an_end(self) -> None:
        daemon = self.daemon()
        with daemon.client() as client:
            client.health()
            assert daemon.process is not None
            daemon.process.terminate()
            frame = client.frame()
            assert frame is not None
            self.assertEqual((frame.kind, frame.call_id, frame.code, frame.payload), (Kind.GO_AWAY, 0, 0, b""))
            refused = client.begin("Admin/Health", messages.admin.HealthRequest())
            frame = client.response()
            self.assertEqual((frame.call_id, Status(frame.code)), (refused, Status.UNAVAILABLE))
            self.assertTrue(frame.failure.retryable)
            self.assertIsNone(client.frame())
            self.assertEqual(daemon.process.wait(10), 0)

    def test_idle_connection_is_told_before_it_is_closed(self) -> None:
        """So a Store that crosses the end is answered, and one that comes later goes over another connection."""
        daemon = self.daemon(config="limits:\n  idle_seconds: 1s\n")
        with daemon.client() as client:
            client.health()
            frame = client.frame()
            assert frame is not None, "closed without a go-away"
            self.assertEqual((frame.kind, frame.call_id, frame.code, frame.payload), (Kind.GO_AWAY, 0, 0, b""))
            client.store("u", "c", b"crossed")
            self.assertEqual(client.get("u", "c").credential, b"crossed")
            # It is told again before the next end: a Store may cross that too.
            frame = client.frame()
            assert frame is not None, "closed without another go-away"
            self.assertEqual((frame.kind, frame.call_id, frame.code, frame.payload), (Kind.GO_AWAY, 0, 0, b""))
            client.store("u", "c", b"crossed again")
            self.assertEqual(client.get("u", "c").credential, b"crossed again")
            self.assertEqual([frame.kind for frame in iter(client.frame, None)], [Kind.GO_AWAY])
        eventually("it is in the log", 5, lambda: "closed an idle connection" in daemon.log_text())

    def test_stop_without_clients_is_quick(self) -> None:
        daemon = self.daemon()
        started = time.monotonic()
        self.assertEqual(daemon.terminate(), 0)
        self.assertLess(time.monotonic() - started, 1)
        self.assertFalse(daemon.place.socket.exists())

    def test_stop_does_not_wait_for_a_client_that_stays(self) -> None:
        daemon = self.daemon()
        with daemon.client():
            started = time.monotonic()
            self.assertEqual(daemon.terminate(), 0)
            self.assertLess(time.monotonic() - started, 5)

    def test_stop_waits_for_what_a_vault_has_in_hand(self) -> None:
        vault = SlowVault()
        self.addCleanup(vault.close)
        daemon = self.daemon(env=vault.environment)
        before = vault.reads
        with daemon.client() as client:
            client.begin("Credentials/Store", messages.credentials.StoreRequest(
                user_id="u", connection_id="c", credential=b"{}"), 60_000)
            eventually("the vault has the Store's first request", 10, lambda: vault.reads > before)
        daemon.process.terminate()
        with self.assertRaises(subprocess.TimeoutExpired, msg="it did not wait for a write that had begun"):
            daemon.process.wait(1.5)
        vault.release()
        self.assertEqual(daemon.process.wait(5), 0, daemon.log_text())

    def test_of_what_is_cut_off_only_a_write_may_have_happened(self) -> None:
        vault = SlowVault()
        self.addCleanup(vault.close)
        daemon = self.daemon(env=vault.environment)
        before = vault.reads
        with daemon.client() as client:
            key = {"user_id": "u", "connection_id": "c"}
            store = client.begin(
                "Credentials/Store", messages.credentials.StoreRequest(**key, credential=b"{}"), 60_000)
            get = client.begin("Credentials/Get", messages.credentials.GetRequest(**key), 60_000)
            eventually("the vault has a request of each", 10, lambda: vault.reads > before + 1)
            daemon.process.terminate()
            ends = {}
            while len(ends) < 2 and (frame := client.frame()) is not None:
                if frame.kind == Kind.RESPONSE:
                    ends[frame.call_id] = frame
            self.assertEqual({frame.code for frame in ends.values()}, {Status.UNAVAILABLE})
            self.assertEqual({frame.failure.reason for frame in ends.values()}, {messages.credentials.Failure.REASON_DRAINING})
            self.assertTrue(ends[store].failure.may_have_happened)
            self.assertTrue(ends[store].failure.message.endswith("; a write may have happened"))
            self.assertFalse(ends[get].failure.may_have_happened)
            self.assertNotIn("write", ends[get].failure.message)
        vault.release()
        self.assertEqual(daemon.process.wait(5), 0, daemon.log_text())

    def test_interrupt_stops_as_terminate_does(self) -> None:
        daemon = self.daemon()
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(daemon.process.wait(10), 0)

    def test_a_fault_ends_it_and_writes_no_memory_to_the_log(self) -> None:
        for fault in (signal.SIGSEGV, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT):
            daemon = self.daemon()
            with daemon.client() as client:
                client.store("user", "c", b"value")
            daemon.process.send_signal(fault)
            self.assertEqual(daemon.process.wait(10), -fault)
            text = daemon.log_text()
            self.assertIn("serving", text)
            for word in ("Backtrace", "Registers", "Crash", "0x0000"):
                self.assertNotIn(word, text)

    def test_hang_up_does_not_stop_it(self) -> None:
        daemon = self.daemon()
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        self.assertTrue(daemon.serves())
