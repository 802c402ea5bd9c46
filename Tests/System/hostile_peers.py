"""Peers that are slow, silent, or too many."""

import os
import resource
import time

from harness import Client, Frame, Kind, Status, eventually, messages
from harness.client import cancel, encode
from harness.hostile import HostileTest, field


class Slowness(HostileTest):
    """Peers that hold on to what they have; the limits are one second here."""

    def cut_total(self) -> int:
        with self.served.client() as client:
            return client.stats()["connections_cut_total"]

    def assert_cut(self, client: Client, earliest: float, latest: float, since: float) -> None:
        """Others are served all the time until the daemon cuts this one."""
        cut_before = self.cut_total()
        slowest = 0.0
        while self.cut_total() == cut_before:
            started = time.monotonic()
            self.client.get("user", "c", max_age_ms=0)
            slowest = max(slowest, time.monotonic() - started)
            self.assertLess(time.monotonic() - since, latest, "it is not cut")
            time.sleep(0.02)
        self.assertGreaterEqual(time.monotonic() - since, earliest, "it is cut too early")
        self.assertLess(slowest, 0.5, "others waited for it")

    def test_slow_sender_is_cut(self) -> None:
        slow = self.connect()
        since = time.monotonic()
        slow.send(encode("Credentials/Get", b"x" * 100, 1)[:10])
        self.assert_cut(slow, 0.9, 3.5, since)
        self.assertIsNone(self.end_of(slow))

    def test_sender_of_one_byte_now_and_then_is_cut(self) -> None:
        slow = self.connect()
        since = time.monotonic()
        cut_before = self.cut_total()
        try:
            for byte in encode("Credentials/Get", b"x" * 100, 1):
                slow.send(bytes([byte]))
                time.sleep(0.2)
                self.assertLess(time.monotonic() - since, 4, "it is not cut")
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertEqual(self.cut_total(), cut_before + 1)

    def test_every_partial_input_is_cut_though_a_byte_comes_now_and_then(self) -> None:
        """Each state in which the daemon waits for the rest of something."""
        get = encode("Credentials/Get", field(1, b"user") + field(2, b"c"), 1)
        oversized = encode("Credentials/Get", b"", 1, length=1 << 30)
        endless = {
            "a length": b"\0" * 3,
            "a header": get[:20],
            "a payload": encode("Credentials/Get", b"", 1, length=1_000),
            "an oversized frame that is skipped": oversized,
            "an oversized frame behind a whole one": get + oversized,
            "an oversized frame behind a skipped one":
                encode("Credentials/Get", b"", 1, length=2 << 20) + bytes((2 << 20) - 20) + oversized,
            "a cancel": cancel(7)[:12],
            "text": b"GE",
            "TLS": b"\x16\x03\x01",
        }
        clients = {what: self.connect() for what in endless}
        for what, client in clients.items():
            client.send(endless[what])
            client.socket.settimeout(0.01)
        since = time.monotonic()
        while clients and time.monotonic() - since < 4:
            for what, client in list(clients.items()):
                if self.hangs_up(client, bytes(1) if len(endless[what]) >= 24 else b""):
                    self.assertGreaterEqual(time.monotonic() - since, 0.9, f"{what}: it is cut too early")
                    del clients[what]
            time.sleep(0.1)
        self.assertEqual(list(clients), [], "these are not cut")

    def hangs_up(self, client: Client, byte: bytes) -> bool:
        """Whether the daemon has closed, answers aside, when it gets one more byte."""
        try:
            client.send(byte)
            client.read()
        except TimeoutError:
            return False
        except BrokenPipeError:
            pass
        return True

    def test_sender_of_whole_frames_is_not_cut(self) -> None:
        """However slowly they come one after the other."""
        frame = encode("Credentials/Get", field(1, b"user") + field(2, b"c"), 1)
        for _ in range(4):
            self.client.send(frame[:30])
            time.sleep(0.5)
            self.assertEqual(self.exchange(frame[30:]).code, Status.OK)
            time.sleep(0.3)

    def test_silent_connection_is_not_cut(self) -> None:
        time.sleep(2.5)
        self.assert_goes_on()

    def test_client_that_never_reads_is_cut(self) -> None:
        self.client.store("user", "large", b"x" * 60_000)
        greedy = self.connect()
        greedy.socket.settimeout(0.3)
        get = encode("Credentials/Get", field(1, b"user") + field(2, b"large"), 1)
        before = self.served.resident_kib()
        since = time.monotonic()
        with self.assertRaises(TimeoutError, msg="the daemon reads on though nobody takes its answers"):
            for _ in range(10_000):
                greedy.send(get)
        self.assert_cut(greedy, 0.9, 4.5, since)
        self.assertLess(self.served.resident_kib() - before, 4 << 10, "it heaped up answers")

    def test_slow_reader_is_not_cut(self) -> None:
        """It takes its answers late, but takes them."""
        self.client.store("user", "large", b"x" * 60_000)
        slow = self.connect()
        slow.send(encode("Credentials/Get", field(1, b"user") + field(2, b"large"), 1) * 20)
        for _ in range(20):
            time.sleep(0.15)
            self.assertEqual(slow.response().code, Status.OK)

    def end_of(self, client: Client) -> Frame | None:
        client.socket.settimeout(2)
        return client.frame()


