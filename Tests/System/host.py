"""What a host does to a process: each of it goes on, or is a clear error; nothing is lost,
and nothing is written where it does not belong."""

import itertools
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from harness import CallFailed, Daemon, Status, binary, eventually
from harness.daemon import environment
from harness.start import CONFIGURATION, FAILURE, StartupTest

#: A uid that nobody has.
SOMEBODY = 61_234


def limited(name: int, value: int, hard: int | None = None):
    return lambda: resource.setrlimit(name, (value, value if hard is None else hard))


def as_somebody(then=lambda: None):
    def prepare() -> None:
        then()
        os.setgroups([])
        os.setgid(SOMEBODY)
        os.setuid(SOMEBODY)
    return prepare


class HostTest(StartupTest):
    def spawned(self, prepare, **fields) -> Daemon:
        """One that may run as somebody else: its program lies where everybody gets at it."""
        program = self.place.folder / "cofferd"
        shutil.copy(binary("cofferd"), program)
        os.chown(self.place.folder, SOMEBODY, SOMEBODY)
        self.place.folder.chmod(0o755)
        daemon = Daemon(place=self.place, prepare=prepare, program=program, **fields)
        self.addCleanup(daemon.dispose)
        return daemon.spawn()


class Limits(HostTest):
    """Each limit of a process, low."""

    SERVING = {
        "descriptors": limited(resource.RLIMIT_NOFILE, 64),
        "stack": limited(resource.RLIMIT_STACK, 256 << 10, resource.RLIM_INFINITY),
        "memory": limited(resource.RLIMIT_AS, 1 << 30),
        "data": limited(resource.RLIMIT_DATA, 416 << 20),
        "locked memory": limited(resource.RLIMIT_MEMLOCK, 0),
        "cores": limited(resource.RLIMIT_CORE, 0),
        "pending signals": limited(resource.RLIMIT_SIGPENDING, 0),
    }

    def test_daemon_serves(self) -> None:
        for name, prepare in self.SERVING.items():
            with self.subTest(limit=name):
                daemon = self.daemon(prepare=prepare)
                with daemon.client() as client:
                    for number in range(50):
                        client.store("u", f"c{number}", b"x" * 60_000)
                    self.assertEqual(client.get("u", "c7", max_age_ms=0).credential, b"x" * 60_000)
                self.assertEqual(daemon.terminate(), 0)

    def refused(self, prepare, code: int, *words: str) -> None:
        self.place.log.unlink(missing_ok=True)
        daemon = self.spawned(prepare)
        try:
            self.assertEqual(daemon.process.wait(15), code, daemon.log_text())
        except subprocess.TimeoutExpired:
            self.fail(f"it neither serves nor ends: {daemon.log_text()}")
        finally:
            daemon.dispose()
        for word in words:
            self.assertIn(word, daemon.log_text())

    def test_too_little_stack_is_refused(self) -> None:
        self.refused(limited(resource.RLIMIT_STACK, 256 << 10), CONFIGURATION, "ulimit -s")

    def test_too_few_threads_are_refused(self) -> None:
        """Also where some of them could be had: a start that waits for the others would never end."""
        for count in range(1, 14):
            with self.subTest(threads=count):
                self.refused(as_somebody(limited(resource.RLIMIT_NPROC, count)), CONFIGURATION, "ulimit -u")

    #: Too low to serve: the limit, its values, and what the refusal names.
    REFUSED = {
        "memory": (resource.RLIMIT_AS, [size << 20 for size in (128, 192, 256, 384, 512, 1023)], "ulimit -v"),
        "data": (resource.RLIMIT_DATA, [size << 20 for size in (48, 64, 128, 256, 415)], "ulimit -d"),
        "descriptors": (resource.RLIMIT_NOFILE, [8, 10, 12, 14, 18, 24, 63], "ulimit -Hn"),
    }

    def test_too_little_is_refused(self) -> None:
        for name, (limit, values, word) in self.REFUSED.items():
            for value in values:
                with self.subTest(limit=name, value=value):
                    self.refused(limited(limit, value), CONFIGURATION, f"may have {value} ", word)

    def test_locked_memory_that_is_refused_is_said(self) -> None:
        daemon = self.spawned(as_somebody(limited(resource.RLIMIT_MEMLOCK, 0)))
        eventually("it serves", 15, lambda: '"serving"' in daemon.log_text())
        self.assertIn("memfd_secret is unavailable (", daemon.log_text())
        self.assertIn("mlock is refused (", daemon.log_text())

    def test_a_file_that_may_not_grow_fails_writes_and_nothing_else(self) -> None:
        daemon = self.running()
        with daemon.client() as client:
            client.store("u", "c", b"value")
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (4_096, resource.RLIM_INFINITY))
            for number in range(20):
                with self.assertRaises(CallFailed) as failed:
                    client.store("u", f"d{number}", b"x" * 1_000)
                self.assertIn(failed.exception.status, (Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED))
            resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

            def stores() -> bool:
                try:
                    client.store("u", "after", b"value")
                    return True
                except CallFailed:
                    return False

            eventually("Stores work again", 15, stores)
            self.assertEqual(client.get("u", "c", max_age_ms=0).credential, b"value")


