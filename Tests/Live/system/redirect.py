"""A node of a cluster that sends its clients to the active one."""

import http.server
import ssl
import threading

from harness import Status, SystemTest
from stage import Audit, Stage, configuration, new_daemon


class Standby:
    """Answers every request with 307 and the same path at another address."""

    def __init__(self, stage: Stage, active: str) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(307)
                self.send_header("Location", active + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(stage.folder / "server.pem", stage.folder / "server.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.address = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Redirect(SystemTest):
    time_limit = 60

    def setUp(self) -> None:
        self.stage = Stage()
        self.addCleanup(self.stage.dispose)
        self.bao = self.stage.bao("active")
        self.standby = Standby(self.stage, self.bao.address)
        self.addCleanup(self.standby.stop)

    def daemon_with(self, nodes: list[str]):
        daemon = new_daemon(configuration(
            {"main": self.stage.vault(self.bao, address=self.standby.address, nodes=nodes)}))
        self.addCleanup(daemon.dispose)
        return daemon

    def test_a_named_node_is_gone_to(self) -> None:
        with self.daemon_with([self.bao.address]).client() as client:
            client.store("user", "c", b"value")
            self.assertEqual(client.get("user", "c", max_age_ms=0).credential, b"value")

    def test_no_other_gets_the_secret_id_or_a_token(self) -> None:
        before = Audit(self.bao).count()
        daemon = self.daemon_with([])
        result = daemon.coffer("get", "user", "c")
        # It may be another node in a moment, so that this says nothing of records.
        self.assertEqual(result.returncode, Status.UNAVAILABLE, result.stderr)
        self.assertIn(b"add that node's address to nodes", result.stderr)
        self.assertEqual(Audit(self.bao).count(), before)
