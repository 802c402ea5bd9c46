"""Many clients at once, and callers that may not."""

import json
import os
import resource
import signal
import time
import traceback
from multiprocessing import get_context

from harness import CallFailed, Client, Daemon, Kind, Status, SystemTest, eventually, messages, options
from harness.client import encode

FOREIGN_UID = 4_242


def raise_descriptor_limit() -> int:
    """The limit of this process after it: as high as it goes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Herd(SystemTest):
    CLIENTS = 1000

    def setUp(self) -> None:
        self.limit = raise_descriptor_limit()
        self.daemon_ = self.daemon("--reactors", 4, descriptors=min(self.limit, 4096))

    def ask_at_once(self, clients: list[Client], user: str, connection: str) -> list:
        """All requests wait in the sockets while the daemon stands still; then it goes on."""
        request = encode("Credentials/Get", messages.credentials.GetRequest(
            user_id=user, connection_id=connection).SerializeToString(), 1)
        os.kill(self.daemon_.pid, signal.SIGSTOP)
        try:
            for client in clients:
                client.send(request)
        finally:
            os.kill(self.daemon_.pid, signal.SIGCONT)
        return [client.response() for client in clients]

    def test_one_cold_key_is_one_vault_read_however_many_ask(self) -> None:
        keys = [f"c{number}" for number in range(options.sized(40, 500))]
        with self.daemon_.client() as admin:
            for key in keys:
                admin.store("user", key, key.encode() * 10)
        self.daemon_.restart()
        clients = [self.daemon_.client() for _ in range(self.CLIENTS)]
        try:
            for key in keys:
                before = self.stats()
                for frame in self.ask_at_once(clients, "user", key):
                    self.assertEqual(frame.code, Status.OK)
                    response = messages.credentials.GetResponse.FromString(frame.payload)
                    self.assertEqual(response.credential, key.encode() * 10)
                after = self.stats()
                self.assertEqual(after["vault_calls_total"] - before["vault_calls_total"], 1, key)
        finally:
            for client in clients:
                client.close()

    def test_absent_key_is_read_seldom_however_many_ask(self) -> None:
        """What is not there is not kept in memory: who asks when a read is over begins another."""
        clients = [self.daemon_.client() for _ in range(self.CLIENTS)]
        try:
            before = self.stats()
            for frame in self.ask_at_once(clients, "user", "absent"):
                self.assertEqual(frame.code, Status.NOT_FOUND)
            reads = self.stats()["vault_calls_total"] - before["vault_calls_total"]
            self.assertLessEqual(reads, self.CLIENTS // 10)
        finally:
            for client in clients:
                client.close()

    def test_leader_that_goes_does_not_take_the_others_along(self) -> None:
        with self.daemon_.client() as admin:
            admin.store("user", "c", b"value")
        self.daemon_.restart()
        clients = [self.daemon_.client() for _ in range(50)]
        request = encode("Credentials/Get", messages.credentials.GetRequest(
            user_id="user", connection_id="c").SerializeToString(), 1)
        os.kill(self.daemon_.pid, signal.SIGSTOP)
        try:
            for client in clients:
                client.send(request)
            clients[0].close()
        finally:
            os.kill(self.daemon_.pid, signal.SIGCONT)
        for client in clients[1:]:
            self.assertEqual(client.response().code, Status.OK)
            client.close()

    def stats(self) -> dict[str, int]:
        with self.daemon_.client() as client:
            return client.stats()


class Connections(SystemTest):
    IDLE = 5000
    #: What one idle connection may cost the daemon, in KiB of resident memory.
    MEMORY = 8

    def test_idle_connections_cost_little_and_slow_nobody(self) -> None:
        limit = raise_descriptor_limit()
        self.assertGreaterEqual(limit, self.IDLE + 500, "the hard limit of open files (ulimit -Hn) is too low here")
        daemon = self.daemon(
            descriptors=limit, config=f"limits: {{connections_per_uid: {self.IDLE + 500}}}\n")
        with daemon.client() as client:
            client.store("user", "c", b"value")
            for _ in range(1000):
                client.get("user", "c")
            before = daemon.resident_kib()
            idle: list[Client] = []
            try:
                for _ in range(self.IDLE):
                    idle.append(daemon.client())
                eventually("all are accepted", 20, lambda: client.stats()["connections"] == self.IDLE + 1)
                for one in idle[::10]:  # some have spoken before they fell idle
                    self.assertEqual(one.get("user", "c").credential, b"value")
                cost = (daemon.resident_kib() - before) / self.IDLE
                print(f"       scale: {cost:.2f} KiB for each of {self.IDLE} idle connections", flush=True)
                self.assertLessEqual(cost, self.MEMORY)
                started = time.monotonic()
                for _ in range(100):
                    self.assertEqual(client.get("user", "c").credential, b"value")
                    client.get("user", "c", max_age_ms=0)
                self.assertLess(time.monotonic() - started, 2)
                with daemon.client() as late:
                    self.assertEqual(late.get("user", "c").credential, b"value")
            finally:
                for one in idle:
                    one.close()
            eventually("all are gone", 20, lambda: client.stats()["connections"] == 1)

    def test_coming_and_going_leaks_nothing(self) -> None:
        daemon = self.daemon()
        rounds = options.sized(20_000, 500_000)
        with daemon.client() as client:
            client.store("user", "c", b"value")

        def come_and_go(count: int) -> None:
            for number in range(count):
                with daemon.client() as client:
                    if number % 10 == 0:
                        client.get("user", "c")

        come_and_go(2000)
        descriptors, memory = daemon.descriptor_count(), daemon.resident_kib()
        come_and_go(rounds)
        eventually("no descriptor more than before", 10, lambda: daemon.descriptor_count() <= descriptors)
        self.assertLess(daemon.resident_kib() - memory, 4 << 10, "memory has leaked")
        with daemon.client() as client:
            eventually("none is counted any more", 10, lambda: client.stats()["connections"] == 1)
            self.assertGreaterEqual(client.stats()["connections_accepted_total"], rounds)


def as_foreigner(path: str, report) -> None:
    """In a child: tries everything as another user, and reports what came of it."""
    try:
        os.setgroups([])
        os.setgid(FOREIGN_UID)
        os.setuid(FOREIGN_UID)
        report.send(attempts(path))
    except BaseException:
        report.send(traceback.format_exc())


def crowd_as_foreigner(path: str, report) -> None:
    """In a child: 200 connections that stay open as long as they may, each with the start of a large frame."""
    try:
        os.setgroups([])
        os.setgid(FOREIGN_UID)
        os.setuid(FOREIGN_UID)
        crowd, told = [], {}
        for _ in range(200):
            client = Client(path, 10)
            crowd.append(client)
            try:
                client.send(encode("Credentials/Get", b"", 1, length=1 << 20) + bytes(50_000))
            except (BrokenPipeError, ConnectionResetError):
                pass
        for client in crowd:
            frame = client.frame()
            status = Status(frame.code).name if frame is not None and frame.kind == Kind.GO_AWAY else "served"
            told[status] = told.get(status, 0) + 1
        report.send(told)
    except BaseException:
        report.send(traceback.format_exc())


def attempts(path: str) -> dict[str, str]:
    outcome = {}
    for name, call in {
        "Get": lambda client: client.get("user", "c"),
        "Get fresh": lambda client: client.get("user", "c", max_age_ms=0),
        "Get absent": lambda client: client.get("user", "absent"),
        "Get bad id": lambda client: client.get("", "c"),
        "Store": lambda client: client.store("user", "c", b"mine"),
        "Store absent": lambda client: client.store("user", "absent", b"mine", if_absent=True),
        "Delete": lambda client: client.delete("user", "c"),
        "GetMany": lambda client: client.get_many([("user", "c"), ("user", "absent")]),
        "List": lambda client: client.list("user"),
        "List all": lambda client: client.list(""),
        "Health": lambda client: client.health(),
        "Stats": lambda client: client.stats(),
        "Invalidate": lambda client: client.invalidate(all=True),
    }.items():
        try:
            with Client(path, 5) as client:
                call(client)
                outcome[name] = "OK"
        except CallFailed as error:
            outcome[name] = error.status.name
        except PermissionError:
            return {"connect": "refused"}
    return outcome


class Strangers(SystemTest):
    """Callers of another uid. Needs root, to become one."""

    def ask(self, daemon: Daemon) -> dict[str, str]:
        self.assertEqual(os.geteuid(), 0, "run the tests as root: this one becomes another user")
        daemon.place.folder.chmod(0o711)
        ours, theirs = get_context("fork").Pipe()
        child = get_context("fork").Process(target=as_foreigner, args=(str(daemon.place.socket), theirs))
        child.start()
        try:
            self.assertTrue(ours.poll(20), "the other user is not answered")
            outcome = ours.recv()
        finally:
            child.kill()
            child.join(10)
        self.assertIsInstance(outcome, dict, outcome)
        return outcome

    def test_another_uid_is_denied_everything(self) -> None:
        daemon = self.daemon(config="socket_mode: 0666\nlog:\n  level: trace\n")
        with daemon.client() as client:
            client.store("user", "c", b"value")
            outcome = self.ask(daemon)
            self.assertEqual(len(outcome), 13)
            self.assertEqual(set(outcome.values()), {"PERMISSION_DENIED"}, outcome)
            denials = [line for line in daemon.log_text().splitlines() if f'"uid":"{FOREIGN_UID}"' in line]
            self.assertTrue(any('"level":"warning"' in line and "denied" in line for line in denials), "a denial is not logged")
            self.assertEqual(client.get("user", "c").credential, b"value")
            self.assertEqual(len(client.list("user")), 1)
            stats = client.stats()
            self.assertEqual(stats["connections_denied_total"], 13)
            self.assertEqual(stats["calls_total"], 5, "it was listened to")

    def test_connections_of_another_uid_take_nothing_from_ours(self) -> None:
        """However many it opens: each is closed at once, before anything that it sends is looked at."""
        daemon = self.daemon(config="socket_mode: 0666\nlimits:\n  connections: 40\n")
        daemon.place.folder.chmod(0o711)
        ours, theirs = get_context("fork").Pipe()
        child = get_context("fork").Process(target=crowd_as_foreigner, args=(str(daemon.place.socket), theirs))
        child.start()
        try:
            self.assertTrue(ours.poll(30), "the other user is not done")
            self.assertEqual(ours.recv(), {"PERMISSION_DENIED": 200})
            with daemon.client() as client:
                self.assertTrue(client.health().serving)
                stats = client.stats()
                self.assertEqual((stats["connections"], stats["calls_malformed_total"]), (1, 0))
            self.assertLess(daemon.log_text().count("denied a connection"), 20, "it fills the log")
        finally:
            child.kill()
            child.join(10)

    def test_another_uid_cannot_connect_by_default(self) -> None:
        self.assertEqual(self.ask(self.daemon()), {"connect": "refused"})