class FullDisk(StartupTest):
    """Needs root, for a small file system of the daemon's own."""

    MOUNT = 'mkdir "$0" && mount -t tmpfs -o size=2m,mode=0700 none "$0" && exec "$@"'

    def test_health_says_that_stores_fail_until_there_is_room(self) -> None:
        data = self.place.data
        daemon = self.running(through=["unshare", "--mount", "--", "sh", "-c", self.MOUNT, str(data)])
        ballast = f"/proc/{daemon.pid}/root{data}/ballast"
        with daemon.client() as client:
            client.store("u", "c", b"value")
            self.assertTrue(client.health().vaults[0].reachable)
            with open(ballast, "wb", buffering=0) as file, self.assertRaises(OSError):
                while True:
                    file.write(bytes(4_096))
            for _ in range(3):
                # What the log still had room for is not refused.
                for number in range(200):
                    try:
                        client.store("u", f"d{number}", b"x" * 30_000)
                    except CallFailed as failed:
                        self.assertEqual(failed.status, Status.RESOURCE_EXHAUSTED, failed)
                        break
                else:
                    self.fail("the disk is not full")
                self.assertEqual(client.get("u", "c", max_age_ms=0).credential, b"value")
                self.assertFalse(client.health().vaults[0].reachable, "Health is green while no Store works")
                examined = daemon.coffer("doctor")
                self.assertEqual(examined.returncode, Status.RESOURCE_EXHAUSTED, "doctor has room for its own record, and sees no more")
                self.assertFalse(client.health().vaults[0].reachable, "Health believes the doctor's small record")
            self.assertEqual(daemon.coffer("health").returncode, Status.UNAVAILABLE)
            self.assertEqual(daemon.log_text().count('"vault unavailable"'), 1)
            self.assertNotIn("vault recovered", daemon.log_text())
            os.unlink(ballast)
            eventually("Stores work again", 15, lambda: client.health().vaults[0].reachable)
            client.store("u", "c", b"another")
            eventually("the recovery is logged", 5, lambda: "vault recovered" in daemon.log_text())


    def test_start_without_room_is_no_mistake_of_the_configuration(self) -> None:
        """A unit that is not restarted on 78 would stay down."""
        fill = 'mkdir "$0" && mount -t tmpfs -o size=64k,mode=0700 none "$0" && ! cat /dev/zero > "$0/ballast" && exec "$@"'
        command = [binary("cofferd"), "--socket", self.place.socket, "--data", self.place.data]
        ended = subprocess.run(
            ["unshare", "--mount", "--", "sh", "-c", fill, self.place.data, *command], env=environment(), capture_output=True, timeout=20)
        message = ended.stderr.decode()
        self.assertEqual(ended.returncode, FAILURE, message)
        self.assertIn(f"{self.place.data}/root.key: No space left on device", message)


