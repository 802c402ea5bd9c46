"""A proxy before an emulator of AWS whose reads lag behind its writes, as the service's may."""

import http.client
import http.server
import json
import sys
import threading
import time

import aws
from harness import CallFailed, Client, Status, SystemTest, eventually
from servers import Process, free_ports
from stage import Stage, configuration, new_daemon

GET = "secretsmanager.GetSecretValue"
#: By this moto sees which service is meant.
SCOPE = f"AWS4-HMAC-SHA256 Credential=k/20260101/{aws.REGION}/secretsmanager/aws4_request, SignedHeaders=host, Signature=0"


class LaggingProxy:
    """Answers reads of a secret for `lag` seconds after a write as they were answered before it."""

    def __init__(self, port: int) -> None:
        self.port, self.lag, self.old_answers = port, 0.0, 0
        self.before: dict[str, tuple[float, tuple[int, bytes]]] = {}
        self.lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = proxy.answer(self.headers["X-Amz-Target"], body)
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, target: str, body: bytes) -> tuple[int, bytes]:
        request = json.loads(body)
        name = request.get("SecretId") or request.get("Name", "")
        with self.lock:
            until, old = self.before.get(name, (0.0, None))
            if target == GET and time.monotonic() < until:
                self.old_answers += 1
                return old
            if target in [f"secretsmanager.{write}Secret" for write in ("Create", "Delete", "Restore")] + [
                    "secretsmanager.PutSecretValue"]:
                if time.monotonic() >= until:
                    old = self.ask(GET, json.dumps({"SecretId": name}).encode())
                self.before[name] = (time.monotonic() + self.lag, old)
            return self.ask(target, body)

    def ask(self, target: str, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Content-Type": "application/x-amz-json-1.1", "Authorization": SCOPE, "X-Amz-Target": target}
            connection.request("POST", "/", body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


class Lagging(SystemTest):
    @classmethod
    def setUpClass(cls) -> None:
        stage = Stage()
        cls.addClassCleanup(stage.dispose)
        (port,) = free_ports(1)
        moto = Process([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stage.folder / "moto.log")
        cls.addClassCleanup(moto.stop)
        cls.proxy = LaggingProxy(port)
        cls.addClassCleanup(cls.proxy.stop)

        def is_ready() -> bool:
            try:
                return b"ResourceNotFound" in cls.proxy.ask(GET, b'{"SecretId":"x"}')[1]
            except OSError:
                return False

        moto.wait_until(is_ready, 90)
        cls.daemon = new_daemon(
            configuration({"cloud": {"type": "aws", "region": aws.REGION, "endpoint": cls.proxy.endpoint, "timeout_ms": 1000}}),
            env={"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s" * 40})
        cls.addClassCleanup(cls.daemon.dispose)

    def test_what_does_not_catch_up_is_unavailable_and_never_cached(self) -> None:
        self.proxy.lag = 0.0
        with self.daemon.client() as client:
            client.store("user", "stuck", b"old")
            # Reads of the vault have a second.
            self.proxy.lag = 4.0
            client.store("user", "stuck", b"new")
            self.assert_fails(Status.UNAVAILABLE, client.get, "user", "stuck", max_age_ms=0)
            self.assertEqual(client.get("user", "stuck").credential, b"new")
            client.invalidate(all=True)
            self.assert_fails(Status.UNAVAILABLE, client.get, "user", "stuck")
            health = self.daemon.coffer("vaults", "--json")
            self.assertIn(b'"closed"', health.stdout)
            eventually("the service has caught up", 15, lambda: self.finds(client, b"new"))

    def finds(self, client: Client, credential: bytes) -> bool:
        try:
            found = client.get("user", "stuck", max_age_ms=0).credential
        except CallFailed:
            return False
        self.assertEqual(found, credential)
        return True
