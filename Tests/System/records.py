"""What is stored comes back as it was, for as long as it should."""

import json
import os
import sqlite3
import time

from harness import Status, SystemTest, messages


SIZES = [1, 2, 63, 64, 65, 255, 256, 4095, 65535, 65536]


class Values(SystemTest):
    def test_every_size_comes_back_byte_for_byte_by_the_command_line(self) -> None:
        daemon = self.daemon()
        values = {size: os.urandom(size) for size in SIZES}
        for size, value in values.items():
            stored = daemon.coffer("store", "user", f"size{size}", stdin=value)
            self.assertEqual(stored.returncode, 0, stored.stderr)
        for origin in ("cache", "vault"):
            for size, value in values.items():
                with self.subTest(size=size, origin=origin):
                    got = daemon.coffer("get", "user", f"size{size}")
                    self.assertEqual(got.returncode, 0, got.stderr)
                    self.assertEqual(got.stdout, value)
            daemon.restart()

    def test_every_byte_value_comes_back(self) -> None:
        daemon = self.daemon()
        for value in (bytes(range(256)), b"\0", b"\n", b"line\n", b"\xff\xfe", b" trailing \r\n"):
            self.assertEqual(daemon.coffer("store", "user", "bytes", stdin=value).returncode, 0)
            self.assertEqual(daemon.coffer("get", "user", "bytes").stdout, value)

    def test_ids_that_look_alike_are_different_records(self) -> None:
        pairs = [("a:b", "c"), ("a", "b:c"), ("a/b", "c"), ("a", "b/c"), ("ab", "c"), ("a", "bc"),
                 ("A", "bc"), ("a", "Bc"), ("ä", "c"), ("a\u0308", "c"), ("a%3Ab", "c"), ("..", ".")]
        daemon = self.daemon()
        with daemon.client() as client:
            for number, (user, connection) in enumerate(pairs):
                client.store(user, connection, b"%d" % number)
        daemon.restart()
        with daemon.client() as client:
            for number, (user, connection) in enumerate(pairs):
                self.assertEqual(client.get(user, connection).credential, b"%d" % number, (user, connection))

    def test_labels_and_times_come_back(self) -> None:
        daemon = self.daemon()
        labels = {"team": "payments", "größe": "ümlaut", "empty": ""}
        before = int(time.time() * 1000)
        with daemon.client() as client:
            first = client.store("user", "labelled", b"1", labels={"old": "label"})
            second = client.store("user", "labelled", b"2", labels=labels)
        self.assertNotEqual(first.version, second.version)
        self.assertEqual(second.created_at_ms, first.created_at_ms)
        for _ in ("cache", "vault"):
            with daemon.client() as client:
                got = client.get("user", "labelled")
            self.assertEqual(dict(got.labels), labels)
            self.assertEqual(got.version, second.version)
            self.assertEqual(got.created_at_ms, first.created_at_ms)
            self.assertEqual(got.updated_at_ms, second.updated_at_ms)
            self.assertEqual(got.expires_at_ms, 0)
            self.assertTrue(before <= got.created_at_ms <= got.updated_at_ms <= int(time.time() * 1000) + 1)
            daemon.restart()

    def test_conditions(self) -> None:
        with self.daemon().client() as client:
            first = client.store("user", "c", b"1", if_absent=True)
            self.assert_fails(Status.ALREADY_EXISTS, client.store, "user", "c", b"2", if_absent=True)
            second = client.store("user", "c", b"2", if_version=first.version)
            self.assert_fails(Status.ABORTED, client.store, "user", "c", b"3", if_version=first.version)
            self.assert_fails(Status.ABORTED, client.delete, "user", "c", if_version=first.version)
            self.assertEqual(client.get("user", "c").credential, b"2")
            self.assertTrue(client.delete("user", "c", if_version=second.version))
            self.assert_fails(Status.ABORTED, client.store, "user", "c", b"4", if_version=second.version)
            client.store("user", "c", b"5", if_absent=True)
            self.assertEqual(client.get("user", "c").credential, b"5")

    def test_list_has_each_record_once_over_pages_and_no_value(self) -> None:
        daemon = self.daemon()
        names = {f"connection{number}" for number in range(257)}
        with daemon.client() as client:
            for name in names:
                client.store("user", name, b"value")
            client.store("somebody else", "connection", b"value")
            entries = client.list("user", page_size=100)
        self.assertEqual(len(entries), len(names))
        self.assertEqual({entry.connection_id for entry in entries}, names)
        self.assertEqual({entry.user_id for entry in entries}, {"user"})

    def test_get_many_answers_every_key_by_itself(self) -> None:
        with self.daemon().client() as client:
            for number in range(0, 256, 2):
                client.store("user", f"c{number}", bytes([number]) * 40_000)
            results = client.get_many([("user", f"c{number}") for number in range(256)])
            for number, result in enumerate(results):
                if number % 2 == 0:
                    self.assertEqual(result.record.credential, bytes([number]) * 40_000)
                else:
                    self.assertEqual(result.status, Status.NOT_FOUND)


