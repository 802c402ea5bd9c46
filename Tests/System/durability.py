"""What was acknowledged survives SIGKILL at any moment."""

import hashlib
import random
import shutil
import sqlite3
import threading
import time
from pathlib import Path

from harness import Client, Daemon, Place, Status, SystemTest, eventually, messages, options
from harness.client import Truncated, encode
from harness.history import Record, value_of

CONNECTIONS = 4
KEYS_PER_CONNECTION = 64
DEPTH = 16


class Writer(threading.Thread):
    """Stores and deletes over one connection, at most one call in flight for each key, until it breaks."""

    def __init__(self, client: Client, number: int, record: Record, seed: str):
        super().__init__(daemon=True)
        self.client = client
        self.number = number
        self.record = record
        self.random = random.Random(seed)
        self.idle_keys = [f"k{number}.{index}" for index in range(KEYS_PER_CONNECTION)]
        self.in_flight: dict[int, str] = {}
        self.fault: str | None = None

    def run(self) -> None:
        try:
            while True:
                while len(self.in_flight) < DEPTH:
                    self.send_one()
                self.take_one()
        except (ConnectionError, Truncated):
            pass  # the kill
        except Exception as error:
            self.fault = repr(error)
        finally:
            self.client.close()

    def send_one(self) -> None:
        key = self.idle_keys.pop(self.random.randrange(len(self.idle_keys)))
        if self.random.random() < 0.75:
            operation = self.record.intent("S", key)
            method, request = "Credentials/Store", messages.credentials.StoreRequest(
                user_id="durable", connection_id=key, credential=value_of(operation, key))
        else:
            operation = self.record.intent("D", key)
            method, request = "Credentials/Delete", messages.credentials.DeleteRequest(
                user_id="durable", connection_id=key)
        self.in_flight[operation] = key
        self.client.send(encode(method, request.SerializeToString(), operation))

    def take_one(self) -> None:
        frame = self.client.response()
        key = self.in_flight.pop(frame.call_id)
        assert frame.code == Status.OK, f"a write was answered {Status(frame.code).name}: {frame.failure.message}"
        self.record.answer(frame.call_id)
        self.idle_keys.append(key)


