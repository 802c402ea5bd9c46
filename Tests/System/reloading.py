"""SIGHUP: what changes while the daemon runs, what stays as it was, and that no call notices."""

import errno
import json
import os
import shutil
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import CallFailed, Daemon, Place, Status, SystemTest, eventually, options
from host import Authority, QuietServer

RELOADED = "reloaded the configuration"


class TokenVault:
    """HashiCorp's interface without a record: notes the tokens and logins that it sees, and refuses the tokens that it does
    not know."""

    def __init__(self, authority: Authority | None = None, port: int = 0) -> None:
        self.known: set[str] = set()
        self.tokens: list[str] = []
        self.logins: list[dict] = []
        vault = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status: int, body: object) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                if self.path.startswith("/v1/sys/health"):
                    return self.answer(200, {"initialized": True, "sealed": False})
                token = self.headers.get("X-Vault-Token", "")
                vault.tokens.append(token)
                if token not in vault.known:
                    return self.answer(403, {"errors": ["permission denied"]})
                if self.path.endswith("/lookup-self"):
                    return self.answer(200, {"data": {"ttl": 0}})
                return self.answer(404, {"errors": []})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                vault.logins.append(body)
                token = f"token of {body['secret_id']}".replace(" ", "-")
                vault.known.add(token)
                self.answer(200, {"auth": {"client_token": token, "lease_duration": 3600, "renewable": False}})

            def log_message(self, *_: object) -> None:
                pass

        server = type("Server", (QuietServer, ThreadingHTTPServer), {})
        self.server = server(("127.0.0.1", port), Handler)
        self.scheme = "http"
        if authority is not None:
            self.scheme = "https"
            self.server.socket = authority.context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.address = f"{self.scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Caller(threading.Thread):
    """Calls of every kind, one after another, until it is stopped; what has failed."""

    def __init__(self, daemon: Daemon, number: int) -> None:
        super().__init__(daemon=True)
        self.client = daemon.client()
        self.number = number
        self.calls = 0
        self.failures: list[str] = []
        self.is_stopped = False

    def run(self) -> None:
        try:
            with self.client as client:
                user = f"u{self.number}"
                while not self.is_stopped:
                    client.store(user, "c", b"%d" % self.calls)
                    assert client.get(user, "c", max_age_ms=0).credential == b"%d" % self.calls
                    assert client.get_many([(user, "c"), (user, "none")])[0].record.credential == b"%d" % self.calls
                    client.health()
                    self.calls += 4
                assert not client.went_away, "the connection was told to go"
        except Exception as error:
            self.failures.append(repr(error))