class Deleting(SystemTest):
    def test_deleting_twice(self) -> None:
        daemon = self.daemon()
        with daemon.client() as client:
            client.store("user", "c", b"value")
            self.assertTrue(client.delete("user", "c"))
            self.assertFalse(client.delete("user", "c"))
            self.assert_fails(Status.NOT_FOUND, client.get, "user", "c")
        daemon.restart()
        with daemon.client() as client:
            self.assert_fails(Status.NOT_FOUND, client.get, "user", "c")
            self.assertFalse(client.delete("user", "c"))

    def test_deleting_by_the_command_line(self) -> None:
        daemon = self.daemon()
        daemon.coffer("store", "user", "c", stdin=b"value")
        existed = [json.loads(daemon.coffer("delete", "--json", "user", "c").stdout)["existed"] for _ in range(2)]
        self.assertEqual(existed, [True, False])
        self.assertEqual(daemon.coffer("get", "user", "c").returncode, Status.NOT_FOUND)


class Expiry(SystemTest):
    def test_record_ends_at_its_time_in_the_cache_and_in_the_vault(self) -> None:
        daemon = self.daemon()
        started = time.monotonic()
        self.assertEqual(daemon.coffer("store", "user", "short", "--ttl", 2, stdin=b"value").returncode, 0)
        with daemon.client() as client:
            got = client.get("user", "short")
            self.assertEqual(got.source, messages.credentials.SOURCE_MEMORY)
            self.assertLessEqual(abs(got.expires_at_ms - got.updated_at_ms - 2000), 1)
        self.assertEqual(daemon.coffer("get", "user", "short").stdout, b"value")
        time.sleep(max(0, started + 2.1 - time.monotonic()))
        self.assertEqual(daemon.coffer("get", "user", "short").returncode, Status.NOT_FOUND)
        daemon.restart()
        self.assertEqual(daemon.coffer("get", "user", "short").returncode, Status.NOT_FOUND)
        with daemon.client() as client:
            self.assertEqual(client.list("user"), [])
            self.assertFalse(client.delete("user", "short"), "an expired record is no live one")

    def test_record_lives_until_its_time(self) -> None:
        daemon = self.daemon()
        daemon.coffer("store", "user", "long", "--ttl", 60, stdin=b"value")
        daemon.restart()
        with daemon.client() as client:
            got = client.get("user", "long")
            self.assertEqual(got.source, messages.credentials.SOURCE_VAULT)
            self.assertLessEqual(abs(got.expires_at_ms - got.updated_at_ms - 60_000), 1)

    def test_expired_record_does_not_stand_in_the_way(self) -> None:
        with self.daemon().client() as client:
            client.store("user", "c", b"old", ttl_seconds=1)
            time.sleep(1.1)
            client.store("user", "c", b"new", if_absent=True)
            self.assertEqual(client.get("user", "c").credential, b"new")

    def test_cached_value_is_asked_for_again_after_the_configured_time(self) -> None:
        with self.daemon(config="cache:\n  ttl_seconds: 1\n").client() as client:
            client.store("user", "c", b"value")
            self.assertEqual(client.get("user", "c").source, messages.credentials.SOURCE_MEMORY)
            time.sleep(1.1)
            got = client.get("user", "c")
            self.assertEqual(got.source, messages.credentials.SOURCE_VAULT)
            self.assertFalse(got.stale)

    def test_maximum_age_asks_the_vault(self) -> None:
        with self.daemon().client() as client:
            client.store("user", "c", b"value")
            self.assertEqual(client.get("user", "c", max_age_ms=0).source, messages.credentials.SOURCE_VAULT)
            self.assertEqual(client.get("user", "c", max_age_ms=60_000).source, messages.credentials.SOURCE_MEMORY)


class Damage(SystemTest):
    def test_one_record_that_cannot_be_read_never_hides_the_others(self) -> None:
        daemon = self.daemon()
        with daemon.client() as client:
            for connection in ("a", "b", "c"):
                client.store("user", connection, b"x")
            version = {entry.connection_id: entry.version for entry in client.list("user")}["b"]
        daemon.terminate()
        with sqlite3.connect(daemon.place.data / "vault.db") as database:
            changed = database.execute("UPDATE records SET payload = x'00010203' WHERE version = ?", (version,))
            self.assertEqual(changed.rowcount, 1)
        database.close()
        daemon.start()
        with daemon.client() as client:
            for user in ("user", ""):
                for size in (0, 1, 2):
                    entries = client.list(user, page_size=size)
                    good = sorted(entry.connection_id for entry in entries if entry.status == 0)
                    self.assertEqual(good, ["a", "c"])
                    (bad,) = (entry for entry in entries if entry.status)
                    self.assertEqual((bad.status, bad.failure.reason), (Status.DATA_LOSS, 64))
                    self.assertEqual((bad.user_id, bad.connection_id, bad.version), (user, "", ""))
                    self.assertRegex(bad.failure.message, "the vault keeps it under [0-9a-f]{64}$")
            self.assert_fails(Status.DATA_LOSS, client.get, "user", "b")
        listed = daemon.coffer("list", "user")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertIn(b"\tDATA_LOSS\tthe stored record does not open", listed.stdout)
        self.assertEqual(len(listed.stdout.splitlines()), 3)
        entries = json.loads(daemon.coffer("list", "user", "--json").stdout)
        self.assertEqual(sorted(entry.get("status", "") for entry in entries), ["", "", "DATA_LOSS"])
