"""What blocks a process blocks nobody who is served: a log that nobody reads, a file that
never comes."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time

from harness import Daemon, Place, SystemTest
from harness.client import CallFailed
from harness.waiting import eventually

F_SETPIPE_SZ = 1031


class UnreadLog(SystemTest):
    """Standard error and output are one pipe, full, and nobody reads it."""

    LINES = 200

    def start(self, is_read_end_kept: bool = True) -> tuple[Daemon, int]:
        daemon = Daemon(config="log: {level: debug}\nlimits: {connections_per_uid: 2}\n")
        self.addCleanup(daemon.dispose)
        reader, writer = os.pipe()
        fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
        try:
            daemon.spawn(output=writer)
        finally:
            os.close(writer)
        if is_read_end_kept:
            self.addCleanup(os.close, reader)
        else:
            os.close(reader)
        eventually("cofferd serves", 15, daemon.serves)
        return daemon, reader

    @contextlib.contextmanager
    def two(self, daemon: Daemon):
        """One of the two connections that there may be."""
        with daemon.client(seconds=5) as kept:
            eventually("the last one is gone", 10, lambda: kept.stats()["connections"] == 1)
            with daemon.client(seconds=5) as other:
                other.stats()
                yield kept

    def fill(self, daemon: Daemon, kept) -> None:
        """Each connection that is turned away makes a line: `kept` and another are all there may be."""
        eventually("only these are open", 10, lambda: kept.stats()["connections"] == 2)
        before = kept.stats()["connections_refused_total"]
        for _ in range(self.LINES):
            with daemon.client(seconds=5) as extra:
                try:
                    extra.get("u", "c")
                except (OSError, CallFailed):
                    pass
        self.assertGreaterEqual(kept.stats()["connections_refused_total"] - before, self.LINES)

    def test_calls_are_answered_and_sigterm_is_obeyed(self) -> None:
        daemon, _ = self.start()
        with self.two(daemon) as kept:
            kept.store("u", "c", b"value")
            self.fill(daemon, kept)
            started = time.monotonic()
            self.assertEqual(kept.get("u", "c").credential, b"value")
            self.assertLess(time.monotonic() - started, 1)
        self.assertEqual(daemon.terminate(seconds=10), 0)

    def test_dropped_lines_are_counted_and_reported(self) -> None:
        daemon, reader = self.start()
        with self.two(daemon) as kept:
            # Of some 100 bytes each: more than the queue's 1 MiB.
            while kept.stats()["log_lines_dropped_total"] == 0:
                self.fill(daemon, kept)
            text = b""
            while b"log lines were dropped" not in text:
                text += os.read(reader, 65_536)
                self.assertLess(len(text), 4 << 20, "the drop is not reported")
            line = next(line for line in text.splitlines() if b"log lines were dropped" in line)
            self.assertGreater(int(json.loads(line)["count"]), 0)
        os.set_blocking(reader, False)
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(10), 0)

    def test_a_closed_log_stops_nobody(self) -> None:
        daemon, _ = self.start(is_read_end_kept=False)
        with self.two(daemon) as kept:
            self.fill(daemon, kept)
            kept.store("u", "c", b"value")
            self.assertEqual(kept.get("u", "c").credential, b"value")
        self.assertEqual(daemon.terminate(seconds=10), 0)


class FileThatNeverComes(SystemTest):
    """A token file that is a FIFO: whoever opened it plainly would wait for its writer."""

    CONFIG = """
reactors: 1
vaults:
  here: {{type: embedded}}
  there: {{type: vault, address: "https://127.0.0.1:1", auth: {auth}}}
routes:
  - {{user: "away*", vault: there}}
  - {{vault: here}}
"""

    AUTHS = {
        "token file": "token-file, token_file: {path}",
        "secret id": "approle, role_id: r, secret_id_file: {path}",
        "pod's token": "kubernetes, role: r, token_file: {path}",
        "JWT": "jwt, role: r, token_file: {path}",
    }

    def check(self, daemon: Daemon) -> None:
        with daemon.client(seconds=5) as client:
            client.store("u", "c", b"value")
            for number in range(3):
                with self.assertRaises(CallFailed):
                    client.get(f"away{number}", "c")
            started = time.monotonic()
            self.assertEqual(client.get("u", "c").credential, b"value")
            client.store("u", "d", b"value")
            self.assertLess(time.monotonic() - started, 2)
        self.assertEqual(daemon.terminate(seconds=10), 0)

    def test_stops_no_reactor(self) -> None:
        for name, auth in self.AUTHS.items():
            with self.subTest(file=name):
                place = Place()
                self.addCleanup(place.remove)
                path = place.folder / "fifo"
                os.mkfifo(path, 0o600)
                config = self.CONFIG.format(auth=auth.format(path=path))
                self.check(self.daemon(config=config, place=place))

    def test_of_aws_stops_no_reactor(self) -> None:
        for variable in ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"]:
            with self.subTest(variable=variable):
                place = Place()
                self.addCleanup(place.remove)
                path = place.folder / "later"
                if variable != "AWS_WEB_IDENTITY_TOKEN_FILE":
                    path.touch(0o600)
                config = self.CONFIG.replace(
                    'type: vault, address: "https://127.0.0.1:1", auth: {auth}', "type: aws, region: eu-central-1").format()
                env = {
                    variable: str(path), "AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_EC2_METADATA_DISABLED": "true"}
                daemon = self.daemon(config=config, place=place, env=env)
                path.unlink(missing_ok=True)
                os.mkfifo(path, 0o600)
                self.check(daemon)


class StoppedEarly(SystemTest):
    def test_sigterm_during_the_start_ends_it(self) -> None:
        daemon = Daemon()
        self.addCleanup(daemon.dispose)
        daemon.spawn()
        daemon.process.send_signal(signal.SIGTERM)
        try:
            self.assertIn(daemon.process.wait(15), (0, -signal.SIGTERM))
        except subprocess.TimeoutExpired:
            self.fail("it did not end")
