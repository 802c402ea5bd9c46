"""Data and keys that do not belong together, or are not what they were."""

import os
import sqlite3
from pathlib import Path

from harness import Canaries, Daemon, Place, Status, run
from harness.start import CONFIGURATION, FAILURE, StartupTest


class DataFolder(StartupTest):
    def stored(self, **fields) -> Daemon:
        """A daemon that has stopped, with 200 records in its data folder."""
        daemon = self.running(**fields)
        with daemon.client() as client:
            for number in range(200):
                client.store("user", f"connection{number}", bytes([number % 251]) * 500)
        self.assertEqual(daemon.terminate(), 0)
        return daemon

    @property
    def database(self) -> Path:
        return self.place.data / "vault.db"

    def test_database_of_a_newer_version(self) -> None:
        self.stored()
        with sqlite3.connect(self.database) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
        self.assert_refused(self.start(), CONFIGURATION, self.database, "99", "newer")

    def test_database_of_another_program(self) -> None:
        self.stored()
        self.database.unlink()
        database = sqlite3.connect(self.database)
        database.execute("CREATE TABLE poems (line TEXT)")
        database.commit()
        database.close()
        self.database.chmod(0o600)
        before = self.database.read_bytes()
        self.assert_refused(self.start(), CONFIGURATION, self.database, "no Coffer database")
        self.assertEqual(self.database.read_bytes(), before)

    def test_damaged_database(self) -> None:
        self.stored()
        size = self.database.stat().st_size
        self.assertGreater(size, 50_000)
        with open(self.database, "r+b") as file:
            for page in range(2, size // 4096, 3):
                file.seek(page * 4096)
                file.write(os.urandom(64))
        self.assert_refused(self.start(), FAILURE, self.database, "damaged", "backup")

    def test_truncated_database(self) -> None:
        self.stored()
        os.truncate(self.database, self.database.stat().st_size // 2)
        self.assert_refused(self.start(), FAILURE, self.database, "damaged", "backup")

    def test_file_that_is_no_database(self) -> None:
        self.stored()
        self.database.write_bytes(b"precious" * 1000)
        self.assert_refused(self.start(), FAILURE, self.database, "damaged")
        self.assertEqual(self.database.read_bytes(), b"precious" * 1000)

    def test_wrong_passphrase(self) -> None:
        canaries = Canaries()
        right, wrong = canaries.new().decode(), canaries.new().decode()
        self.stored(env={"CREDENTIAL_ENCRYPTION_KEY": right})
        message = self.assert_refused(
            self.start(env={"CREDENTIAL_ENCRYPTION_KEY": wrong}), CONFIGURATION, "key")
        self.assertEqual(canaries.find(message.encode()), [])

    def test_wrong_key_file(self) -> None:
        self.stored(env={"COFFER_KEY_FILE": str(self.key_file("right"))})
        ended = self.start(env={"COFFER_KEY_FILE": str(self.key_file("wrong"))})
        self.assert_refused(ended, CONFIGURATION, "key ring", "does not open")

    def test_key_ring_of_another_database(self) -> None:
        self.stored()
        other = Place()
        self.addCleanup(other.remove)
        with Daemon(place=other) as daemon:
            daemon.terminate()
        for name in ("keyring", "root.key"):
            (other.data / name).replace(self.place.data / name)
        self.assert_refused(self.start(), CONFIGURATION, "other keys")

    def test_database_of_another_environment(self) -> None:
        self.stored(env={"COFFER_ENV": "staging"})
        self.assert_refused(self.start(), CONFIGURATION, "staging", "development")

    def key_file(self, name: str, content: bytes | None = None, mode: int = 0o600) -> Path:
        path = self.place.folder / f"{name}.key"
        path.write_bytes(os.urandom(32) if content is None else content)
        path.chmod(mode)
        return path

    def test_key_file_open_to_others(self) -> None:
        path = self.key_file("open", mode=0o644)
        self.assert_refused(
            self.start(env={"COFFER_KEY_FILE": str(path)}), CONFIGURATION, path, "0644", "chmod 0600")

    def test_login_files_open_to_others(self) -> None:
        """Tokens and secret ids are refused like keys, when they are read."""
        path = self.key_file("login", b"s.token", mode=0o644)
        for auth in (f"token-file, token_file: {path}", f"approle, role_id: r, secret_id_file: {path}"):
            with self.subTest(auth=auth):
                config = f'vaults: {{there: {{type: vault, address: "https://127.0.0.1:1", auth: {auth}}}}}'
                daemon = self.daemon(config=config)
                with daemon.client() as client:
                    failed = self.assert_fails(Status.FAILED_PRECONDITION, client.get, "u", "c")
                for word in (str(path), "0644", "chmod 0600"):
                    self.assertIn(word, str(failed))

    def test_key_file_of_the_wrong_size(self) -> None:
        path = self.key_file("short", b"x" * 31)
        self.assert_refused(
            self.start(env={"COFFER_KEY_FILE": str(path)}), CONFIGURATION, path, "32 bytes", "31")

    def test_key_file_that_is_not_there(self) -> None:
        path = self.place.folder / "absent.key"
        self.assert_refused(self.start(env={"COFFER_KEY_FILE": str(path)}), CONFIGURATION, path)

    def test_two_keys_given(self) -> None:
        self.key_file("a")
        config = f"key:\n  file: {self.key_file('a')}\n  passphrase_file: {self.key_file('b')}\n"
        self.assert_refused(self.start(config=config), CONFIGURATION, "key.file", "key.passphrase_file")

    def test_database_open_to_others(self) -> None:
        self.stored()
        self.database.chmod(0o644)
        self.assert_refused(self.start(), CONFIGURATION, self.database, "0644")

    def test_data_of_another_live_daemon(self) -> None:
        first = self.running()
        other = self.place.folder / "s2"
        ended = run("cofferd", "--socket", other, "--data", self.place.data)
        self.assert_refused(ended, FAILURE, self.place.data, "in use")
        self.assertTrue(first.serves())
        self.assertFalse(other.exists(), "the daemon that gave way left its socket")

    def test_data_folder_that_cannot_be_made(self) -> None:
        (self.place.folder / "file").write_text("")
        ended = run("cofferd", "--socket", self.place.socket, "--data", self.place.folder / "file" / "data")
        self.assertNotEqual(ended.returncode, 0)
        self.assert_refused(ended, ended.returncode, self.place.folder / "file")
