#!/usr/bin/env python3
"""Records shared with the TypeScript code: the built daemon, node's own crypto, and each vault's own client.

    python3 Tests/Live/formats.py --bin .build/release [-k PATTERN]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "System")]

import run  # noqa: E402

run.enter_environment()

import aws  # noqa: E402
import guide  # noqa: E402
import hvac_interop  # noqa: E402
import openbao  # noqa: E402
from guide import PASSPHRASE  # noqa: E402
from harness import Daemon, Status, SystemTest, messages  # noqa: E402
from harness.options import options  # noqa: E402
from servers import CannotStart, certificates  # noqa: E402

PREFIX = "ai2-connectors"
#: What the TypeScript code has: objects, written by JSON.stringify.
CREDENTIALS = [
    {"apiKey": "sk_123", "secret": "s/+="},
    {"text": "a \"quoted\" ü ☃ 🗝", "nested": {"list": [1, 2.5, True, None, ""]}, "big": 9007199254740991},
    {"certificate": "0123456789abcdef" * 1500},
    {},
]


def stringify(credential: dict) -> str:
    """As JSON.stringify has it."""
    return json.dumps(credential, ensure_ascii=False, separators=(",", ":"))


def node(command: str, text: str, passphrase: str = PASSPHRASE) -> subprocess.CompletedProcess:
    """legacy.mjs, run to its end; its output as bytes."""
    return subprocess.run(
        ["node", str(HERE / "legacy.mjs"), command], input=text.encode(), capture_output=True, timeout=60,
        env={"PATH": os.environ["PATH"], "CREDENTIAL_ENCRYPTION_KEY": passphrase})


class Shared:
    """The tests; each vault says how its own client writes and reads a text."""

    #: Settings for a server that keeps the ids of versions as they are given.
    exact: dict[str, object] = {}

    def settings(self) -> tuple[dict[str, str], dict[str, str]]:
        """The vault in the configuration, without its format, and the variables of the daemon."""
        raise NotImplementedError

    def put(self, connection: str, text: str) -> None:
        raise NotImplementedError

    def fetch(self, connection: str) -> str:
        raise NotImplementedError

    def started(self, form: str, passphrase: str = PASSPHRASE, **more: object) -> Daemon:
        """A daemon on the vault with a data folder of its own, with the passphrase in a file."""
        vault, variables = self.settings()
        file = tempfile.NamedTemporaryFile(mode="w", prefix="coffer-passphrase-")
        self.addCleanup(file.close)
        file.write(passphrase + "\n")
        file.flush()
        text = json.dumps({"vaults": {"shared": vault | {"format": form} | more}})
        return self.daemon(config=text, env=variables | {"CREDENTIAL_ENCRYPTION_KEY_FILE": file.name})

    def printed(self, daemon: Daemon, connection: str) -> str:
        ended = daemon.coffer("get", self.user, connection)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout.decode()

    def store(self, daemon: Daemon, connection: str, text: str) -> None:
        ended = daemon.coffer("store", self.user, connection, stdin=text.encode())
        self.assertEqual(ended.returncode, 0, ended.stderr)

    @property
    def user(self) -> str:
        """One for each test."""
        return self.id().rpartition(".")[2].replace("_", "-")

    def test_what_node_sealed_is_read(self) -> None:
        for index, credential in enumerate(CREDENTIALS):
            sealed = node("seal", stringify(credential))
            self.assertEqual(sealed.returncode, 0, sealed.stderr)
            self.put(f"node-{index}", sealed.stdout.decode())
        # Whatever is written, all three formats are read where they are accepted.
        for form in ("legacy-aes", "json", "sealed"):
            daemon = self.started(form, accept=["sealed", "json", "legacy-aes"])
            for index, credential in enumerate(CREDENTIALS):
                with self.subTest(form=form, index=index):
                    self.assertEqual(self.printed(daemon, f"node-{index}"), stringify(credential))
            listed = daemon.coffer("list", self.user)
            self.assertEqual(len(listed.stdout.splitlines()), len(CREDENTIALS), listed)

    def test_node_opens_what_was_stored(self) -> None:
        daemon = self.started("legacy-aes")
        for index, credential in enumerate(CREDENTIALS):
            with self.subTest(index=index):
                self.store(daemon, f"coffer-{index}", stringify(credential))
                kept = self.fetch(f"coffer-{index}")
                self.assertRegex(kept, "^[0-9a-f]{32}:[0-9a-f]{32}:([0-9a-f]{2})+$")
                opened = node("open", kept)
                self.assertEqual(opened.returncode, 0, opened.stderr)
                self.assertEqual(opened.stdout.decode(), stringify(credential))
        self.assertNotEqual(node("open", self.fetch("coffer-0"), "another").returncode, 0)

    def test_json_is_the_same_for_everybody(self) -> None:
        daemon = self.started("json")
        for index, credential in enumerate(CREDENTIALS):
            with self.subTest(index=index):
                self.put(f"theirs-{index}", stringify(credential))
                self.assertEqual(json.loads(self.printed(daemon, f"theirs-{index}")), credential)
                self.store(daemon, f"ours-{index}", stringify(credential))
                self.assertEqual(json.loads(self.fetch(f"ours-{index}")), credential)

    def test_what_is_sealed_is_for_nobody_else(self) -> None:
        daemon = self.started("sealed")
        self.store(daemon, "credential", stringify(CREDENTIALS[0]))
        kept = self.fetch("credential")
        self.assertRegex(kept, "^coffer1:[A-Za-z0-9_-]+$")
        self.assertNotEqual(node("open", kept).returncode, 0)
        self.assertEqual(self.printed(daemon, "credential"), stringify(CREDENTIALS[0]))

    def test_what_is_not_sealed_is_not_taken_for_a_record(self) -> None:
        """Whoever can write to the vault may have put it there."""
        daemon = self.started("sealed")
        for name, text in (("clear", '{"apiKey":"forged"}'), ("legacy", node("seal", "{}").stdout.decode())):
            self.put(name, text)
            ended = daemon.coffer("get", self.user, name)
            self.assertEqual(ended.returncode, Status.FAILED_PRECONDITION, ended)
            self.assertIn(b"this vault accepts sealed only", ended.stderr)

    def test_a_record_in_another_format_is_marked_and_counted(self) -> None:
        daemon = self.started("sealed", accept=["sealed", "json"])
        self.put("clear", '{"apiKey":"theirs"}')
        self.store(daemon, "own", "{}")
        for source in ("vault", "memory"):
            marked = json.loads(daemon.coffer("get", self.user, "clear", "--json").stdout)
            self.assertEqual((marked.get("foreignFormat"), marked["source"]), ("json", source))
        own = json.loads(daemon.coffer("get", self.user, "own", "--json").stdout)
        self.assertIsNone(own.get("foreignFormat"))
        self.assertEqual(json.loads(daemon.coffer("stats", "--json").stdout)["records_foreign_format_total"], 1)

    def test_a_passphrase_is_enough_on_another_host(self) -> None:
        """And on the same one with a new disk."""
        self.store(self.started("sealed"), "credential", stringify(CREDENTIALS[0]))
        other = self.started("sealed")
        self.assertEqual(self.printed(other, "credential"), stringify(CREDENTIALS[0]))
        self.assertIn("no key ring was there", other.log_text())
        wrong = self.started("sealed", "another")
        self.assertEqual(wrong.coffer("get", self.user, "credential").returncode, Status.DATA_LOSS)

    def test_store_and_get_say_the_same_times(self) -> None:
        for form in ("sealed", "json", "legacy-aes"):
            with self.subTest(form=form):
                daemon = self.started(form, **self.exact)
                stored = json.loads(daemon.coffer("store", self.user, form, "--json", stdin=b'{"a":1}').stdout)
                got = json.loads(daemon.coffer("get", self.user, form, "--json", "--max-age-ms", "0").stdout)
                for name in ("version", "createdAtMs", "updatedAtMs"):
                    self.assertEqual(got[name], stored[name], name)

    def by_variables(self, **more: str) -> Daemon:
        """As the guide has it: without a file."""
        return self.daemon(env=self.guide() | {"CREDENTIAL_ENCRYPTION_KEY": PASSPHRASE} | more)

    def theirs(self, text: str) -> str:
        """A credential as the guide's program puts it into this vault."""
        return text if self.guides_format == "json" else node("seal", text).stdout.decode()

    def test_with_the_guides_variables_their_records_stay_theirs(self) -> None:
        daemon = self.by_variables()
        self.assertIn("records are written as sealed, which only daemons with this key can read", daemon.log_text())
        self.put("theirs", self.theirs('{"a":1}'))
        self.assertEqual(json.loads(self.printed(daemon, "theirs")), {"a": 1})
        self.store(daemon, "theirs", '{"a":2}')
        kept = self.fetch("theirs")
        self.assertFalse(kept.startswith("coffer1:"))
        self.assertEqual(json.loads(kept if self.guides_format == "json" else node("open", kept).stdout), {"a": 2})
        self.store(daemon, "new", '{"a":3}')
        self.assertRegex(self.fetch("new"), "^coffer1:")
        marked = json.loads(daemon.coffer("get", self.user, "theirs", "--json").stdout)
        self.assertEqual(marked["foreignFormat"], self.guides_format)

    def test_a_variable_chooses_the_format(self) -> None:
        self.put("theirs", self.theirs('{"a":1}'))
        daemon = self.by_variables(COFFER_FORMAT=self.guides_format)
        self.assertIn(f"records are written as {self.guides_format}", daemon.log_text())
        self.store(daemon, "new", '{"a":2}')
        self.assertFalse(self.fetch("new").startswith("coffer1:"))
        daemon = self.by_variables(COFFER_FORMAT="sealed")
        self.assertEqual(json.loads(self.printed(daemon, "theirs")), {"a": 1})
        self.store(daemon, "theirs", '{"a":3}')
        self.assertRegex(self.fetch("theirs"), "^coffer1:")

    def test_another_passphrase_is_said_to_be_one(self) -> None:
        self.put("credential", node("seal", stringify(CREDENTIALS[0])).stdout.decode())
        ended = self.started("legacy-aes", "another").coffer("get", self.user, "credential")
        self.assertEqual(ended.returncode, Status.DATA_LOSS, ended)
        self.assertEqual(ended.stdout, b"")
        self.assertIn(b"has another CREDENTIAL_ENCRYPTION_KEY than this daemon", ended.stderr)