class Crowds(HostileTest):
    """More connections than there may be."""

    config = "limits:\n  connections: 20\nlog:\n  level: trace\n"

    def test_connection_too_many_is_told_so(self) -> None:
        eventually("who came before is gone", 5, lambda: self.client.stats()["connections"] == 1)
        others = [self.connect() for _ in range(19)]
        for client in others:
            self.assertTrue(client.health().serving)
        for _ in range(30):
            with self.served.client() as extra:
                frame = extra.frame()
                assert frame is not None
                self.assertEqual((frame.kind, frame.call_id), (Kind.GO_AWAY, 0))
                self.assert_refused(frame, Status.RESOURCE_EXHAUSTED, 41, "connections")
                self.assertEqual(frame.milliseconds, 1_000, "the advice when to come back")
                self.assertIsNone(extra.frame())
        self.assertTrue(others[0].health().serving, "those who were there are served on")
        self.assertEqual(others[0].stats()["connections_refused_total"], 30)
        for client in others:
            client.close()
        eventually("there is room again", 5, self.has_room)

    def has_room(self) -> bool:
        with self.served.client() as client:
            client.begin("Admin/Health", messages.admin.HealthRequest())
            frame = client.frame()
            return frame is not None and frame.code == Status.OK


class FewDescriptors(HostileTest):
    """Started under a low limit on open files: connections leave some for the daemon itself."""

    config = "log:\n  level: trace\n"
    descriptors = 100

    def test_connections_do_not_take_the_last_descriptor(self) -> None:
        stats = self.client.stats()
        limit = stats["limit_connections_per_uid"]
        self.assertLess(limit, stats["limit_connections"])
        self.assertLess(stats["limit_connections"], self.descriptors)
        crowd = [self.connect() for _ in range(3 * self.descriptors)]
        refused = [client for client in crowd[limit:] if client.frame() is not None]
        self.assertEqual(len(refused), len(crowd) - limit, "not all beyond the limit are told so")
        self.assertLess(self.served.descriptor_count(), self.descriptors)
        self.client.store("user", "c", self.canaries.new())
        for client in crowd:
            client.close()
        eventually("there is room again", 5, lambda: self.client.stats()["connections"] == 1)


class NoDescriptors(HostileTest):
    """The process has no descriptor left, which no limit of its own foresaw."""

    config = "log:\n  level: trace\n"

    def test_daemon_without_descriptors_serves_on_and_recovers(self) -> None:
        usual = resource.prlimit(self.served.pid, resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir(f"/proc/{self.served.pid}/fd"))
        resource.prlimit(self.served.pid, resource.RLIMIT_NOFILE, (highest + 20, usual[1]))
        self.addCleanup(lambda: resource.prlimit(self.served.pid, resource.RLIMIT_NOFILE, usual))
        crowd = [self.connect() for _ in range(300)]
        accepted = self.client.stats()["connections"]
        self.assertLess(accepted, 100, "it has not run out of descriptors")
        cpu, since = self.served.cpu_seconds(), time.monotonic()
        while time.monotonic() - since < 3:
            self.assertEqual(self.client.get("user", "c", max_age_ms=0).source, messages.credentials.SOURCE_VAULT)
            self.client.store("user", "c", self.canaries.new())
            time.sleep(0.05)
        self.assertLess(self.served.cpu_seconds() - cpu, 0.5, "it spins at the limit")
        for client in crowd:
            client.close()
        since = time.monotonic()
        with self.served.client() as client:
            self.assertTrue(client.health().serving)
        self.assertLess(time.monotonic() - since, 2.5, "it was slow to accept again")

    def test_client_that_gave_up_at_the_limit_leaves_no_spin(self) -> None:
        """The daemon cannot accept, and when it can again, nobody waits any more."""
        usual = resource.prlimit(self.served.pid, resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir(f"/proc/{self.served.pid}/fd"))
        resource.prlimit(self.served.pid, resource.RLIMIT_NOFILE, (highest + 9, usual[1]))
        self.addCleanup(lambda: resource.prlimit(self.served.pid, resource.RLIMIT_NOFILE, usual))
        crowd: list[Client] = []
        while self.served.descriptor_count() < highest + 9:
            crowd.append(self.connect())
            eventually("it is accepted", 2, lambda: self.client.stats()["connections"] == len(crowd) + 1)
            self.assertLessEqual(len(crowd), 50, "the limit is not reached")
        crowd.pop().close()
        eventually("one is gone", 2, lambda: self.client.stats()["connections"] == len(crowd) + 1)
        # It tries to accept at least once a second while it is at the limit.
        time.sleep(1.2)
        cpu, since = self.served.cpu_seconds(), time.monotonic()
        time.sleep(1)
        share = (self.served.cpu_seconds() - cpu) / (time.monotonic() - since)
        print(f"       descriptors: {share:.0%} of a processor behind the limit", flush=True)
        self.assertLess(share, 0.1, "it spins")
        with self.served.client(2) as client:
            self.assertTrue(client.health().serving, "it does not accept again")
