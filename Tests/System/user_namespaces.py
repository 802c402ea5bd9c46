"""Peers of which the kernel does not say who they are: users without a mapping in the daemon's namespace."""

import os
import subprocess
import traceback
from multiprocessing import get_context

from harness import CallFailed, Client, Daemon, SystemTest
from harness.daemon import Place

#: Has no mapping in any of the namespaces here.
FOREIGN_UID = 4_242
OVERFLOW = "65534"


def as_another(path: str, uid: int, gid: int, report) -> None:
    """In a child: what a Get with these ids comes to."""
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        with Client(path, 5) as client:
            try:
                report.send(client.get("user", "c").credential.decode())
            except CallFailed as error:
                report.send(error.status.name)
    except BaseException:
        report.send(traceback.format_exc())


class Unmapped(SystemTest):
    """Needs root, for namespaces and to become another user."""

    def setUp(self) -> None:
        self.assertEqual(os.geteuid(), 0, "run the tests as root: these make user namespaces")

    def ask_as(self, daemon: Daemon, uid: int, gid: int) -> str:
        daemon.place.folder.chmod(0o711)
        ours, theirs = get_context("fork").Pipe()
        child = get_context("fork").Process(target=as_another, args=(str(daemon.place.socket), uid, gid, theirs))
        child.start()
        try:
            self.assertTrue(ours.poll(20), "the other user is not answered")
            return ours.recv()
        finally:
            child.kill()
            child.join(10)

    def test_user_without_a_mapping_is_turned_away(self) -> None:
        daemon = self.daemon(
            config="socket_mode: 0666\n", through=["unshare", "--user", "--map-root-user", "--"])
        with daemon.client() as client:
            client.store("user", "c", b"value")
            self.assertEqual(self.ask_as(daemon, FOREIGN_UID, FOREIGN_UID), "PERMISSION_DENIED")
            self.assertEqual(client.stats()["connections_denied_total"], 1)
            self.assertEqual(client.get("user", "c").credential, b"value")
        self.assertIn(f'"uid":"{OVERFLOW}"', daemon.log_text())

    def test_daemon_without_a_mapping_does_not_start(self) -> None:
        """Everybody else without one would look like its own user."""
        self.assert_refused(["unshare", "--user", "--"], "uid")

    def test_daemon_of_the_overflow_user_does_not_start(self) -> None:
        self.assert_refused(["setpriv", "--reuid", OVERFLOW, "--clear-groups", "--"], "uid")

    def test_daemon_of_the_overflow_group_serves_its_own_uid(self) -> None:
        """nogroup, which many system users have: the uid says who they are, and the start says what is so."""
        daemon = self.daemon(
            config="socket_mode: 0666\n", through=["setpriv", "--regid", OVERFLOW, "--clear-groups", "--"])
        with daemon.client() as client:
            client.store("user", "c", b"value")
            self.assertEqual(client.get("user", "c").credential, b"value")
            self.assertIn("overflow gid", " ".join(client.health().warnings))
        self.assertEqual(self.ask_as(daemon, os.geteuid(), int(OVERFLOW)), "value")
        self.assertEqual(self.ask_as(daemon, FOREIGN_UID, int(OVERFLOW)), "PERMISSION_DENIED")
        self.assertIn(f"cofferd runs with gid {OVERFLOW}, the kernel's overflow gid", daemon.log_text())

    def assert_refused(self, through: list[str], what: str) -> None:
        place = Place()
        self.addCleanup(place.remove)
        place.folder.chmod(0o777)
        daemon = Daemon(through=through, place=place).spawn()
        self.addCleanup(daemon.dispose)
        assert daemon.process is not None
        try:
            code = daemon.process.wait(10)
        except subprocess.TimeoutExpired:
            self.fail(f"it serves: {daemon.log_text()}")
        self.assertEqual(code, 78, daemon.log_text())
        self.assertIn(f"cofferd runs with {what} {OVERFLOW}, the kernel's overflow {what}", daemon.log_text())
        self.assertEqual(sorted(os.listdir(place.folder)), ["log"], "it has begun all the same")
