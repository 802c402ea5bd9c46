"""What the suite of a hard life knows of a kind of vault: one class for each, in entries/."""

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faults import FaultyTap
from harness import Daemon, Status, SystemTest
from harness.start import CONFIGURATION


@dataclass
class Lack:
    """Why a row does not apply to a vault, and the assertion that it is so."""

    reason: str
    holds: Callable[[SystemTest], None]


@dataclass
class Refusal:
    """A daemon that its vault refuses, and how that is mended."""

    section: dict[str, object]
    status: Status
    #: What error and advice have to say.
    words: str
    mend: Callable[[], None]
    #: The daemon has to be told to read its files again.
    reloads: bool = False

    def repair(self, daemon: Daemon) -> None:
        self.mend()
        if self.reloads:
            daemon.process.send_signal(signal.SIGHUP)


class Cluster:
    """Several nodes of a vault."""

    section: dict[str, object]
    env: dict[str, str] = {}

    def strike(self) -> None:
        """Kills the node that all depends on."""
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError


class Entry:
    """One kind of vault. Servers are started in `start`, and stopped in any case by `stop`."""

    #: As the tables have it.
    name = ""
    #: In whose terms a client talks to it; none = it has no server.
    protocol: str | None = "HTTP"
    #: Where its server listens.
    port = 0
    #: A folder with ca.pem, server.pem and server.key, if it speaks TLS from the first byte on.
    certificates: Path | None = None
    #: Of the daemon.
    env: dict[str, str] = {}
    #: What rows may need and this vault has not: "network", "http", "login", "expiring credentials", "hosts", "nodes",
    #: "lag", "others".
    lacks: dict[str, Lack] = {}
    #: Of calls that fail by these faults, where it is not what the faults say.
    statuses: dict[str, frozenset[Status]] = {}
    #: What the doctor says of refused credentials, and of a missing right.
    advice: dict[Status, str] = {}
    #: What takes the place of a sealed record that somebody has damaged.
    garbage = '{"coffer":"coffer1:AAAA"}'
    #: Reads ask no server: a broken way or a refused login keeps only writes from it.
    local_reads = False
    #: A daemon takes one vault of this type.
    is_alone = False
    #: A List tells the ids of a record that does not open.
    names_the_unreadable = True
    #: Bytes of the largest credential, with ids of 50 bytes each.
    room = 1 << 20
    #: How many times each of these characters the longest user and connection may have, both alike.
    longest_ids = {"u": 256, "ü": 128}
    #: How records that are refused for their names are refused.
    limit_of_names = "256 bytes"

    def start(self, folder: Path) -> None:
        """`folder` is the entry's own. Raises CannotStart."""
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def section(self, port: int | None = None, **changes: object) -> dict[str, object]:
        """The vault in the configuration; `port`: where to reach it instead."""
        raise NotImplementedError

    def tap(self) -> FaultyTap:
        return FaultyTap(self.port, self.certificates)

    # Its own client

    def name_of(self, user: str, connection: str) -> str:
        """Of a record with plain ids, as `put` and `fetch` have it."""
        return f"ai2-connectors/{user}/{connection}"

    def put(self, name: str, text: str) -> None:
        """Creates or replaces what is there."""
        raise NotImplementedError

    def fetch(self, name: str) -> str | None:
        raise NotImplementedError

    def foreign(self, user: str) -> list[str]:
        """Names that other programs may use beside the records of this user, as close to them as it gets."""
        raise NotImplementedError

    def spoil(self, test: "SystemTest", daemon: Daemon, user: str, connection: str) -> Daemon:
        """Damages a record; the daemon to look with, which has none of the records in its cache."""
        self.put(self.name_of(user, connection), self.garbage)
        return test.host()

    # Refusals

    def refused(self, kind: str) -> Refusal:
        """`kind`: "wrong" or "expired" credentials, "forbidden" = good ones that may do nothing, "reader" = only read."""
        raise NotImplementedError

    # Lag

    def lagging(self, test: "SystemTest") -> tuple[dict[str, object], dict[str, str], Callable[[str, str], object]]:
        """A vault whose reads lag behind writes by a second at most, or none of whose reads asks it: its section and
        environment, and what readers are shown of a record now."""
        raise NotImplementedError

    def cluster(self, folder: Path) -> Cluster:
        raise NotImplementedError


def refuses_settings(kind: str, *lines: str) -> Callable[[SystemTest], None]:
    """Holds as long as vaults of this type take none of these settings: `cofferd --check` refuses them."""
    def holds(test: SystemTest) -> None:
        for line in lines:
            ended = test.check(f"vaults: {{main: {{type: {kind}, {line}}}}}\n")
            test.assertEqual(ended.returncode, CONFIGURATION, ended.stderr)
            test.assertIn(f"vaults.main.{line.partition(':')[0]}".encode(), ended.stderr)
    return holds


def speaks_otherwise(first: bytes) -> Callable[[SystemTest], None]:
    """Holds as long as the daemon begins its connections with these bytes, which are no HTTP."""
    def holds(test: SystemTest) -> None:
        sent = test.first_bytes()
        test.assertTrue(sent.startswith(first), sent)
        test.assertIsNone(re.match(rb"[A-Z]+ [^ ]+ HTTP/", sent))
    return holds


def shows_writes(test: SystemTest) -> None:
    """Holds as long as a read by the vault's own client shows the write before it."""
    entry = test.entry
    for number in range(30):
        entry.put(entry.name_of("lag", "c"), f'{{"n":{number}}}')
        test.assertIn(f":{number}}}", entry.fetch(entry.name_of("lag", "c")).replace(" ", ""))
