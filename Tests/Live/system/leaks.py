"""No credential, token or signature where none may be: log, failures, environment, command lines."""

import json
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aws
from harness import CallFailed, Canaries, SystemTest
from harness.canary import disguises
from openbao import ROOT_TOKEN
from servers import free_ports
from stage import ROLE_ID, Stage, configuration, new_daemon
from tap import Tap


class Parrot(ThreadingHTTPServer):
    """A vault that refuses everything, and says in its error all that it was sent."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
            words = f"{self.path} {self.headers} {sent}"
            self.server.heard += words.encode()
            self.server.count += 1
            body = json.dumps({"errors": [words], "__type": "InvalidRequestException", "message": words}).encode()
            self.send_response((400, 403, 500, 503)[self.server.count % 4])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = do_LIST = do_PATCH = answer

        def log_message(self, *_: object) -> None:
            pass

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.heard, self.count = b"", 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Secrets:
    """What must not be found, in every disguise."""

    def __init__(self) -> None:
        self.words: dict[bytes, str] = {}
        self._patterns: dict[bytes, str] = {}

    def add(self, what: str, *words: bytes | str) -> None:
        for word in words:
            word = word.encode() if isinstance(word, str) else word
            assert len(word) >= 16, f"{what} is too short to be looked for"
            self.words[word] = what
            self._patterns |= {pattern: f"{what} ({name})" for name, pattern in disguises(word).items()}

    def find(self, data: bytes) -> list[str]:
        return [name for pattern, name in self._patterns.items() if pattern in data]


class Leaks(SystemTest):
    """One busy daemon with the log at its most talkative, in front of vaults of which most refuse it."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.canaries, cls.secrets, cls.failures = Canaries(), Secrets(), []
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.dispose)
        cls.bao = cls.stage.bao("leaks")
        cls.aws = aws.AWS()
        cls.addClassCleanup(cls.aws.stop)
        cls.aws.start(cls.stage.folder)
        cls.bao_tap = Tap(int(cls.bao.address.rpartition(":")[2]), cls.stage.folder)
        cls.aws_tap = Tap(int(cls.aws.endpoint.rpartition(":")[2]))
        cls.parrot = Parrot()
        for each in (cls.bao_tap.close, cls.aws_tap.close, cls.parrot.shutdown):
            cls.addClassCleanup(each)
        vaults = cls.hashicorp_vaults() | cls.aws_vaults()
        cls.names = list(vaults)
        cls.daemon = new_daemon(configuration(vaults), env=cls.env)
        cls.addClassCleanup(cls.daemon.dispose)
        cls.answers = b""
        for name in cls.names:
            cls.use(name)
        cls.ask_as_an_operator()
        cls.bao.seal()
        cls.use("token")
        cls.bao.process.kill()
        cls.use("approle")
        cls.harvest()

    # What the daemon is given

    @classmethod
    def secret(cls, what: str) -> str:
        """A new one that is easy to find again."""
        word = cls.canaries.new().decode()
        cls.secrets.add(what, word)
        return word

    @classmethod
    def token(cls, *policies: str) -> str:
        token = cls.secret("a token")
        cls.bao.require("POST", "auth/token/create", {"id": token, "policies": list(policies), "ttl": "1h"})
        return token

    @classmethod
    def secret_id(cls) -> str:
        word = cls.secret("a secret id")
        cls.bao.require("POST", "auth/approle/role/app/custom-secret-id", {"secret_id": word})
        return word

    @classmethod
    def hashicorp_vaults(cls) -> dict[str, dict[str, object]]:
        cls.env = {
            "COFFER_LOG_LEVEL": "trace", "VAULT_TOKEN": cls.token("app"), "VAULT_SECRET_ID": cls.secret_id(),
            "CREDENTIAL_ENCRYPTION_KEY": cls.secret("the passphrase")}
        address, ca = f"https://127.0.0.1:{cls.bao_tap.port}", cls.bao.ca

        def vault(name: str, **changes: object) -> dict[str, object]:
            if "file" in changes:
                token = cls.stage.file(f"{name}.token", changes.pop("file"))
                changes |= {"token_file": token, "auth": "token-file"}
            return {"type": "vault", "address": address, "ca_file": ca, "timeout_ms": 2_000} | changes

        def approle(file: Path | None = None) -> dict[str, object]:
            return {"auth": "approle", "role_id": ROLE_ID, "secret_id_file": file}

        return {
            "token": vault("token", auth="token"),
            "approle": vault("approle", **approle()),
            "tokenfile": vault("tokenfile", file=cls.token("app")),
            "json": vault("json", file=cls.token("app"), format="json"),
            "idfile": vault("idfile", **approle(cls.stage.file("good.id", cls.secret_id()))),
            "badtoken": vault("badtoken", file=cls.secret("a wrong token")),
            "badid": vault("badid", **approle(cls.stage.file("bad.id", cls.secret("a wrong secret id")))),
            "norights": vault("norights", file=cls.token("default")),
            "nobody": vault("nobody", file=cls.secret("a token"), address=f"https://127.0.0.1:{free_ports(1)[0]}"),
            "wrongca": vault("wrongca", file=cls.secret("a token"), ca_file=cls.stage.folder / "other-ca.pem"),
            "parrot": vault("parrot", file=cls.secret("a token"), ca_file=None, format="json",
                            address=f"http://127.0.0.1:{cls.parrot.server_port}"),
        }

    @classmethod
    def aws_vaults(cls) -> dict[str, dict[str, object]]:
        key, secret = cls.aws.users["app"]
        nobody, nobodys_secret = cls.aws.users["nobody"]
        sts = aws.client("sts", cls.aws.endpoint, (key, secret))
        role = aws.client("iam", cls.aws.endpoint, aws.ROOT).get_role(RoleName="coffer")["Role"]["Arn"]
        session = sts.assume_role(RoleArn=role, RoleSessionName="leaks")["Credentials"]
        cls.secrets.add("an AWS secret key", secret, nobodys_secret, session["SecretAccessKey"])
        cls.secrets.add("an AWS session token", session["SessionToken"])
        profiles = cls.stage.file("credentials", "".join(
            f"[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {word}\n{more}" for name, id, word, more in (
                ("session", session["AccessKeyId"], session["SecretAccessKey"],
                 f"aws_session_token = {session['SessionToken']}\n"),
                ("nobody", nobody, nobodys_secret, ""), ("wrong", key, cls.secret("a wrong AWS secret key"), ""))))
        cls.env |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret,
                    "AWS_SHARED_CREDENTIALS_FILE": str(profiles)}
        endpoint = f"http://127.0.0.1:{cls.aws_tap.port}"
        vault = {"type": "aws", "region": aws.REGION, "endpoint": endpoint, "timeout_ms": 2_000}
        return {
            "cloud": vault, "session": vault | {"profile": "session"}, "denied": vault | {"profile": "nobody"},
            "badcloud": vault | {"profile": "wrong"},
            "awsparrot": vault | {"endpoint": f"http://127.0.0.1:{cls.parrot.server_port}", "format": "json"},
        }

    # What it is asked to do

    @classmethod
    def use(cls, vault: str) -> None:
        """Every call, with canaries for credentials."""
        user = f"{vault}-user"
        with cls.daemon.client(30) as client:
            def attempt(call, *arguments, **fields):
                try:
                    return call(*arguments, **fields)
                except CallFailed as error:
                    cls.failures.append((vault, str(error)))
                    cls.answers += error.failure.SerializeToString()

            for number in range(3):
                credential = cls.secret("a credential").encode()
                text = b'{"apiKey":"%s"}' % credential
                attempt(client.store, user, f"c{number}", text, labels={} if "json" in vault else {"n": str(number)})
                answer = attempt(client.get, user, f"c{number}", max_age_ms=0)
                assert answer is None or answer.credential == text, f"{vault}: another credential"
            attempt(client.store, user, "c0", cls.secret("a credential").encode(), if_absent=True)
            attempt(client.store, user, "c0", cls.secret("a credential").encode(), if_version="another")
            attempt(client.store, user, "c0", cls.secret("a credential").encode() * 4_000)
            for result in client.get_many([(user, f"c{number}") for number in range(5)], max_age_ms=0):
                cls.answers += result.failure.SerializeToString()
            attempt(client.list, user)
            attempt(client.delete, user, "c1")

    @classmethod
    def ask_as_an_operator(cls) -> None:
        cls.statuses = {}
        for command in (["vaults"], ["doctor"], ["health"], ["stats"], ["list", "token-user"], ["list", "cloud-user"]):
            for flags in ([], ["--json"]):
                ended = cls.daemon.coffer(*command, *flags)
                cls.answers += ended.stdout + ended.stderr
                cls.statuses[" ".join(command)] = ended.returncode

    @classmethod
    def harvest(cls) -> None:
        """What the daemon was given by the vaults, and made itself: from the other ends of its connections."""
        sent = cls.bao_tap.sent + cls.aws_tap.sent + cls.parrot.heard
        cls.signatures = set(re.findall(rb"Signature=([0-9a-f]{64})", sent))
        cls.tokens = set(re.findall(rb'"client_token":"([^"]{16,})"', cls.bao_tap.received))
        cls.tokens |= set(re.findall(rb"(?i)x-vault-token: *(\S{16,})", sent))
        cls.secrets.add("a signature", *cls.signatures)
        cls.secrets.add("a token of a login", *cls.tokens)

    # The search

    def command_lines(self) -> bytes:
        lines = b""
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                try:
                    lines += (folder / "cmdline").read_bytes() + b"\n"
                except OSError:
                    pass  # it has ended
        return lines

    def test_the_search_finds_what_was_planted(self) -> None:
        log = self.daemon.log_text().encode()[-1_000:]
        for secret in self.secrets.words:
            self.assertNotEqual(self.secrets.find(log + secret + log), [])
            self.assertNotEqual(self.secrets.find(log + secret.hex().encode() + log), [])
        word = next(word.decode() for word, what in self.secrets.words.items() if what == "a token of a login")
        child = subprocess.Popen(
            [sys.executable, "-c", "input('ready')", word], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env={"PLANTED": word})
        try:
            self.assertEqual(child.stdout.read(5), b"ready")
            self.assertNotEqual(self.secrets.find(self.command_lines()), [])
            self.assertNotEqual(self.secrets.find(Path(f"/proc/{child.pid}/environ").read_bytes()), [])
        finally:
            child.communicate(b"\n", timeout=10)

    def test_everything_was_provoked(self) -> None:
        """What happened is what the other tests are about."""
        refused = {vault for vault, _ in self.failures}
        works = {"tokenfile", "json", "idfile", "cloud", "session"}
        self.assertLessEqual(set(self.names) - works, refused)
        for vault, message in self.failures:
            if vault in works:
                self.assertRegex(message, "^(ALREADY_EXISTS|ABORTED|FAILED_PRECONDITION|INVALID_ARGUMENT)")
        codes = {message.split(":")[0] for _, message in self.failures}
        self.assertLessEqual({"UNAVAILABLE", "UNAUTHENTICATED", "PERMISSION_DENIED", "FAILED_PRECONDITION"}, codes)
        self.assertGreater(len(self.signatures), 20)
        self.assertGreaterEqual(len(self.tokens), 6)
        self.assertGreater(self.parrot.count, 5)
        self.assertIn(self.env["VAULT_TOKEN"].encode(), self.tokens)
        self.assertEqual((self.statuses["stats"], self.statuses["list token-user"]), (0, 0))
        self.assertNotIn(ROOT_TOKEN.encode(), self.tokens)

    def test_not_in_the_log(self) -> None:
        log = self.daemon.log_text()
        self.assertIn('"level":"trace"', log)
        self.assertIn("vault unavailable", log)
        self.assertEqual(self.secrets.find(log.encode()), [])

    def test_not_in_failures_nor_in_what_operators_see(self) -> None:
        said = self.answers + "\n".join(message for _, message in self.failures).encode()
        self.assertGreater(len(said), 10_000)
        self.assertEqual(self.secrets.find(said), [])

    def test_not_in_the_environment(self) -> None:
        shown = Path(f"/proc/{self.daemon.pid}/environ").read_bytes()
        self.assertIn(b"AWS_ACCESS_KEY_ID", shown)
        self.assertEqual(self.secrets.find(shown), [])

    def test_not_on_any_command_line(self) -> None:
        lines = self.command_lines()
        self.assertIn(b"cofferd", lines)
        self.assertEqual(self.secrets.find(lines), [])