class Streams(StartupTest):
    """Standard streams that are closed or full."""

    def check(self, daemon: Daemon) -> None:
        with daemon.client() as client:
            client.store("u", "c", b"value")
            self.assertEqual(client.get("u", "c", max_age_ms=0).credential, b"value")
        self.assertEqual(daemon.terminate(), 0)
        for path in self.place.data.rglob("*"):
            self.assertNotIn(b"draining", path.read_bytes(), f"{path} holds a part of the log")

    def test_closed(self) -> None:
        for closed in ((0,), (1,), (2,), (1, 2), (0, 1, 2)):
            def close(closed=closed) -> None:
                for descriptor in closed:
                    os.close(descriptor)

            with self.subTest(closed=closed):
                self.check(self.running(prepare=close))

    def test_full(self) -> None:
        with open("/dev/full", "wb") as full:
            daemon = Daemon(place=self.place)
            self.addCleanup(daemon.dispose)
            daemon.spawn(output=full.fileno())
        eventually("cofferd serves", 15, daemon.serves)
        with daemon.client() as client:
            eventually("dropped lines are counted", 5, lambda: client.stats()["log_lines_dropped_total"] > 0)
        self.check(daemon)


class Links(HostTest):
    def test_the_data_folder_may_be_a_link(self) -> None:
        """systemd's DynamicUser= has /var/lib/coffer lead to /var/lib/private/coffer."""
        real = self.place.folder / "private"
        real.mkdir(0o700)
        self.place.data.symlink_to(real)
        daemon = self.running()
        with daemon.client() as client:
            client.store("u", "c", b"value")
        daemon.restart()
        with daemon.client() as client:
            self.assertEqual(client.get("u", "c").credential, b"value")
        self.assertTrue((real / "vault.db").is_file())

    def test_secrets_of_a_kubernetes_volume(self) -> None:
        """Root's, 0440, for a group of ours, behind two links."""
        volume = self.place.folder / "secret"
        (volume / "..2026").mkdir(parents=True)
        (volume / "..data").symlink_to("..2026")
        rows = {"COFFER_KEY_FILE": os.urandom(32), "CREDENTIAL_ENCRYPTION_KEY_FILE": b"correct horse battery staple\n"}
        for name, content in rows.items():
            with self.subTest(name):
                (volume / "..2026" / name).write_bytes(content)
                os.chown(volume / "..2026" / name, 0, SOMEBODY)
                (volume / "..2026" / name).chmod(0o440)
                (volume / name).symlink_to(f"..data/{name}")
                self.place.log.unlink(missing_ok=True)
                shutil.rmtree(self.place.data, ignore_errors=True)
                daemon = self.spawned(as_somebody(), env={name: str(volume / name), "COFFER_ENV": "production"})
                eventually("it serves", 15, lambda: '"serving"' in daemon.log_text())
                self.assertEqual(daemon.terminate(), 0)


class Removed(StartupTest):
    """Files that go away under the running daemon."""

    def test_a_socket_that_is_gone_is_logged(self) -> None:
        daemon = self.running()
        self.place.socket.unlink()
        eventually("it is logged", 15, lambda: "the socket was removed or replaced" in daemon.log_text())
        self.assertEqual(daemon.terminate(), 0)

    def test_a_socket_of_another_in_its_place_is_logged_and_left(self) -> None:
        daemon = self.running()
        self.place.socket.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.place.socket))
            eventually("it is logged", 15, lambda: "the socket was removed or replaced" in daemon.log_text())
            self.assertEqual(daemon.terminate(), 0)
            self.assertTrue(self.place.socket.is_socket(), "what is another's was removed")

    def test_a_database_that_is_gone_acknowledges_nothing(self) -> None:
        changes = {"removed": os.unlink, "replaced": self.replace}
        for suffix, (name, change) in itertools.product(("", "-wal"), changes.items()):
            with self.subTest(suffix=suffix, change=name):
                daemon = self.daemon()
                with daemon.client() as client:
                    client.store("u", "c", b"value")
                    change(f"{daemon.place.data}/vault.db{suffix}")
                    failed = self.assert_fails(Status.UNAVAILABLE, client.store, "u", "d", b"value")
                    self.assertIn("removed or replaced", str(failed))
                    self.assertEqual(client.get("u", "c", max_age_ms=0).credential, b"value")
                    self.assertFalse(client.health().vaults[0].reachable)
                self.assertEqual(daemon.terminate(), 0)

    @staticmethod
    def replace(path: str) -> None:
        """By a copy, as an editor or a restore does it."""
        shutil.copy2(path, f"{path}.copy")
        os.replace(f"{path}.copy", path)

    def test_a_key_ring_that_is_gone_is_not_needed(self) -> None:
        daemon = self.running()
        with daemon.client() as client:
            client.store("u", "c", b"value")
            for change in ((self.place.data / "keyring").unlink, lambda: (self.place.data / "keyring").write_bytes(b"other")):
                change()
                client.store("u", "d", b"value")
                self.assertEqual(client.get("u", "c", max_age_ms=0).credential, b"value")


