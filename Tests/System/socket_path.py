"""The socket's path: whose it is, who may take it over."""

import os
import socket
import subprocess

from harness import Daemon, Place, binary, eventually, options, run
from harness.daemon import environment
from harness.start import CONFIGURATION, FAILURE, StartupTest


class SocketPath(StartupTest):
    def test_path_that_is_too_long(self) -> None:
        path = self.place.folder / ("s" * 120)
        ended = run("cofferd", "--socket", path, "--data", self.place.data)
        self.assert_refused(ended, CONFIGURATION, "socket", "107")

    def test_path_of_107_bytes(self) -> None:
        length = 107 - len(os.fsencode(self.place.folder)) - 1
        self.place.socket = self.place.folder / ("s" * length)
        with self.running().client() as client:
            self.assertTrue(client.health().serving)

    def test_socket_of_a_live_daemon(self) -> None:
        first = self.running()
        ended = run("cofferd", "--socket", self.place.socket, "--data", self.place.folder / "other")
        self.assert_refused(ended, FAILURE, self.place.socket, "in use")
        self.assertTrue(first.serves())

    def test_socket_of_another_live_program(self) -> None:
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.place.socket))
            other.listen()
            self.assert_refused(self.start(), FAILURE, self.place.socket, "in use")
            self.assertTrue(self.place.socket.is_socket())

    def test_socket_of_a_killed_daemon_is_taken_over(self) -> None:
        daemon = self.running()
        daemon.kill()
        self.assertTrue(self.place.socket.is_socket(), "a killed daemon leaves its socket")
        daemon.start()

    def test_regular_file_is_left_alone(self) -> None:
        self.place.socket.write_text("precious")
        self.assert_refused(self.start(), CONFIGURATION, self.place.socket, "not a socket")
        self.assertEqual(self.place.socket.read_text(), "precious")

    def test_symbolic_link_is_left_alone(self) -> None:
        target = self.place.folder / "target"
        target.write_text("precious")
        self.place.socket.symlink_to(target)
        self.assert_refused(self.start(), CONFIGURATION, self.place.socket, "not a socket")
        self.assertEqual((self.place.socket.readlink(), target.read_text()), (target, "precious"))

    def test_folder_that_others_can_write_to_is_refused(self) -> None:
        folder = self.place.folder / "run"
        folder.mkdir()
        self.place.socket = folder / "s"
        for mode in (0o777, 0o770, 0o773, 0o722):
            with self.subTest(mode=oct(mode)):
                folder.chmod(mode)
                self.assert_refused(self.start(), CONFIGURATION, folder, f"0{mode:o}", "--socket")
        os.chown(folder, 61_234, 0)
        folder.chmod(0o700)
        self.assert_refused(self.start(), CONFIGURATION, folder, "61234")
        os.chown(folder, 0, 0)
        for mode in (0o1777, 0o755):
            folder.chmod(mode)
            self.assertEqual(self.running().terminate(), 0)

    def test_lock_file_of_somebody_else_is_refused(self) -> None:
        lock = self.place.socket.with_name("s.lock")
        lock.touch(0o666)
        os.chown(lock, 61_234, 61_234)
        self.assert_refused(self.start(), CONFIGURATION, lock)

    #: Puts a link in the place of the socket at the moment after it was made.
    SWAP = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdlib.h>
        #include <sys/socket.h>
        #include <sys/un.h>
        #include <unistd.h>
        int bind(int fd, const struct sockaddr *address, socklen_t length) {
            int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
            int result = real(fd, address, length);
            const char *path = ((const struct sockaddr_un *)address)->sun_path, *victim = getenv("VICTIM");
            if (result == 0 && address->sa_family == AF_UNIX && victim)
                if (unlink(path) != 0 || symlink(victim, path) != 0) abort();
            return result;
        }
    """

    def test_the_mode_is_set_through_no_link(self) -> None:
        source, library = self.place.folder / "swap.c", self.place.folder / "swap.so"
        source.write_text(self.SWAP)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        victim = self.place.folder / "victim"
        victim.write_text("precious")
        victim.chmod(0o644)
        ended = self.start(env={"LD_PRELOAD": str(library), "VICTIM": str(victim)})
        self.assert_refused(ended, CONFIGURATION, self.place.socket, "replaced")
        self.assertEqual(victim.stat().st_mode & 0o777, 0o644)
        self.assertEqual(victim.read_text(), "precious")

    def test_mode_of_the_socket_and_the_data(self) -> None:
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.running()
        self.assertEqual(self.place.socket.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.place.data.stat().st_mode & 0o777, 0o700)
        for path in self.place.data.rglob("*"):
            self.assertEqual(path.stat().st_mode & 0o077, 0, f"{path} is open to others")

    def test_of_two_that_start_at_once_exactly_one_survives(self) -> None:
        for round in range(options.sized(30, 300)):
            with self.subTest(round=round):
                self.race(stale=round % 2 == 1, same_data=round % 3 == 2)

    def race(self, stale: bool, same_data: bool) -> None:
        place = Place()
        try:
            if stale:
                with socket.socket(socket.AF_UNIX) as dead:
                    dead.bind(str(place.socket))
            command = [binary("cofferd"), "--socket", str(place.socket), "--data"]
            folders = [place.data, place.data if same_data else place.folder / "other"]
            both = [
                subprocess.Popen(
                    [*command, str(folder)], env=environment(), stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                for folder in folders]
            try:
                self.judge_race(place, both)
            finally:
                for process in both:
                    process.kill()
                    process.communicate(timeout=10)
        finally:
            place.remove()

    def judge_race(self, place: Place, both: list[subprocess.Popen]) -> None:
        def ended() -> list[subprocess.Popen]:
            return [process for process in both if process.poll() is not None]

        eventually("one of the two gives way", 15, ended)
        survivor = Daemon(place=place)
        try:
            survivor.process = next((process for process in both if process.poll() is None), None)
            self.assertIsNotNone(survivor.process, "both gave way")
            eventually("the other serves", 15, survivor.serves)
            (loser,) = ended()
            self.assertIn(loser.returncode, (FAILURE, CONFIGURATION))
            message = loser.stderr.read().decode()
            self.assertIn("in use", message)
            self.assertEqual(len(message.splitlines()), 1, message)
        finally:
            Daemon.live.remove(survivor)
