"""Where the clients look for the socket, and whose it may be."""

import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from support import Blocking, FakeDaemon, MemoryDaemon, both

from coffer_client import Code, CofferError, InvalidArgument, PermissionDenied, Unavailable, default_socket
from coffer_client import _place


def environment(**variables):
    return mock.patch.dict(os.environ, variables, clear=True)


class PathTests(unittest.TestCase):
    def test_the_first_that_is_set_or_applies(self):
        cases = [
            (0, {"COFFER_SOCKET": "/a", "XDG_RUNTIME_DIR": "/x"}, False, "/a"),
            (0, {"COFFER_SOCKET": "", "XDG_RUNTIME_DIR": "/x"}, False, "/x/coffer/coffer.sock"),
            (7, {"XDG_RUNTIME_DIR": "x"}, True, "/run/user/7/coffer/coffer.sock"),
            (7, {"XDG_RUNTIME_DIR": ""}, False, "/tmp/coffer-7/coffer.sock"),
            (0, {}, False, "/run/coffer/coffer.sock"),
            (7, {}, True, "/run/user/7/coffer/coffer.sock"),
            (7, {}, False, "/tmp/coffer-7/coffer.sock"),
        ]
        for uid, variables, own_folder, path in cases:
            with environment(**variables), mock.patch("os.geteuid", lambda uid=uid: uid), \
                    mock.patch("os.getuid", lambda uid=uid: uid), \
                    mock.patch.object(_place, "_is_own_folder", lambda _, own=own_folder: own):
                self.assertEqual(path, default_socket(), (uid, variables))

    def test_variables_do_not_count_in_a_setuid_program(self):
        with environment(COFFER_SOCKET="/a"), mock.patch("os.geteuid", lambda: 0), mock.patch("os.getuid", lambda: 7):
            self.assertEqual("/run/coffer/coffer.sock", default_socket())


@both
class PlaceTests:
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def error(self, path, **options):
        with self.assertRaises(CofferError) as raised:
            self.open(path, **options).get("ann", "github")
        return raised.exception

    def test_paths_that_do_not_fit(self):
        for path, size in (("", 0), ("/" + "x" * 107, 108)):
            error = self.error(path)
            self.assertIsInstance(error, InvalidArgument)
            self.assertEqual(
                f"the path of the socket has {size} bytes, expected 1 to 107; set COFFER_SOCKET to another one", str(error))
        # Near miss: it fits, and nobody is there.
        self.assertIsInstance(self.error("/" + "x" * 106), Unavailable)

    def test_what_is_no_socket(self):
        path = f"{self.folder}/file"
        open(path, "w").close()
        error = self.error(path)
        self.assertEqual((Code.FAILED_PRECONDITION, f"{path} is not a socket of cofferd; move it away, or set COFFER_SOCKET"), (
            error.code, str(error)))
        self.assertEqual(Code.UNAVAILABLE, self.error(f"{path}/s").code)

    def test_a_socket_at_which_nobody_listens(self):
        path = f"{self.folder}/s"
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path)
            self.assertEqual(f"cofferd is not running at {path}; start it, or set COFFER_SOCKET", str(self.error(path)))

    def test_a_full_backlog_is_waited_for(self):
        path = f"{self.folder}/s"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(0)
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(path)
                error = self.error(path, timeout=0.3)
        self.assertIsInstance(error, Unavailable)
        self.assertIn("has too many connections waiting", str(error))

    def test_a_uid_that_is_none(self):
        for text in ("x", "-1", "4294967295", "１"):
            with environment(COFFER_SERVER_UID=text):
                error = self.error(f"{self.folder}/s")
            self.assertIsInstance(error, InvalidArgument)
            self.assertIn("COFFER_SERVER_UID: expected the number of a uid", str(error))


