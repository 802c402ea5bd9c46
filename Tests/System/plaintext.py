"""No secret is found where none may be."""

import ctypes
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from harness import CallFailed, Canaries, Daemon, Place, SystemTest, eventually, run
from harness.canary import disguised
from harness.client import HEADER, cancel, encode, method_id
from harness.core import Core
from harness.options import binary


class Scanner(SystemTest):
    """The search itself: what it does not find proves nothing otherwise."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="cf")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.canaries = Canaries()

    def test_finds_every_disguise_in_a_file(self) -> None:
        for name, planted in disguised(self.canaries.new()).items():
            with self.subTest(disguise=name):
                path = self.folder / "planted"
                path.write_bytes(os.urandom(10_001) + planted + os.urandom(10_001))
                self.assertNotEqual(self.canaries.hits_in_file(path), [])

    def test_finds_what_lies_among_zeros(self) -> None:
        """Most of a core is zero, and passed over in blocks."""
        path = self.folder / "planted"
        for name, planted in disguised(self.canaries.new()).items():
            for start in (0, 65_535, 65_536, 131_072 - len(planted), 131_073 - len(planted), 200_000 - len(planted)):
                with self.subTest(disguise=name, start=start):
                    path.write_bytes((bytes(start) + planted).ljust(200_000, b"\0"))
                    found = self.canaries.hits_in_file(path)
                    self.assertEqual(found, self.canaries.hits(path.read_bytes()))
                    self.assertNotEqual(found, [])

    def test_finds_halves(self) -> None:
        canary = self.canaries.new()
        self.assertNotEqual(self.canaries.find(canary[:16]), [])
        self.assertNotEqual(self.canaries.find(canary[16:]), [])

    def test_tells_of_whom_a_rest_is(self) -> None:
        planted = [self.canaries.new() for _ in range(1000)]
        for canary in planted:
            for rest in (canary[:16], canary[:13] + b"\0\0\0", canary[16:], canary[16:29] + b"\xff\0z"):
                self.assertEqual(self.canaries.owner(rest), canary)
        for rest in (planted[0][:8] + b"\0" * 8, planted[0][8:24], planted[0][::-1][:16]):
            self.assertEqual(self.canaries.owner(rest), rest)

    def test_finds_nothing_where_nothing_is(self) -> None:
        other = Canaries()
        self.assertEqual(self.canaries.find(os.urandom(1 << 20) + other.new() + other.new().hex().encode()), [])

    def test_finds_what_a_process_holds_in_memory(self) -> None:
        program = "import sys; held = bytearray(sys.stdin.buffer.read(%d)); print('ready', flush=True); sys.stdin.read()"
        for name, planted in disguised(self.canaries.new()).items():
            if name not in ("plain", "reversed", "hex", "UTF-16 little-endian", "base64"):
                continue
            with self.subTest(disguise=name):
                child = subprocess.Popen(
                    [sys.executable, "-c", program % len(planted)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                try:
                    child.stdin.write(planted)
                    child.stdin.flush()
                    self.assertEqual(child.stdout.readline(), b"ready\n")
                    core = Core.take(child.pid, self.folder)
                    self.assertNotEqual(core.find(self.canaries), [])
                    core.remove()
                finally:
                    child.kill()
                    child.communicate(timeout=10)


class Plaintext(SystemTest):
    """One busy daemon with the log at its most talkative; then every place is searched."""

    time_limit = 200
    #: Of the credentials, and of what the root key comes from.
    canaries: Canaries
    keys: Canaries
    served: Daemon
    core: Core | None = None
    #: All that the daemon said where it must not say a secret.
    answers: bytes

    @classmethod
    def setUpClass(cls) -> None:
        cls.canaries = Canaries()
        cls.keys = Canaries()
        cls.served = Daemon(env={
            "COFFER_LOG_LEVEL": "trace", "CREDENTIAL_ENCRYPTION_KEY": cls.keys.new().decode()})
        cls.addClassCleanup(cls.served.dispose)
        cls.served.start()
        cls.values = [cls.canaries.new() for _ in range(60)]
        cls.answers = b""
        cls.store_and_read()
        cls.served.restart()
        cls.store_and_read()
        cls.delete_some()
        cls.provoke_errors()
        cls.ask_as_an_operator()

    @classmethod
    def store_and_read(cls) -> None:
        """Short and long ones, by both ways in; read from the vault and the cache."""
        with cls.served.client() as client:
            for number, value in enumerate(cls.values):
                client.store("user", f"c{number}", value * (1 + number % 100), labels={"n": str(number)})
            for number, value in enumerate(cls.values):
                for age in ({"max_age_ms": 0}, {}):
                    assert client.get("user", f"c{number}", **age).credential == value * (1 + number % 100)
            client.get_many([("user", f"c{number}") for number in range(60)], max_age_ms=0)
            client.get_many([("user", f"c{number}") for number in range(60)])
        cls.served.coffer("store", "user", "by-hand", stdin=cls.values[0])
        assert cls.served.coffer("get", "user", "by-hand").stdout == cls.values[0]

    @classmethod
    def delete_some(cls) -> None:
        with cls.served.client() as client:
            for number in range(0, 60, 3):
                assert client.delete("user", f"c{number}")

    @classmethod
    def provoke_errors(cls) -> None:
        """Secrets in requests that fail, each in another way."""
        value = cls.canaries.new()
        with cls.served.client() as client:
            def refused(call, *arguments, **fields) -> None:
                try:
                    call(*arguments, **fields)
                except CallFailed as error:
                    cls.answers += str(error).encode()
                else:
                    raise AssertionError("a wrong request was answered OK")

            refused(client.store, "", "c", value)
            refused(client.store, "bad\x01id", "c", value)
            refused(client.store, "user", "c", value * 4096)
            refused(client.store, "user", "c1", value, if_absent=True)
            refused(client.store, "user", "c1", value, if_version="another")
            refused(client.store, "user", "c", value, labels={f"l{n}": "" for n in range(17)})
            for payload in (b"\x1a\x7f" + value, b"\x12\x20" + b"\xff" + value[:31], b"\xfa\x01\x20" + value + b"\xff"):
                client.send(encode("Credentials/Store", payload, 1))
                cls.answers += client.response().payload
            client.send(encode("Credentials/Nothing", value, 1))
            cls.answers += client.response().payload
            client.send(cancel(99))
            client.send(encode("Credentials/Store", value * 50_000, 1))
            cls.answers += client.response().payload
        for knock in (b"GET /" + value + b" HTTP/1.1\r\n\r\n", value + b"\r\n", HEADER.pack(
                20 + 32, 9, 1, 0, 1, method_id("Credentials/Store"), 0) + value):
            with cls.served.client() as client:
                client.send(knock)
                cls.answers += client.read()
        with cls.served.client() as client:  # and one that goes in the midst of a frame
            client.send(encode("Credentials/Store", b"\x1a\x20" + value, 1)[:-4])

    @classmethod
    def ask_as_an_operator(cls) -> None:
        for command in (["stats"], ["health"], ["list", "user"]):
            for flags in ([], ["--json"]):
                ended = cls.served.coffer(*command, *flags)
                assert ended.returncode == 0, ended.stderr
                cls.answers += ended.stdout + ended.stderr

    def assert_clean(self, path: Path) -> None:
        for canaries in (self.canaries, self.keys):
            self.assertEqual(canaries.hits_in_file(path), [], f"a secret is in {path}")

    def assert_not_in_core(self, core: Core, canaries: Canaries) -> None:
        found = Counter(core.find(canaries))
        self.assertEqual(len(found), 0, "secrets are in the core:\n" + "\n".join(
            f"{count} x {what}" for what, count in found.most_common(30)))

    def test_not_in_any_file(self) -> None:
        files = [
            path for path in self.served.place.folder.rglob("*")
            if path.is_file() and not path.name.startswith("core.")]
        names = {path.name for path in files}
        self.assertLessEqual({"vault.db", "vault.db-wal", "log", "s.lock", "keyring"}, names)
        for path in files:
            self.assert_clean(path)

    def test_not_in_the_log(self) -> None:
        text = self.served.log_text().encode()
        self.assertGreater(len(text), 0)
        self.assertEqual(self.canaries.find(text) + self.keys.find(text), [])

    def test_not_in_errors_nor_in_what_operators_see(self) -> None:
        self.assertGreater(len(self.answers), 1000)
        self.assertEqual(self.canaries.find(self.answers) + self.keys.find(self.answers), [])

    def test_not_in_the_environment_nor_the_command_line(self) -> None:
        for name in ("environ", "cmdline", "comm", "status"):
            shown = Path(f"/proc/{self.served.pid}/{name}").read_bytes()
            for canaries in (self.canaries, self.keys):
                self.assertEqual(canaries.find(shown), [], f"a secret is in /proc/PID/{name}")

    @classmethod
    def idle_core(cls) -> Core:
        """Of the daemon with a full cache, at rest for a second; taken once."""
        if cls.core is None:
            with cls.served.client() as client:
                assert client.stats()["cache_entries"] > 20, "nothing is cached: nothing to find"
            time.sleep(1)
            cls.core = Core.take(cls.served.pid, cls.served.place.folder)
            cls.addClassCleanup(cls.core.remove)
        return cls.core

    def test_credentials_are_not_in_a_core_of_the_idle_daemon(self) -> None:
        self.assert_not_in_core(self.idle_core(), self.canaries)
        self.assertTrue(self.served.serves(), "it does not serve after the core was taken")

    def test_the_passphrase_is_not_in_a_core(self) -> None:
        self.assert_not_in_core(self.idle_core(), self.keys)

    def test_not_in_the_database_after_a_clean_stop(self) -> None:
        """Runs on a daemon of its own: stopping folds the log into the database."""
        daemon = self.daemon()
        with daemon.client() as client:
            for number, value in enumerate(self.values):
                client.store("user", f"c{number}", value)
        self.assertEqual(daemon.terminate(), 0)
        for path in daemon.place.data.rglob("*"):
            self.assert_clean(path)

    def test_the_key_file_is_not_in_a_core(self) -> None:
        key = self.keys.new()
        folder = tempfile.TemporaryDirectory(prefix="cf")
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "key"
        path.write_bytes(key)
        path.chmod(0o600)
        daemon = self.daemon(env={"COFFER_KEY_FILE": str(path)})
        with daemon.client() as client:
            client.store("user", "c", b"value")
            self.assertEqual(client.get("user", "c", max_age_ms=0).credential, b"value")
        time.sleep(1)
        self.assert_not_in_core(Core.take(daemon.pid, daemon.place.folder), self.keys)

    def test_names_are_not_in_the_database(self) -> None:
        daemon = self.daemon()
        user, connection, label = (self.canaries.new().decode() for _ in range(3))
        with daemon.client() as client:
            client.store(user, connection, b"value", labels={"label": label})
        self.assertEqual(daemon.terminate(), 0)
        for path in daemon.place.data.rglob("*"):
            self.assert_clean(path)

    def test_the_kernel_dumps_no_core(self) -> None:
        """RLIMIT_CORE is 0: what a crash leaves cannot be read later."""
        limits = Path(f"/proc/{self.served.pid}/limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        self.assertEqual(line.split()[4:6], ["0", "0"], line)


class Environment(SystemTest):
    """What came by the environment or an argument, and the process of the command line."""

    def exec_with(self, entries: list[bytes], command: list[str], **fields) -> subprocess.Popen:
        """A child whose environment has exactly these entries: a name may come twice, as no dictionary allows."""
        libc = ctypes.CDLL(None, use_errno=True)
        arguments = (ctypes.c_char_p * (len(command) + 1))(*[part.encode() for part in command], None)
        variables = (ctypes.c_char_p * (len(entries) + 1))(*entries, None)
        child = subprocess.Popen(
            ["cofferd"], executable=command[0], preexec_fn=lambda: libc.execve(arguments[0], arguments, variables),
            **fields)
        self.addCleanup(child.wait, 10)
        self.addCleanup(child.kill)
        return child

    def test_every_copy_of_a_variable_is_overwritten(self) -> None:
        canaries, place = Canaries(), Place()
        self.addCleanup(place.remove)
        names = ["CREDENTIAL_ENCRYPTION_KEY", "VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID", "AWS_SECRET_ACCESS_KEY"]
        proxies = ["http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "ftp_proxy", "VAULT_HTTP_PROXY", "Socks_Proxy"]
        entries = [
            b"COFFER_LOG_LEVEL=trace", *(f"{name}=".encode() + canaries.new() for name in names * 3),
            *(f"{name}=http://user:".encode() + canaries.new() + b"@proxy.example:3128" for name in proxies * 3),
            b"PROXY=kept", b"LAST=kept"]
        with open(place.log, "wb") as log:
            child = self.exec_with(
                entries, [binary("cofferd"), "--socket", str(place.socket), "--data", str(place.data)], stdout=log,
                stderr=log)
        eventually("cofferd serves", 15, lambda: b"serving" in place.log.read_bytes())
        shown = Path(f"/proc/{child.pid}/environ").read_bytes()
        self.assertIn(b"PROXY=kept\0LAST=kept", shown)
        self.assertEqual(canaries.find(shown), [])
        self.assertEqual(canaries.find(place.log.read_bytes()), [])

    def test_no_secret_in_the_wrong_place_is_repeated(self) -> None:
        """Typed where it does not belong, it is in no message."""
        canaries = Canaries()
        word = canaries.new().decode()
        for variables, arguments in [
            ({"VAULT_TYPE": "vault", "VAULT_ADDR": f"https://user:{word}@vault.example", "VAULT_TOKEN": "t"}, []),
            ({"VAULT_TYPE": word}, []), ({"COFFER_FORMAT": word, "VAULT_TYPE": "aws"}, []), ({"NODE_ENV": word * 9}, []),
            ({"COFFER_LOG_LEVEL": word}, []), ({"COFFER_LOG_FORMAT": word}, []),
            ({"VAULT_TYPE": "vault", "VAULT_ADDR": "https://h", "VAULT_TOKEN": word, "VAULT_ROLE_ID": word}, []),
            ({}, [word]), ({}, ["--reactors", word]), ({}, [f"--passphrase={word}"]), ({}, ["--check", word]),
        ]:
            with self.subTest(variables=list(variables), arguments=len(arguments)):
                place = Place()
                self.addCleanup(place.remove)
                ended = run("cofferd", "--socket", place.socket, "--data", place.data, *arguments, env=variables)
                self.assertNotEqual(ended.returncode, 0)
                self.assertEqual(canaries.find(ended.stdout + ended.stderr), [], ended.stderr)

    def test_the_command_line_leaves_no_core(self) -> None:
        """Its limit is 0, and the kernel counts its memory as nobody's to look at: /proc shows root's files."""
        child = subprocess.Popen(
            [binary("coffer"), "store", "u", "c", "--socket", "/nobody-listens"], stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: (resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20)), os.setuid(12345)))
        try:
            limits = Path(f"/proc/{child.pid}/limits")
            eventually("coffer has no core", 10, lambda: limits.read_text().split("Max core file size")[1].split()[:2] == ["0", "0"])
            eventually("coffer is closed", 10, lambda: os.stat(f"/proc/{child.pid}/environ").st_uid == 0)
        finally:
            child.kill()
            child.communicate(timeout=10)
