"""What is lost, old or somebody else's among key ring, root key, data folder and database: refused, or said."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from harness import CallFailed, Place
from harness.start import CONFIGURATION, StartupTest

#: Nobody listens there: the start asks no vault.
REMOTE = {"VAULT_TYPE": "vault", "VAULT_ADDR": "https://127.0.0.1:9", "VAULT_TOKEN": "a-token"}
DERIVED = "no key ring was there: made it from the root key"
EMPTY = "no database was there: made an empty one"
FIRST = "first start in this data folder: made the key ring and an empty database"


def generator():
    """Tests/Vectors/generate.py, which makes rings as earlier versions did: with random keys."""
    path = Path(__file__).resolve().parents[1] / "Vectors/generate.py"
    spec = importlib.util.spec_from_file_location("vectors", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Row(NamedTuple):
    """A start after something has happened to a place that was in use."""

    what: str
    #: Done to the place.
    change: Callable[["KeyLoss"], object]
    #: What the start says, by type of vault: a refusal in one line, or a line of the log of one that serves.
    refused: dict[str, tuple[str, ...]] = {}
    said: dict[str, tuple[str, ...]] = {}
    #: With this root key; None = the one that it had.
    key: str | None = None
    #: Without a key: production says the same whatever was lost.
    keyless: bool = False
    flags: tuple[str, ...] = ()
    #: Whether the record from before is read, where it starts with an embedded vault.
    reads: bool = True


BOTH = ("embedded", "vault")
SEALED_ELSEWHERE = ("other keys than those in the key ring", "bring back the key ring")
#: Nothing is brought back that was never there.
NO_RING = ("other keys than those of the root key (", "there is no key ring; bring back the root key")
ROWS = [
    Row("nothing happened", lambda test: None, said={name: () for name in BOTH}),
    Row("the ring is absent", lambda test: test.lose("keyring"), said={name: (DERIVED,) for name in BOTH}),
    Row("the ring is one of an earlier version", lambda test: test.old_ring(),
        refused={"embedded": SEALED_ELSEWHERE}, said={"vault": ()}),
    Row("the ring is another host's", lambda test: test.foreign("keyring"),
        refused={name: ("keyring", "does not open with this key") for name in BOTH}),
    Row("the root key is absent", lambda test: None, keyless=True,
        refused={name: ("no root key is configured", "keyring needs the one that it was made with") for name in BOTH}),
    Row("the root key and the ring are absent", lambda test: test.lose("keyring"), keyless=True,
        refused={"embedded": ("no root key is configured", "vault.db needs the one that it was made with")},
        said={"vault": ("the daemon made it: copy",)}),
    Row("the root key is another", lambda test: None, key="other",
        refused={name: ("keyring", "does not open with this key") for name in BOTH}),
    Row("the root key is another and the ring is absent", lambda test: test.lose("keyring"), key="other",
        refused={"embedded": NO_RING}, said={"vault": (DERIVED, "do not open")}),
    Row("the database is absent", lambda test: test.lose("vault.db"), said={"vault": ()},
        refused={"embedded": ("vault.db is missing", "restore it from a backup", "--new-database")}),
    Row("the database is absent, and may be", lambda test: test.lose("vault.db"), flags=("--new-database",),
        said={"embedded": (EMPTY,), "vault": ()}, reads=False),
    Row("the database is another host's", lambda test: test.foreign("vault.db"), said={"vault": ()},
        refused={"embedded": SEALED_ELSEWHERE}),
    Row("the database and the ring are absent", lambda test: test.lose("vault.db", "keyring"),
        said={"embedded": (FIRST,), "vault": (DERIVED,)}, reads=False),
    Row("the data folder is absent", lambda test: shutil.rmtree(test.place.data),
        said={"embedded": (FIRST,), "vault": (DERIVED,)}, reads=False),
    Row("the data folder is another host's", lambda test: test.foreign("keyring", "vault.db"),
        refused={name: ("keyring", "does not open with this key") for name in BOTH}),
    Row("the data folder belongs to somebody else", lambda test: test.give_away(),
        refused={name: ("belongs to uid 12345",) for name in BOTH}),
]


class KeyLoss(StartupTest):
    time_limit = 100

    def setUp(self) -> None:
        self.folders = Place()
        self.addCleanup(self.folders.remove)
        self.keys = {name: self.folders.folder / f"{name}.key" for name in ("right", "other", "foreign")}
        for path in self.keys.values():
            path.write_bytes(os.urandom(32))
            path.chmod(0o600)

    def variables(self, vault: str, production: bool, key: str | None) -> dict[str, str]:
        given = {"COFFER_KEY_FILE": str(self.keys[key])} if key else {}
        # Of one environment: another one would be the reason for a refusal.
        return given | (REMOTE if vault == "vault" else {}) | {"COFFER_ENV": "production" if production else "staging"}

    def in_use(self, vault: str, key: str) -> Path:
        """Folders by environment: a daemon was there and has left what it had."""
        kept = self.folders.folder / f"{vault}-{key}"
        for production in (False, True):
            self.place = Place()
            try:
                daemon = self.running(env=self.variables(vault, production, key))
                if vault == "embedded":
                    with daemon.client() as client:
                        client.store("u", "c", b"value")
                self.assertEqual(daemon.terminate(), 0)
                shutil.copytree(self.place.data, kept / str(production))
            finally:
                self.place.remove()
        return kept

    # What can happen

    def lose(self, *names: str) -> None:
        for name in names:
            (self.place.data / name).unlink(missing_ok=True)

    def foreign(self, *names: str) -> None:
        for name in names:
            if name == "keyring" or (self.place.data / name).exists():
                shutil.copy(self.theirs / str(self.production) / name, self.place.data / name)

    def old_ring(self) -> None:
        make = generator()
        term = (1, 1, 1_700_000_000_000, b"first", os.urandom(32))
        plaintext = make.ring_plaintext([term], base=os.urandom(32))
        root = self.keys["right"].read_bytes()
        (self.place.data / "keyring").write_bytes(
            make.ring_file(make.preamble(0, 0, 0, 0, os.urandom(32)), root, plaintext))

    def give_away(self) -> None:
        os.chown(self.place.data, 12345, -1)
        os.chown(self.place.data / "keyring", 12345, -1)

    # The table

    def test_each_loss_is_refused_or_said(self) -> None:
        self.used = {vault: self.in_use(vault, "right") for vault in BOTH}
        self.theirs = self.in_use("embedded", "foreign")
        for row in ROWS:
            for vault in BOTH:
                for production in (False, True):
                    with self.subTest(row.what, vault=vault, production=production):
                        self.production = production
                        self.place = Place()
                        try:
                            shutil.copytree(self.used[vault] / str(production), self.place.data)
                            row.change(self)
                            self.check(row, vault, production)
                        finally:
                            self.place.remove()

    def check(self, row: Row, vault: str, production: bool) -> None:
        env = self.variables(vault, production, None if row.keyless else row.key or "right")
        refused = row.refused.get(vault)
        if row.keyless and production:
            refused = ("no root key is configured, and production never generates one",)
        before = self.contents()
        if refused:
            self.assert_refused(self.start(*row.flags, env=env), CONFIGURATION, *refused)
            self.assertEqual(self.contents(), before, "a start that was refused left something, or changed it")
            return
        daemon = self.running(*row.flags, env=env)
        try:
            for words in row.said[vault]:
                self.assertIn(words, daemon.log_text())
            if not row.said[vault]:
                self.assertNotIn("made", daemon.log_text().split("socket ")[0])
            if vault == "embedded":
                self.check_records(daemon, row)
        finally:
            daemon.dispose()

    def check_records(self, daemon, row: Row) -> None:
        with daemon.client() as client:
            try:
                self.assertEqual(client.get("u", "c").credential, b"value")
                self.assertTrue(row.reads)
            except CallFailed as failed:
                self.assertFalse(row.reads, failed)
            client.store("u", "new", b"another")
            self.assertEqual(client.get("u", "new", max_age_ms=0).credential, b"another")

    def contents(self) -> dict[str, bytes]:
        """Of the data folder; locks and logs come and go."""
        if not self.place.data.exists():
            return {}
        return {path.name: path.read_bytes() for path in self.place.data.iterdir()
                if not path.name.endswith((".lock", "-wal", "-shm"))}

    # What a start says of a key that it made

    def test_what_is_said_of_a_made_key_can_be_followed(self) -> None:
        self.place = Place()
        self.addCleanup(self.place.remove)
        remote = {"VAULT_TYPE": "vault", "VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "t"}
        daemon = self.running(env=remote)
        root = self.place.data / "root.key"
        self.assertIn(f"copy {root} to a safe place", daemon.log_text())
        self.assertEqual(daemon.terminate(), 0)
        copy = self.folders.folder / "copy.key"
        shutil.copy(root, copy)
        self.assert_refused(
            self.start(env=remote | {"CREDENTIAL_ENCRYPTION_KEY": "correct horse battery staple"}), CONFIGURATION,
            "unset the passphrase", "root.key")
        for env in (remote, remote | {"COFFER_KEY_FILE": str(copy)}):
            self.place.log.unlink()
            self.assertEqual(self.running(env=env).terminate(), 0)
        # Another host.
        self.place = Place()
        self.addCleanup(self.place.remove)
        daemon = self.running(env=remote | {"COFFER_KEY_FILE": str(copy)})
        self.assertNotIn("copy ", daemon.log_text())
        self.assertFalse((self.place.data / "root.key").exists())

    # Passphrases, and what starts do in the end

    def test_a_start_without_the_passphrase_leaves_no_key(self) -> None:
        self.place = Place()
        self.addCleanup(self.place.remove)
        daemon = self.running(env={"CREDENTIAL_ENCRYPTION_KEY": "correct horse battery staple"})
        self.assertEqual(daemon.terminate(), 0)
        self.assert_refused(self.start(), CONFIGURATION, "no root key is configured", "CREDENTIAL_ENCRYPTION_KEY")
        self.assertFalse((self.place.data / "root.key").exists())

    def test_a_line_end_at_the_end_of_a_passphrase_does_not_count(self) -> None:
        """Wherever it comes from; and what an earlier version made of it still opens."""
        self.place = Place()
        self.addCleanup(self.place.remove)
        words = "correct horse battery staple"
        file = self.folders.folder / "passphrase"
        file.touch(mode=0o600)
        given = [{"CREDENTIAL_ENCRYPTION_KEY": words + end} for end in ("", "\n", "\r\n")]
        for end in ("", "\n", "\r\n"):
            with self.subTest(end=end):
                file.write_bytes((words + end).encode())
                given_now = [given.pop(0), {"CREDENTIAL_ENCRYPTION_KEY_FILE": str(file)}]
                for env in given_now:
                    daemon = self.running(env=env)
                    with daemon.client() as client:
                        client.store("u", "c", b"value")
                    self.assertEqual(daemon.terminate(), 0)
        self.assert_refused(
            self.start(env={"CREDENTIAL_ENCRYPTION_KEY": words + "\n\n"}), CONFIGURATION, "does not open with this key")
        self.old_passphrase_ring(words + "\r\n")
        self.lose("vault.db")
        self.place.log.unlink()
        daemon = self.running("--new-database", env={"CREDENTIAL_ENCRYPTION_KEY": words + "\r\n"})
        self.assertNotIn(DERIVED, daemon.log_text())
        self.assertEqual(daemon.terminate(), 0)
        self.assert_refused(
            self.start(env={"CREDENTIAL_ENCRYPTION_KEY": words}), CONFIGURATION, "does not open with this key")

    def old_passphrase_ring(self, passphrase: str) -> None:
        """As it was made when a line end in a variable counted."""
        make = generator()
        salt = os.urandom(32)
        root = make.Scrypt(salt, 32, 1 << 15, 8, 1).derive(passphrase.encode())
        term = (1, 1, 1_700_000_000_000, b"first", os.urandom(32))
        (self.place.data / "keyring").write_bytes(
            make.ring_file(make.preamble(1, 15, 8, 1, salt), root, make.ring_plaintext([term], base=os.urandom(32))))