@unittest.skipUnless(os.geteuid() == 0, "acts as other users")
class TrustTests(unittest.TestCase):
    """Both clients share the checks; what is run as another user is a process of its own."""

    def run_as(self, uid, path, **variables):
        code = (
            "import os, sys\n"
            f"os.setgid({uid}); os.setuid({uid})\n"
            "import coffer_client\n"
            "try: print(coffer_client.Coffer(sys.argv[1] or None).get('a', 'b'))\n"
            "except coffer_client.CofferError as error: print(f'{error.code.name}: {error}')\n")
        folders = os.pathsep.join(filter(None, sys.path))
        # Imported beforehand, as other users may not reach the folders.
        code = "import coffer_client, asyncio, google.protobuf\n" + code
        ended = subprocess.run(
            [sys.executable, "-c", code, path], env={"PYTHONPATH": folders, **variables}, capture_output=True, text=True,
            timeout=30)
        return (ended.stdout + ended.stderr).strip()

    def test_a_socket_of_another_user_is_refused_unless_that_is_said(self):
        with MemoryDaemon() as daemon:
            os.chmod(daemon.folder, 0o755)
            os.chmod(daemon.path, 0o666)
            os.chown(daemon.path, 54321, -1)
            refused = f"FAILED_PRECONDITION: the socket {daemon.path} belongs to uid 54321, expected 0 (root)"
            self.assertEqual(
                f"{refused}; if that uid is trusted with credentials, set COFFER_SERVER_UID=54321",
                self.run_as(0, daemon.path))
            found = "NOT_FOUND: there is no record for this user and connection"
            self.assertEqual(found, self.run_as(0, daemon.path, COFFER_SERVER_UID="54321"))
            self.assertEqual(found, self.run_as(54321, daemon.path))
            self.assertIn("expected 0 (root) or 54322 (this process);", self.run_as(54322, daemon.path))
            self.assertIn(
                "expected 0 (root), 54322 (this process) or 7 (COFFER_SERVER_UID);",
                self.run_as(54322, daemon.path, COFFER_SERVER_UID="7"))
            self.assertEqual(0, sum(bool(peer.read()) for peer in daemon.peers[3:]))

    def test_a_mode_that_forbids_it(self):
        with MemoryDaemon() as daemon:
            os.chmod(daemon.folder, 0o755)
            os.chmod(daemon.path, 0o600)
            self.assertEqual(
                f"PERMISSION_DENIED: uid 54321 may not use the socket {daemon.path}; check its mode and its folder's, or "
                "set COFFER_SOCKET", self.run_as(54321, daemon.path))

    def test_the_folder_in_tmp_must_be_the_users_own(self):
        # One for each run, as several may go on at once.
        uid = 1_000_000 + os.getpid()
        folder = f"/tmp/coffer-{uid}"
        self.addCleanup(lambda: os.path.exists(folder) and shutil.rmtree(folder))
        wrong = f"FAILED_PRECONDITION: {folder} must be a folder of uid {uid} with mode 0700, not a link; remove it, or set COFFER_SOCKET"
        os.mkdir(folder, 0o700)
        self.assertEqual(wrong, self.run_as(uid, ""))
        os.chown(folder, uid, -1)
        os.chmod(folder, 0o755)
        self.assertEqual(wrong, self.run_as(uid, ""))
        os.chmod(folder, 0o700)
        self.assertEqual(
            f"UNAVAILABLE: cofferd is not running at {folder}/coffer.sock; start it, or set COFFER_SOCKET",
            self.run_as(uid, ""))
        self.assertEqual(0o700, stat.S_IMODE(os.stat(folder).st_mode))

    def test_permission_denied_is_pythons_too(self):
        self.assertTrue(issubclass(PermissionDenied, PermissionError))


@both
class DescriptorTests:
    def test_a_process_without_descriptors_gets_an_error_of_the_client(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        with FakeDaemon(lambda peer, _: peer.read(), folder) as daemon:
            client = self.open(daemon.path)
            # The first call of an event loop, or of a thread, may need descriptors of its own.
            with self.assertRaises(CofferError):
                client.get("a", "b", timeout=0)
            before = resource.getrlimit(resource.RLIMIT_NOFILE)
            free = os.dup(0)
            os.close(free)
            try:
                # None for the socket; then one for it and, in the blocking client, none for what wakes its watcher.
                for limit in (free, free + 1)[: 2 if self.kind is Blocking else 1]:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
                    with self.assertRaisesRegex(Unavailable, "Too many open files; check the host's limits"):
                        client.get("a", "b")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, before)


if __name__ == "__main__":
    unittest.main()
