"""A credential is nowhere in a daemon at rest: each format and vault, over each version of TLS, on each way a call ends."""

import json
import ssl
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import CallFailed, Canaries, SystemTest
from harness.core import Core
from harness.options import options
from stage import Stage, configuration, new_daemon

FORMATS = ("sealed", "json", "legacy-aes")
TLS = {"tls12": ssl.TLSVersion.TLSv1_2, "tls13": ssl.TLSVersion.TLSv1_3}
#: How calls of a connection whose id begins so end; the others end well.
ENDINGS = ("echo400", "echo500", "cut", "short", "hang")


class Vaults(ThreadingHTTPServer):
    """Both kinds of vault over TLS, as far as Store, Get and Delete need them; it keeps what it is given."""

    daemon_threads = True

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = json.loads(body) if "X-Amz-Target" in self.headers else {}
            name = asked.get("SecretId") or asked.get("Name") or self.path
            ending = next((each for each in ENDINGS if f"/{each}-" in name), None)
            if ending in ("echo400", "echo500"):
                # What was sent and what it would answer: everything that an error can hold.
                words = body.decode(errors="replace") + self.server.all()
                return self.send(int(ending[4:]), {"errors": [words], "__type": "InvalidRequestException", "message": words})
            status, answer = self.aws(body) if "X-Amz-Target" in self.headers else self.hashicorp(body)
            self.send(status, answer, ending)

        do_GET = do_POST = do_PUT = do_DELETE = do_LIST = do_PATCH = answer

        def send(self, status: int, answer: dict, ending: str | None = None) -> None:
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if ending == "hang":
                self.wfile.write(text[:-1])
                self.server.over.wait(10)
            self.wfile.write(text[:-1] if ending in ("cut", "short", "hang") else text)
            self.close_connection = ending is not None
            if ending == "cut":
                self.connection.shutdown(2)

        def hashicorp(self, body: bytes) -> tuple[int, dict]:
            path, kept = self.path.split("?")[0], self.server.kept
            if path.startswith("/v1/secret/data/"):
                if self.command in ("POST", "PUT"):
                    kept[path] = json.loads(body)["data"]
                    return 200, {"data": self.metadata()}
                if path not in kept:
                    return 404, {"errors": []}
                return 200, {"data": {"data": kept[path], "metadata": self.metadata()}}
            if path.startswith("/v1/secret/metadata/"):
                return 200, {"data": {}}
            return 200, {"data": {"options": {"version": "2"}, "type": "kv", "path": "secret/", "ttl": 3600, "renewable": False}}

        @staticmethod
        def metadata() -> dict:
            return {"created_time": "2026-01-01T00:00:00.5Z", "deletion_time": "", "destroyed": False, "version": 1,
                    "custom_metadata": None}

        def aws(self, body: bytes) -> tuple[int, dict]:
            call, asked, kept = self.headers["X-Amz-Target"].partition(".")[2], json.loads(body), self.server.kept
            name = asked.get("SecretId") or asked.get("Name")
            if call == "CreateSecret" or (call == "PutSecretValue" and name in kept):
                kept[name] = asked["SecretString"]
                return 200, {"Name": name, "VersionId": asked["ClientRequestToken"]}
            if name not in kept:
                return 400, {"__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find it."}
            return 200, {"Name": name, "VersionId": "v" * 36, "SecretString": kept[name], "CreatedDate": 1.7e9}

        def log_message(self, *_: object) -> None:
            pass

    def __init__(self, folder: Path, version: ssl.TLSVersion) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = self.context.maximum_version = version
        self.context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self.kept: dict[str, object] = {}
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def finish_request(self, request, client_address) -> None:
        """The handshake belongs to the thread of the connection."""
        with self.context.wrap_socket(request, server_side=True) as secured:
            self.RequestHandlerClass(secured, client_address, self)

    def handle_error(self, request, client_address) -> None:
        """The daemon hangs up where an answer makes no sense."""

    def all(self) -> str:
        return json.dumps(self.kept)