class OpenBaoFormats(Shared, guide.GuideOnOpenBao, SystemTest):
    server: openbao.Server
    guides_format = "json"

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(tempfile.mkdtemp(prefix="coffer-formats-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        certificates(folder)
        cls.server = openbao.Server(folder, "main", "inmem")
        cls.addClassCleanup(cls.server.process.stop)
        cls.server.require("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        cls.kv = hvac_interop.client(cls.server.address, str(cls.server.ca), openbao.ROOT_TOKEN).secrets.kv.v2

    def settings(self) -> tuple[dict[str, str], dict[str, str]]:
        vault = {"type": "vault", "address": self.server.address, "auth": "token", "ca_file": str(self.server.ca)}
        return vault, {"VAULT_TOKEN": openbao.ROOT_TOKEN}

    def guide(self) -> dict[str, str]:
        return {"VAULT_TYPE": "vault", "VAULT_ADDR": self.server.address, "VAULT_CACERT": str(self.server.ca),
                "VAULT_TOKEN": openbao.ROOT_TOKEN}

    def put(self, connection: str, text: str) -> None:
        secret = json.loads(text) if text.startswith("{") else {"coffer": text}
        self.kv.create_or_update_secret(path=f"{PREFIX}/{self.user}/{connection}", secret=secret)

    def fetch(self, connection: str) -> str:
        answer = self.kv.read_secret_version(path=f"{PREFIX}/{self.user}/{connection}", raise_on_deleted_version=True)
        data = answer["data"]["data"]
        return data.get("coffer") or stringify(data)


class AWSFormats(Shared, guide.GuideOnAWS, SystemTest):
    guides_format = "legacy-aes"

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(tempfile.mkdtemp(prefix="coffer-formats-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.backend = aws.AWS()
        cls.addClassCleanup(cls.backend.stop)
        cls.backend.start(folder)
        cls.secrets = aws.client("secretsmanager", cls.backend.endpoint, cls.backend.users["app"])
        # MiniStack gives new secrets ids of its own, which AWS does not.
        cls.exact = {"endpoint": cls.backend.moto}

    def settings(self) -> tuple[dict[str, str], dict[str, str]]:
        key, secret = self.backend.users["app"]
        vault = {"type": "aws", "endpoint": self.backend.endpoint, "region": aws.REGION}
        return vault, {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    def guide(self) -> dict[str, str]:
        return self.settings()[1] | {"VAULT_TYPE": "aws", "AWS_REGION": aws.REGION,
                                     "AWS_ENDPOINT_URL": self.backend.endpoint}

    def put(self, connection: str, text: str) -> None:
        self.secrets.create_secret(Name=f"{PREFIX}/{self.user}/{connection}", SecretString=text)

    def fetch(self, connection: str) -> str:
        text = self.secrets.get_secret_value(SecretId=f"{PREFIX}/{self.user}/{connection}")["SecretString"]
        # A sealed record stands in an object, beside what a listing tells.
        return json.loads(text).get("coffer", text) if text.startswith("{") else text


def main() -> int:
    parser = argparse.ArgumentParser(description="Records shared with the TypeScript code.")
    parser.add_argument("--bin", required=True, type=Path, metavar="DIR", help="the folder with the built programs")
    parser.add_argument("-k", metavar="PATTERN", help="only tests whose name has this in it")
    arguments = parser.parse_args()
    options.bin = arguments.bin.resolve()
    if shutil.which("node") is None:
        parser.error("node is missing: apt-get install nodejs")
    messages.generate()
    loader = unittest.TestLoader()
    if arguments.k:
        loader.testNamePatterns = [f"*{arguments.k}*"]
    tests = unittest.TestSuite(loader.loadTestsFromTestCase(kind) for kind in (OpenBaoFormats, AWSFormats))
    count = tests.countTestCases()
    if count == 0:
        parser.error(f"no test has {arguments.k!r} in its name")
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    # A class that could not start has run none of its tests.
    failed = count if result.testsRun < count else len(result.failures) + len(result.errors) + len(result.skipped)
    print(f"{count - min(failed, count)} passed, {min(failed, count)} failed")
    return 0 if failed == 0 and result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
