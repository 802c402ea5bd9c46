"""A listening socket that a service manager has made: the rules of sd_listen_fds(3)."""

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from harness import Daemon, eventually, messages
from harness.start import CONFIGURATION, StartupTest

#: Hands over the descriptors named before `--` as 3, 4, …, and becomes the command behind it.
LAUNCHER = """
import os, sys
pid, count, names, *rest = sys.argv[1:]
given, command = [int(word) for word in rest[:rest.index("--")]], rest[rest.index("--") + 1:]
copies = [os.dup(number) for number in given for _ in range(8)]
for place, number in enumerate(given):
    os.dup2(number, 3 + place, inheritable=True)
os.environ |= {"LISTEN_PID": pid or str(os.getpid()), "LISTEN_FDS": count or str(len(given)), "LISTEN_FDNAMES": names}
os.execv(command[0], command)
"""


def launcher(*given: Any, pid: str = "", count: str = "", names: str = "") -> list[str]:
    return [sys.executable, "-c", LAUNCHER, pid, count, names, *(str(one.fileno()) for one in given), "--"]


class HandedOver(StartupTest):
    def listener(self, path: Path, kind: int = socket.SOCK_STREAM, listens: bool = True) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(made.close)
        made.bind(str(path))
        path.chmod(0o666)
        if listens:
            made.listen(64)
        return made

    def over(self, *given: Any, **variables: str) -> Daemon:
        """A daemon that is not started, to which these are handed over; its clients look for it at its own path."""
        daemon = Daemon(
            place=self.place, through=launcher(*given, **variables), inherits=[one.fileno() for one in given])
        self.addCleanup(daemon.dispose)
        return daemon

    def refused(self, *given: Any, words: list[str], **variables: str) -> None:
        daemon = self.over(*given, **variables).spawn()
        self.assertEqual(daemon.process.wait(20), CONFIGURATION, daemon.log_text())
        for word in words:
            self.assertIn(word, daemon.log_text().splitlines()[-1])

    def test_serves_on_it_and_leaves_its_file_alone(self) -> None:
        configured, self.place.socket = self.place.socket, self.place.folder / "theirs"
        made = self.listener(self.place.socket)
        before = self.place.socket.stat()
        daemon = self.over(made, names="coffer.socket")
        daemon.arguments[1] = configured
        daemon.start()
        with daemon.client() as client:
            client.store("user", "c", b"value")
            self.assertEqual(client.get("user", "c").credential, b"value")
        flags = Path(f"/proc/{daemon.pid}/fdinfo/3").read_text().split("flags:")[1].split()[0]
        self.assertTrue(int(flags, 8) & os.O_CLOEXEC, "a child would have the socket")
        self.assertIn("handed over", daemon.log_text())
        self.assertIn("coffer.socket", daemon.log_text())
        self.assertEqual(daemon.terminate(), 0)
        after = self.place.socket.stat()
        self.assertEqual((after.st_ino, after.st_mode), (before.st_ino, before.st_mode))
        self.assertEqual(sorted(os.listdir(self.place.folder)), ["data", "log", "theirs"])

    def test_clients_that_wait_when_it_stops_are_the_next_ones(self) -> None:
        made = self.listener(self.place.socket)
        daemon = self.over(made).start()
        with daemon.client() as client:
            client.store("user", "c", b"value")
        self.assertEqual(daemon.terminate(), 0)
        with daemon.client() as client:
            call_id = client.begin("Credentials/Get", messages.credentials.GetRequest(user_id="user", connection_id="c"))
            daemon.start()
            frame = client.response()
            self.assertEqual(frame.call_id, call_id)
            self.assertEqual(messages.credentials.GetResponse.FromString(frame.payload).credential, b"value")

    def test_a_client_that_comes_during_the_drain_is_the_next_ones(self) -> None:
        made = self.listener(self.place.socket)
        daemon = self.over(made).start()
        with daemon.client(), daemon.client() as late:
            daemon.process.terminate()
            eventually("it drains", 10, lambda: "draining" in daemon.log_text())
            with daemon.client() as next_client:
                next_client.begin("Admin/Health", messages.admin.HealthRequest())
                self.assertEqual(daemon.process.wait(10), 0)
                daemon.start()
                health = messages.admin.HealthResponse.FromString(next_client.response().payload)
                self.assertTrue(health.serving)
            self.assertIsNotNone(late.frame(), "no go-away")

    def test_one_of_another_process_is_not_taken(self) -> None:
        made = self.listener(self.place.folder / "theirs")
        daemon = self.over(made, pid="1").start()
        self.assertTrue(daemon.serves())
        self.assertNotIn("handed over", daemon.log_text())
        self.assertEqual(self.place.socket.stat().st_mode & 0o777, 0o600)

    def test_what_is_no_listening_unix_stream_socket_is_refused(self) -> None:
        folder = self.place.folder
        first, second = self.listener(folder / "1"), self.listener(folder / "2")
        datagrams = self.listener(folder / "3", socket.SOCK_DGRAM, listens=False)
        silent = self.listener(folder / "4", listens=False)
        tcp = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(tcp.close)
        file = open(folder / "5", "w")
        self.addCleanup(file.close)
        self.refused(first, second, names="one:two", words=["LISTEN_FDS", "expected one socket, got 2 (one, two)"])
        for given in (datagrams, silent, tcp):
            self.refused(given, words=["descriptor 3", "another kind of socket", "ListenStream="])
        self.refused(file, words=["descriptor 3", "non-socket"])
        self.refused(count="1", words=["descriptor 3"])
        for count in ("0", "-1", "one", "2147483648"):
            self.refused(first, count=count, words=["LISTEN_FDS"])
        self.refused(first, pid="me", words=["LISTEN_PID"])
        self.assertFalse(self.place.data.exists(), "a refused start has made the data folder")

    def test_a_refused_start_leaves_it(self) -> None:
        made = self.listener(self.place.socket)
        daemon = self.over(made)
        daemon.env["COFFER_ENV"] = "production"
        daemon.spawn()
        self.assertEqual(daemon.process.wait(20), CONFIGURATION, daemon.log_text())
        self.assertTrue(self.place.socket.is_socket())
        self.assertFalse(self.place.data.exists())

    if activator := shutil.which("systemd-socket-activate"):

        def test_starts_with_its_first_client_under_systemd_socket_activate(self) -> None:
            kept = [word for name in ("LD_LIBRARY_PATH", "TMPDIR") if name in os.environ for word in ("-E", name)]
            daemon = Daemon(
                place=self.place,
                through=[self.activator, f"--listen={self.place.socket}", "--fdname=coffer", *kept])
            self.addCleanup(daemon.dispose)
            daemon.spawn()
            eventually("the activator listens", 10, self.place.socket.is_socket)
            self.assertNotIn("serving", daemon.log_text())
            with daemon.client() as client:
                client.store("user", "c", b"value")
            self.assertIn("handed over", daemon.log_text())
            self.assertEqual(daemon.terminate(), 0)
            self.assertTrue(self.place.socket.is_socket(), "the file is the service manager's")