class Reloading(SystemTest):
    def reload(self, daemon: Daemon, config: str | None = None) -> str:
        """Puts the configuration there, sends SIGHUP, and waits; what the log says then."""
        if config is not None:
            new = daemon.place.config.with_suffix(".new")
            new.write_text(config)
            new.rename(daemon.place.config)
        before, said = len(daemon.log_text()), [""]
        os.kill(daemon.pid, signal.SIGHUP)

        def is_told() -> bool:
            said.append(daemon.log_text()[before:])
            return "reloaded" in said[-1] and said[-1] == said[-2]

        eventually("the log tells of the reload", 10, is_told, step=0.05)
        return said[-1]

    def folder(self) -> Path:
        place = Place()
        self.addCleanup(place.remove)
        return place.folder

    def file(self, folder: Path, name: str, text: str) -> Path:
        """Written whole and closed to others, as those who rotate tokens do."""
        path, new = folder / name, folder / f"{name}.new"
        new.touch(mode=0o600)
        new.write_text(text)
        new.rename(path)
        return path

    # Settings

    def test_log_level(self) -> None:
        daemon = self.daemon(config="log: {level: info, format: text}\n")
        with daemon.client():
            pass
        self.assertNotIn("connected", daemon.log_text())
        self.assertIn("log.level = trace", self.reload(daemon, "log: {level: trace, format: text}\n"))
        with daemon.client() as client:
            client.health()
        eventually("connections are logged", 5, lambda: "connected" in daemon.log_text())
        self.reload(daemon, "log: {level: info, format: text}\n")
        before = daemon.log_text().count("connected")
        with daemon.client() as client:
            client.health()
        self.assertEqual(daemon.log_text().count("connected"), before)

    def test_limits_hold_from_then_on_and_open_connections_stay(self) -> None:
        daemon = self.daemon(config="limits: {connections_per_uid: 3}\n")
        with daemon.client() as first, daemon.client() as second, daemon.client() as third:
            for client in (first, second, third):
                self.assertEqual(client.stats()["limit_connections_per_uid"], 3)
            self.reload(daemon, "limits: {connections_per_uid: 1, calls_per_connection: 7, drain_seconds: 1s}\n")
            self.assertEqual(first.stats()["limit_connections_per_uid"], 1)
            self.assertEqual(first.stats()["limit_calls_per_connection"], 7)
            for client in (second, third):
                client.store("u", "c", b"value")
            with daemon.client() as refused, self.assertRaises(CallFailed):
                refused.health()
            self.reload(daemon, "limits: {connections_per_uid: 4, drain_seconds: 1s}\n")
            with daemon.client() as fourth:
                self.assertEqual(fourth.stats()["limit_calls_per_connection"], 1_024)
            started = time.monotonic()
            self.assertEqual(daemon.terminate(), 0)
            self.assertLess(time.monotonic() - started, 3, "the drain goes by the old drain_seconds")

    def test_what_needs_a_restart_is_named(self) -> None:
        daemon = self.daemon(config="reactors: 1\n")
        said = self.reload(
            daemon, "reactors: 2\nlimits: {calls: 99, frame_bytes: 512KiB}\nvaults: {m: {type: memory}}\n")
        self.assertIn("limits.calls = 99", said)
        restart = next(line for line in said.splitlines() if "need a restart" in line)
        for name in ("reactors", "limits.frame_bytes", "vaults.m"):
            self.assertIn(name, restart)
        with daemon.client() as client:
            stats = client.stats()
            self.assertEqual((stats["limit_calls"], stats["reactors"]), (99, 1))

    def test_a_mistake_keeps_everything_as_it_was(self) -> None:
        daemon = self.daemon(config="limits: {calls: 100}\n")
        said = self.reload(daemon, "limits: {calls: 200, connections: many}\nlgo: {level: debug}\n")
        self.assertEqual(said.count("was not reloaded"), 2, said)
        for words in ("coffer.yaml:1:", "limits.connections: expected", "unknown setting lgo"):
            self.assertIn(words, said)
        daemon.place.config.unlink()
        self.assertIn("was not reloaded", self.reload(daemon))
        with daemon.client() as client:
            self.assertEqual(client.stats()["limit_calls"], 100)
            self.reload(daemon, "limits: {calls: 200}\n")
            self.assertEqual(client.stats()["limit_calls"], 200)

    # Files

    def test_authorities_are_read_at_once(self) -> None:
        folder = self.folder()
        old, new = Authority(folder, "old"), Authority(folder, "new")
        ca = folder / "ca.pem"
        shutil.copy(old.certificate, ca)
        vault = TokenVault(old)
        vault.known.add("s.token")
        daemon = self.daemon(env={
            "VAULT_TYPE": "vault", "VAULT_ADDR": vault.address, "VAULT_TOKEN": "s.token", "VAULT_CACERT": str(ca)})
        with daemon.client() as client:
            self.assertTrue(client.health().vaults[0].reachable, daemon.log_text())
            vault.close()
            vault = TokenVault(new, vault.port)
            self.addCleanup(vault.close)
            vault.known.add("s.token")
            self.assertFalse(client.health().vaults[0].reachable)
            ca.write_text("no certificate")
            said = self.reload(daemon)
            for words in ("not reloaded", "ca_file", "expected certificates in PEM form"):
                self.assertIn(words, said)
            shutil.copy(new.certificate, ca)
            said = self.reload(daemon)
            # Once in a long while the look every two seconds comes between the copy and the signal.
            self.assertTrue("vault: TLS files" in said or "read changed TLS files" in daemon.log_text(), said)
            self.assertTrue(client.health().vaults[0].reachable, daemon.log_text())

    def test_a_breaker_lets_the_next_call_through_once_the_authority_is_right(self) -> None:
        folder = self.folder()
        wrong, right = Authority(folder, "wrong"), Authority(folder, "right")
        ca = folder / "ca.pem"
        shutil.copy(wrong.certificate, ca)
        vault = TokenVault(right)
        self.addCleanup(vault.close)
        vault.known.add("s.token")
        daemon = self.daemon(env={
            "VAULT_TYPE": "vault", "VAULT_ADDR": vault.address, "VAULT_TOKEN": "s.token", "VAULT_CACERT": str(ca)})
        with daemon.client() as client:
            failed = self.assert_fails(Status.FAILED_PRECONDITION, client.get, "u", "c")
            self.assertIn("no trusted authority issued its certificate", str(failed))
            for _ in range(5):
                with self.assertRaises(CallFailed):
                    client.get("u", "c")
            failed = self.assert_fails(Status.UNAVAILABLE, client.get, "u", "c")
            self.assertRegex(str(failed), "not asked for another [0-9]+s.*could not prove who it is")
            shutil.copy(right.certificate, ca)
            self.reload(daemon)
            self.assert_fails(Status.NOT_FOUND, client.get, "u", "c")

    def remote(self, **settings: object) -> tuple[TokenVault, Daemon]:
        vault = TokenVault()
        self.addCleanup(vault.close)
        values = json.dumps({"type": "vault", "address": vault.address} | settings, default=str)
        return vault, self.daemon(config=f"vaults: {{kv: {values}}}\nroutes: [{{vault: kv}}]\ncache: {{negative_seconds: 0}}\n")

    def test_a_hang_up_during_the_start_is_a_reload_after_it(self) -> None:
        place = Place()
        self.addCleanup(place.remove)
        os.mkfifo(place.config)
        daemon = Daemon("--config", place.config, place=place).spawn()
        self.addCleanup(daemon.dispose)
        for level in ("info", "debug"):
            # Opens once the daemon reads.
            with place.config.open("w") as pipe:
                daemon.process.send_signal(signal.SIGHUP)
                time.sleep(0.05)
                pipe.write(f"log: {{level: {level}}}\n")
            if level == "info":
                eventually("it serves", 15, daemon.serves)
        eventually("the reload", 10, lambda: RELOADED in daemon.log_text())
        self.assertIn("debug", daemon.log_text())
        # The second signal came while the file was read: one reload more.
        with place.config.open("w") as pipe:
            pipe.write("log: {level: debug}\n")
        self.assertEqual(daemon.terminate(), 0)

    def test_token_file_is_read_at_once(self) -> None:
        folder = self.folder()
        token = self.file(folder, "token", "token-one\n")
        vault, daemon = self.remote(auth="token-file", token_file=token)
        vault.known |= {"token-one", "token-two"}
        with daemon.client() as client:
            with self.assertRaisesRegex(CallFailed, "NOT_FOUND"):
                client.get("u", "c")
            self.assertEqual(set(vault.tokens), {"token-one"})
            self.file(folder, "token", "token-two\n")
            self.assertIn("vaults.kv: credentials", self.reload(daemon))
            vault.known.remove("token-one")
            vault.tokens.clear()
            with self.assertRaisesRegex(CallFailed, "NOT_FOUND"):
                client.get("u", "c")
            self.assertEqual(set(vault.tokens), {"token-two"})
            self.assertNotIn("vaults.kv", self.reload(daemon), "a token that is the same is told as new")
            token.unlink()
            said = self.reload(daemon)
            self.assertIn("not reloaded", said)
            self.assertIn(str(token), said)
        for secret in ("token-one", "token-two"):
            self.assertNotIn(secret, daemon.log_text())

    def test_a_new_secret_id_logs_in_at_once_and_an_old_one_not_again(self) -> None:
        folder = self.folder()
        secret_id = self.file(folder, "id", "first\n")
        vault, daemon = self.remote(auth="approle", role_id="role", secret_id_file=secret_id)
        with daemon.client() as client:
            with self.assertRaisesRegex(CallFailed, "NOT_FOUND"):
                client.get("u", "c")
            self.reload(daemon)
            self.assertEqual([login["secret_id"] for login in vault.logins], ["first"])
            self.file(folder, "id", "second\n")
            self.assertIn("vaults.kv: credentials", self.reload(daemon))
            self.assertEqual([login["secret_id"] for login in vault.logins], ["first", "second"])
            vault.tokens.clear()
            with self.assertRaisesRegex(CallFailed, "NOT_FOUND"):
                client.get("u", "c")
            self.assertEqual(set(vault.tokens), {"token-of-second"})

    # Under load, and at bad moments

    def test_no_call_fails_under_load(self) -> None:
        daemon = self.daemon(config="limits: {calls: 1000}\n")
        callers = [Caller(daemon, number) for number in range(6)]
        for caller in callers:
            caller.start()
        end = time.monotonic() + options.sized(3, 60)
        count = 0
        while time.monotonic() < end:
            count += 1
            self.reload(daemon, f"limits: {{calls: {1_000 + count}}}\nlog: {{level: {('info', 'debug')[count % 2]}}}\n")
        for caller in callers:
            caller.is_stopped = True
        for caller in callers:
            caller.join(20)
            self.assertEqual(caller.failures, [])
            self.assertGreater(caller.calls, 50, "there was no load")
        self.assertGreater(count, 5)
        with daemon.client() as client:
            self.assertEqual(client.stats()["limit_calls"], 1_000 + count)

    def test_no_call_to_a_vault_fails_while_its_token_is_replaced(self) -> None:
        folder = self.folder()
        token = self.file(folder, "token", "t0\n")
        vault, daemon = self.remote(auth="token-file", token_file=token)
        vault.known |= {f"t{number}" for number in range(1_000)}
        failures: list[str] = []
        is_over = threading.Event()

        def ask() -> None:
            with daemon.client() as client:
                while not is_over.is_set():
                    try:
                        client.get("u", "c", max_age_ms=0)
                        failures.append("a record came from nowhere")
                    except CallFailed as failure:
                        if failure.status.name != "NOT_FOUND":
                            failures.append(str(failure))

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1, options.sized(12, 200)):
            self.file(folder, "token", f"t{number}\n")
            self.reload(daemon)
        is_over.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(failures, [])
        self.assertGreater(len(vault.tokens), 50, "there was no load")

    def test_a_storm_ends_with_the_last_configuration_and_a_short_log(self) -> None:
        daemon = self.daemon(config="limits: {calls: 1}\n")
        for number in range(2, 502):
            daemon.place.config.with_suffix(".new").write_text(f"limits: {{calls: {number}}}\n")
            daemon.place.config.with_suffix(".new").rename(daemon.place.config)
            for _ in range(4):
                os.kill(daemon.pid, signal.SIGHUP)
        with daemon.client() as client:
            eventually("the last configuration is in force", 10, lambda: client.stats()["limit_calls"] == 501)
        self.assertLess(daemon.log_text().count(RELOADED), 200)
        for _ in range(100):
            os.kill(daemon.pid, signal.SIGHUP)
        daemon.process.terminate()
        for _ in range(100):
            os.kill(daemon.pid, signal.SIGHUP)
        self.assertEqual(daemon.process.wait(10), 0)

    @staticmethod
    def writer(fifo: Path) -> int | None:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return None

    def test_it_stops_while_a_reload_hangs(self) -> None:
        daemon = self.daemon(config="limits: {calls: 100}\n")
        daemon.place.config.unlink()
        os.mkfifo(daemon.place.config)
        os.kill(daemon.pid, signal.SIGHUP)
        # It can be opened for writing once somebody reads it; nothing is ever written.
        writing = eventually("the reload reads the file", 10, lambda: self.writer(daemon.place.config))
        self.addCleanup(os.close, writing)
        with daemon.client() as client:
            client.store("u", "c", b"value")
        started = time.monotonic()
        self.assertEqual(daemon.terminate(), 0)
        self.assertLess(time.monotonic() - started, 3)

    def test_a_signal_during_the_drain_is_ignored(self) -> None:
        daemon = self.daemon(config="limits: {calls: 100}\n")
        with daemon.client() as client:
            client.health()
            daemon.process.terminate()
            eventually("it drains", 10, lambda: "draining" in daemon.log_text())
            daemon.place.config.write_text("limits: {calls: 200}\n")
            os.kill(daemon.pid, signal.SIGHUP)
            self.assertEqual(daemon.process.wait(10), 0)
        self.assertNotIn(RELOADED, daemon.log_text())