class Authority:
    """A server over TLS with a certificate that is its own authority."""

    def __init__(self, folder, name: str) -> None:
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, self.key)


class Answers(BaseHTTPRequestHandler):
    """A vault that holds nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        is_health = self.path.startswith("/v1/sys/health")
        body = json.dumps({"initialized": True, "sealed": False} if is_health else {"errors": []}).encode()
        self.send_response(200 if is_health else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class QuietServer(HTTPServer):
    def handle_error(self, *_: object) -> None:
        """A handshake that fails is what a test wants."""


class RotatedAuthority(StartupTest):
    def serve(self, authority: Authority, port: int = 0) -> HTTPServer:
        server = QuietServer(("127.0.0.1", port), Answers)
        server.socket = authority.context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.addCleanup(self.stop, server)
        return server

    @staticmethod
    def stop(server: HTTPServer) -> None:
        server.shutdown()
        server.server_close()

    def test_is_read_within_seconds(self) -> None:
        old, new = Authority(self.place.folder, "old"), Authority(self.place.folder, "new")
        file = self.place.folder / "ca.pem"
        shutil.copy(old.certificate, file)
        server = self.serve(old)
        port = server.server_address[1]
        daemon = self.running(env={
            "VAULT_TYPE": "vault", "VAULT_ADDR": f"https://127.0.0.1:{port}", "VAULT_TOKEN": "s.token",
            "VAULT_CACERT": str(file)})
        with daemon.client() as client:
            def is_reachable() -> bool:
                return client.health().vaults[0].reachable

            self.assertTrue(is_reachable(), daemon.log_text())
            self.stop(server)
            self.serve(new, port)
            self.assertFalse(is_reachable(), "a certificate of an unknown authority is trusted")
            shutil.copy(new.certificate, self.place.folder / "ca.new")
            os.replace(self.place.folder / "ca.new", file)
            eventually("the new authority is trusted", 20, is_reachable, step=0.5)

    def test_a_file_of_another_kind_is_refused_at_the_start_and_by_check(self) -> None:
        good = Authority(self.place.folder, "good")
        file = self.place.folder / "ca.pem"
        for content in ("", "no PEM\n", good.certificate.read_text().replace("A", "B", 9), good.key.read_text()):
            file.write_text(content)
            env = {
                "VAULT_TYPE": "vault", "VAULT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": "s.token", "VAULT_CACERT": str(file)}
            for arguments in ([], ["--check"]):
                ended = self.start(*arguments, env=env)
                self.assert_refused(ended, CONFIGURATION, "VAULT_CACERT: ", "expected certificates in PEM form")

    def test_a_missing_file_is_refused_at_the_start_and_by_check(self) -> None:
        env = {
            "VAULT_TYPE": "vault", "VAULT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": "s.token",
            "VAULT_CACERT": "/absent/ca.pem"}
        for arguments in ([], ["--check"]):
            ended = self.start(*arguments, env=env)
            self.assert_refused(ended, CONFIGURATION, "VAULT_CACERT: ", "/absent/ca.pem")
