"""The vault of the daemon's own."""

import contextlib
import sqlite3
from pathlib import Path

from entry import Entry, Lack, refuses_settings
from harness import Daemon, Status, SystemTest


def is_alone(test: SystemTest) -> None:
    """Another host has records of its own, and another daemon on the same disk does not start."""
    daemon = test.host()
    with daemon.client() as client, test.host().client() as other:
        client.store("user", "mine", b"value")
        test.assert_fails(Status.NOT_FOUND, other.get, "user", "mine")
    second = Daemon(place=daemon.place)
    test.addCleanup(second.dispose)
    second.arguments = ["--socket", daemon.place.folder / "other", *daemon.arguments[2:]]
    second.spawn()
    test.assertNotEqual(second.process.wait(15), 0)


def refuses_strangers(test: SystemTest) -> None:
    """A database with a table of another program's does not start."""
    daemon = test.host()
    daemon.terminate()
    Embedded.query(daemon, "CREATE TABLE another (program TEXT)")
    daemon.spawn()
    test.assertNotEqual(daemon.process.wait(15), 0)
    test.assertIn("has other tables than this daemon makes", daemon.log_text())


def shows_writes(test: SystemTest) -> None:
    with test.host().client() as client:
        for number in range(100):
            client.store("lag", "c", b"%d" % number)
            test.assertEqual(client.get("lag", "c", max_age_ms=0).credential, b"%d" % number)


_NO_LOGIN = Lack("a file of the daemon's own, without a login", refuses_settings(
    "embedded", "auth: token", "token_file: /t", "user: u", "password_file: /p", "credentials_file: /c", "profile: p"))


class Embedded(Entry):
    name = "embedded"
    protocol = None
    names_the_unreadable = False
    lacks = {
        "network": Lack("no way to a server", refuses_settings(
            "embedded", "address: 'https://127.0.0.1:1'", "endpoint: 'https://127.0.0.1:1'", "url: 'postgresql://u@/d'")),
        "login": _NO_LOGIN,
        "expiring credentials": _NO_LOGIN,
        "hosts": Lack("one host, one daemon", is_alone),
        "lag": Lack("reads show the write before them", shows_writes),
        "others": Lack("refuses a database with another program's tables", refuses_strangers),
    }

    def start(self, folder: Path) -> None:
        """There is nothing to start."""

    def stop(self) -> None:
        """Nor to stop."""

    def section(self, port: int | None = None, **changes: object) -> dict[str, object]:
        return {"type": "embedded"} | changes

    def spoil(self, test: SystemTest, daemon: Daemon, user: str, connection: str) -> Daemon:
        """Names are hashes: the record is the one that changes at a Store."""
        daemon.terminate()
        before = self.versions(daemon)
        daemon.start()
        with daemon.client() as client:
            client.store(user, connection, b"again")
        daemon.terminate()
        (tag,) = [tag for tag, version in self.versions(daemon).items() if before[tag] != version]
        self.query(daemon, "UPDATE records SET payload = zeroblob(length(payload)) WHERE tag = ?", tag)
        return daemon.start()

    def versions(self, daemon: Daemon) -> dict[bytes, str]:
        return dict(self.query(daemon, "SELECT tag, version FROM records"))

    @staticmethod
    def query(daemon: Daemon, statement: str, *values: object) -> list[tuple]:
        """While the daemon does not run."""
        with contextlib.closing(sqlite3.connect(daemon.place.data / "vault-main.db")) as database:
            rows = database.execute(statement, values).fetchall()
            database.commit()
            return rows