class Durability(SystemTest):
    time_limit = 300

    def setUp(self) -> None:
        self.place = Place()
        self.addCleanup(self.place.remove)
        self.vault_daemon = Daemon(place=self.place)
        self.addCleanup(self.vault_daemon.dispose)

    def test_acknowledged_writes_survive_kills(self) -> None:
        writes, kills = options.sized(10_000, 200_000), options.sized(50, 1_000)
        seed = random.SystemRandom().getrandbits(32)
        print(f"       durability: seed {seed}, {writes} acknowledged writes, {kills} kills", flush=True)
        dice = random.Random(seed)
        record = Record(self.place.folder / "record")
        daemon = self.vault_daemon.start()
        longest_start = 0.0
        for kill in range(kills):
            target = (kill + 1) * writes // kills + dice.randint(-100, 100)
            self.write_until_killed(daemon, record, target, dice, f"{seed}/{kill}")
            if kill % 10 == 9:
                self.kill_during_start(daemon, dice)
            started = time.monotonic()
            daemon.start()
            longest_start = max(longest_start, time.monotonic() - started)
            self.compare(daemon, record)
        self.write_until_killed(daemon, record, writes, dice, f"{seed}/last")
        self.examine_copy()
        daemon.start()
        self.compare(daemon, record)
        self.assertEqual(daemon.terminate(), 0)
        self.assert_intact(self.place.data / "vault.db")
        print(f"       durability: {record.acknowledged} acknowledged, longest start {longest_start:.3f} s", flush=True)
        self.assertGreaterEqual(record.acknowledged, writes)

    def write_until_killed(
        self, daemon: Daemon, record: Record, target: int, dice: random.Random, seed: str
    ) -> None:
        """Writes until `target` writes in all are acknowledged and some moment more has passed."""
        writers = [
            Writer(daemon.client(), number, record, f"{seed}/{number}") for number in range(CONNECTIONS)]
        for writer in writers:
            writer.start()
        end = time.monotonic() + 60
        while record.acknowledged < target and any(writer.is_alive() for writer in writers):
            self.assertLess(time.monotonic(), end, "the writes do not come forward")
            time.sleep(0.0005)
        time.sleep(dice.random() * 0.005)
        daemon.kill()
        for writer in writers:
            writer.join(20)
            self.assertFalse(writer.is_alive(), "a writer did not notice the kill")
            self.assertIsNone(writer.fault)
        record.sync()

    def kill_during_start(self, daemon: Daemon, dice: random.Random) -> None:
        daemon.spawn()
        time.sleep(dice.random() * 0.06)
        daemon.kill()

    def compare(self, daemon: Daemon, record: Record) -> None:
        """Every key has a value that it may have; from now on it must keep that."""
        possible = record.possible()
        keys = sorted(possible)
        with daemon.client() as client:
            results = [
                result for start in range(0, len(keys), 256)
                for result in client.get_many([("durable", key) for key in keys[start:start + 256]])]
        for key, result in zip(keys, results):
            allowed = possible[key]
            if result.status == Status.NOT_FOUND:
                found = None
            else:
                self.assertEqual(result.status, Status.OK, f"{key}: {result.failure.message}")
                value = result.record.credential
                self.assertEqual(hashlib.sha256(value[32:]).digest(), value[:32], f"{key} is torn")
                operation, named, _ = value[32:].split(b" ", 2)
                self.assertEqual(named.decode(), key, "the value of another key")
                found = int(operation)
            self.assertIn(
                found, allowed,
                f"{key} has the value of operation {found}, expected one of {allowed} (None = nothing)")
            record.seen(key, found)

    def examine_copy(self) -> None:
        """The database as the kill left it, log and all, seen by another SQLite."""
        copy = self.place.folder / "copy"
        shutil.copytree(self.place.data, copy)
        self.assert_intact(copy / "vault.db")
        shutil.rmtree(copy)

    def assert_intact(self, path: Path) -> None:
        database = sqlite3.connect(path)
        try:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        finally:
            database.close()

    def test_the_checker_finds_what_it_looks_for(self) -> None:
        record = Record(self.place.folder / "record")
        stored = record.intent("S", "k")
        record.answer(stored)
        lost = record.intent("D", "k")
        self.assertEqual(record.possible(), {"k": {stored, None}})
        record.seen("k", stored)
        self.assertEqual(record.possible(), {"k": {stored}})
        record.answer(lost)
        self.assertEqual(record.possible(), {"k": {None}})
        daemon = self.vault_daemon.start()
        with daemon.client() as client:
            client.store("durable", "k", value_of(stored, "k"))
            with self.assertRaisesRegex(AssertionError, f"operation {stored}, expected one of"):
                self.compare(daemon, record)
            torn = bytearray(value_of(99, "k"))
            torn[-1] ^= 1
            client.store("durable", "k", bytes(torn))
            with self.assertRaisesRegex(AssertionError, "torn"):
                self.compare(daemon, record)


class Writing(SystemTest):
    def test_store_is_on_disk_when_it_is_answered(self) -> None:
        """Killed right after the answer, again and again; no other write comes after it."""
        daemon = self.daemon()
        for number in range(options.sized(5, 100)):
            with daemon.client() as client:
                client.store("user", "c", b"%d" % number)
                daemon.kill()
            daemon.start()
            with daemon.client() as client:
                self.assertEqual(client.get("user", "c").credential, b"%d" % number)

    def test_client_that_leaves_does_not_undo_its_store(self) -> None:
        daemon = self.daemon()
        with daemon.client() as client:
            client.begin("Credentials/Store", messages.credentials.StoreRequest(
                user_id="user", connection_id="left", credential=b"value"))
        with daemon.client() as client:
            eventually("the store of a client that has left is carried out", 5,
                       lambda: client.get_many([("user", "left")])[0].status == Status.OK)