class Idle(SystemTest):
    time_limit = 1_000

    def setUp(self) -> None:
        self.canaries = Canaries()
        self.stage = Stage()
        self.addCleanup(self.stage.dispose)
        self.servers = {name: Vaults(self.stage.folder, version) for name, version in TLS.items()}
        for server in self.servers.values():
            self.addCleanup(server.shutdown)
            self.addCleanup(server.over.set)
        self.key = self.canaries.new().decode()
        self.serving = new_daemon(configuration(self.vaults()), env={
            "CREDENTIAL_ENCRYPTION_KEY": self.key, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_REGION": "eu-central-1",
            "AWS_SECRET_ACCESS_KEY": "an-example-of-a-secret-key"})
        self.addCleanup(self.serving.dispose)

    def vaults(self) -> dict[str, dict[str, object]]:
        token = self.stage.file("token", "a-token-of-the-vault")
        found: dict[str, dict[str, object]] = {}
        for tls, server in self.servers.items():
            address = f"https://127.0.0.1:{server.server_port}"
            for form in FORMATS:
                common = {"format": form, "timeout_ms": 1_000, "ca_file": self.stage.folder / "ca.pem"}
                name = f"{form[:6].rstrip('-')}-{tls}"
                found[f"bao-{name}"] = common | {
                    "type": "vault", "address": address, "auth": "token-file", "token_file": token}
                found[f"aws-{name}"] = common | {
                    "type": "aws", "endpoint": address, "region": "eu-central-1", "allow_addresses": ["loopback"]}
        return found

    def credential(self) -> bytes:
        """Longer and shorter than a record of TLS."""
        self.made = getattr(self, "made", 0) + 1
        words = b" ".join(self.canaries.new() for _ in range(1 if self.made % 3 else 600))
        return b'{"apiKey":"%s"}' % words

    def use(self, vault: str, ended: Counter) -> None:
        with self.serving.client(30) as client:
            def attempt(call, *arguments, **fields):
                try:
                    answer = call(*arguments, **fields)
                    ended["OK"] += 1
                    return answer
                except CallFailed as failed:
                    ended[str(failed).split(":")[0]] += 1

            for number in range(4):
                credential = self.credential()
                attempt(client.store, f"{vault}-u", f"c{number}", credential)
                answer = attempt(client.get, f"{vault}-u", f"c{number}", max_age_ms=0)
                self.assertEqual(json.loads(answer.credential), json.loads(credential))
            client.get_many([(f"{vault}-u", f"c{number}") for number in range(4)], max_age_ms=0)
            for ending in ENDINGS:
                attempt(client.store, f"{vault}-u", f"{ending}-1", self.credential())
                attempt(client.get, f"{vault}-u", f"{ending}-1", max_age_ms=0)

    def test_no_credential_is_in_a_daemon_at_rest(self) -> None:
        self.ended: dict[str, Counter] = {vault: Counter() for vault in self.vaults()}
        users = [threading.Thread(target=self.use, args=each) for each in self.ended.items()]
        for user in users:
            user.start()
        for user in users:
            user.join()
        for vault in self.ended:
            with self.subTest(vault=vault):
                self.assertGreaterEqual(self.ended[vault]["OK"], 8)
                self.assertGreaterEqual(sum(self.ended[vault].values()) - self.ended[vault]["OK"], 6, self.ended[vault])
        since = time.monotonic()
        for seconds in (1, 60, 600) if options.soak else (1,):
            time.sleep(max(0, since + seconds - time.monotonic()))
            core = Core.take(self.serving.pid, self.stage.folder)
            found = Counter(core.find(self.canaries))
            core.remove()
            self.assertEqual(len(found), 0, f"after {seconds} s:\n" + "\n".join(
                f"{count} x {what}" for what, count in found.most_common(20)))
