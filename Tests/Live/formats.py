#!/usr/bin/env python3
"""Records shared with the TypeScript code: the built daemon, node's own crypto, and each vault's own client.

    python3 Tests/Live/formats.py --bin .build/release [-k PATTERN]
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Iterator
from pathlib import Path
from random import Random

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "System")]

import run  # noqa: E402

run.enter_environment()

import aws  # noqa: E402
import azure_interop  # noqa: E402
import azure_vault  # noqa: E402
import cloudflare_backend  # noqa: E402
import cloudflare_sdk  # noqa: E402
import fake_azure  # noqa: E402
import fake_cloudflare  # noqa: E402
import google_cloud  # noqa: E402
import google_interop  # noqa: E402
import guide  # noqa: E402
import hvac_interop  # noqa: E402
import openbao  # noqa: E402
from guide import PASSPHRASE  # noqa: E402
from harness import Client, Daemon, Status, SystemTest, eventually, messages  # noqa: E402
from harness.client import cancel  # noqa: E402
from harness.options import options  # noqa: E402
from harness.start import CONFIGURATION, StartupTest  # noqa: E402
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
    credentials = CREDENTIALS

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
        for index, credential in enumerate(self.credentials):
            sealed = node("seal", stringify(credential))
            self.assertEqual(sealed.returncode, 0, sealed.stderr)
            self.put(f"node-{index}", sealed.stdout.decode())
        # Whatever is written, all three formats are read where they are accepted.
        for form in ("legacy-aes", "json", "sealed"):
            daemon = self.started(form, accept=["sealed", "json", "legacy-aes"])
            for index, credential in enumerate(self.credentials):
                with self.subTest(form=form, index=index):
                    self.assertEqual(self.printed(daemon, f"node-{index}"), stringify(credential))
            listed = daemon.coffer("list", self.user)
            self.assertEqual(len(listed.stdout.splitlines()), len(self.credentials), listed)

    def test_node_opens_what_was_stored(self) -> None:
        daemon = self.started("legacy-aes")
        for index, credential in enumerate(self.credentials):
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
        for index, credential in enumerate(self.credentials):
            with self.subTest(index=index):
                self.put(f"theirs-{index}", stringify(credential))
                self.assertEqual(json.loads(self.printed(daemon, f"theirs-{index}")), credential)
                self.store(daemon, f"ours-{index}", stringify(credential))
                self.assertEqual(json.loads(self.fetch(f"ours-{index}")), credential)

    def test_what_is_sealed_is_for_nobody_else(self) -> None:
        daemon = self.started("sealed")
        self.store(daemon, "credential", stringify(self.credentials[0]))
        kept = self.fetch("credential")
        self.assertRegex(kept, "^coffer1:[A-Za-z0-9_-]+$")
        self.assertNotEqual(node("open", kept).returncode, 0)
        self.assertEqual(self.printed(daemon, "credential"), stringify(self.credentials[0]))

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
        self.store(self.started("sealed"), "credential", stringify(self.credentials[0]))
        other = self.started("sealed")
        self.assertEqual(self.printed(other, "credential"), stringify(self.credentials[0]))
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

    def test_no_client_opens_the_breaker_for_others(self) -> None:
        """Whatever one client sends, and whatever stands in the records that it asks for."""
        odd = [f"odd-{number}" for number in range(len(self.unreadable))]
        for connection, text in zip(odd, self.unreadable, strict=True):
            self.put(connection, text)
        for form in ("json", "sealed"):
            daemon = self.started(form, accept=["sealed", "json", "legacy-aes"])
            with daemon.client() as victim, daemon.client() as client:
                victim.store(self.user, f"victim-{form}", b'{"a":1}')
                for number, call_id in enumerate(self.attack(client, odd)):
                    if number % 3 == 0:
                        client.send(cancel(call_id))
                    while (frame := client.response()).more or frame.call_id != call_id:
                        pass
                    if number % 20 == 0:
                        got = victim.get(self.user, f"victim-{form}", max_age_ms=0)
                        self.assertEqual(json.loads(got.credential), {"a": 1})
                vault = json.loads(daemon.coffer("vaults", "--json").stdout)[0]
                # Calls of a few milliseconds may end while they wait for a place: those are refusals too.
                self.assertEqual((vault["breaker"], vault["reachable"]), ("closed", True), vault)

    def attack(self, client: Client, odd: list[str]) -> Iterator[int]:
        """Sends one call after another; their ids."""
        random = Random(self.id())
        credentials = messages.credentials
        ids = [self.user, "..", "a/b", "%2e%2e", "x" * 256, "\u2028", "\ufeff", "\u00e9", "data", "coffer.check"]
        texts = [b'{"a":1}', b"{", b"[1]", b'{"a":1,"a":2}', b"\xff", b"{" * 40, b"x" * 65_536,
                 b'{"a":' * 31 + b"{}" + b"}" * 31, b'{"coffer":"coffer1:AAAA"}', b'{"a":9007199254740993}']
        for _ in range(240):
            user, connection = random.choice(ids), random.choice([*odd, *odd, *ids])
            key = {"user_id": self.user if connection in odd else user, "connection_id": connection}
            method, request = random.choice([
                ("Get", credentials.GetRequest(**key, max_age_ms=0)), ("Get", credentials.GetRequest(**key, max_age_ms=0)),
                ("GetMany", credentials.GetManyRequest(
                    keys=[credentials.Key(user_id=self.user, connection_id=name) for name in odd], max_age_ms=0)),
                ("List", credentials.ListRequest(user_id=user, page_size=random.choice([0, 1, 1_000]))),
                ("List", credentials.ListRequest(user_id=user, page_token="AAAA")),
                ("Store", credentials.StoreRequest(
                    user_id=user, connection_id=random.choice(ids), credential=random.choice(texts),
                    ttl_seconds=random.choice([0, 0, 1, 4_000_000_000]))),
                ("Store", credentials.StoreRequest(
                    user_id=user, connection_id=random.choice(ids), credential=b'{"a":1}', if_version="no-such-version")),
                ("Delete", credentials.DeleteRequest(user_id=user, connection_id=random.choice(ids))),
                ("Delete", credentials.DeleteRequest(user_id=user, connection_id=random.choice(ids), if_version="other")),
            ])
            yield client.begin(f"Credentials/{method}", request, random.choice([0, 0, 1, 3, 10]))

    def test_another_passphrase_is_said_to_be_one(self) -> None:
        self.put("credential", node("seal", stringify(self.credentials[0])).stdout.decode())
        ended = self.started("legacy-aes", "another").coffer("get", self.user, "credential")
        self.assertEqual(ended.returncode, Status.DATA_LOSS, ended)
        self.assertEqual(ended.stdout, b"")
        self.assertIn(b"has another CREDENTIAL_ENCRYPTION_KEY than this daemon", ended.stderr)


class BesideGuide(Shared):
    """The same where the guide has a program for the vault."""

    def theirs(self, text: str) -> str:
        """A credential as the guide's program puts it into this vault."""
        return text if self.guides_format == "json" else node("seal", text).stdout.decode()

    def test_with_the_guides_variables_their_records_stay_theirs(self) -> None:
        daemon = self.by_variables()
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
        self.assertIn("records are written as sealed, which only daemons with this key can read", daemon.log_text())

    def test_a_variable_chooses_the_format(self) -> None:
        self.put("theirs", self.theirs('{"a":1}'))
        daemon = self.by_variables(COFFER_FORMAT=self.guides_format)
        self.store(daemon, "new", '{"a":2}')
        self.assertFalse(self.fetch("new").startswith("coffer1:"))
        self.assertIn(f"records are written as {self.guides_format}", daemon.log_text())
        daemon = self.by_variables(COFFER_FORMAT="sealed")
        self.assertEqual(json.loads(self.printed(daemon, "theirs")), {"a": 1})
        self.store(daemon, "theirs", '{"a":3}')
        self.assertRegex(self.fetch("theirs"), "^coffer1:")


class OpenBaoFormats(BesideGuide, guide.GuideOnOpenBao, SystemTest):
    server: openbao.Server
    guides_format = "json"
    unreadable = [
        '{"a":' * 40 + "1" + "}" * 40, '{"coffer":"coffer1:AAAA"}', '{"coffer":"coffer1:AAAA","version":7}',
        '{"coffer":"' + "0" * 32 + ":" + "0" * 32 + ':00"}',
    ]

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


    def version_1(self) -> str:
        """A mount of the KV engine that keeps one version of each key, under other paths."""
        mount = "first"
        if f"{mount}/" not in self.server.require("GET", "sys/mounts")["data"]:
            self.server.require("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "1"}})
        return mount

    def test_a_mount_of_version_1_gets_nothing(self) -> None:
        vault, variables = self.settings()
        for form in ("sealed", "json"):
            with self.subTest(form=form):
                config = json.dumps({"vaults": {"shared": vault | {"format": form, "mount": self.version_1()}}})
                daemon = self.daemon(config=config, env=variables | {"CREDENTIAL_ENCRYPTION_KEY": PASSPHRASE})
                for command, stdin in (("store", b'{"a":1}'), ("get", b""), ("delete", b"")):
                    ended = daemon.coffer(command, self.user, "c", stdin=stdin)
                    self.assertEqual(ended.returncode, Status.FAILED_PRECONDITION, ended.stderr)
                    self.assertIn(b"version 2", ended.stderr)
                self.assertEqual(daemon.coffer("list", self.user).returncode, Status.FAILED_PRECONDITION)
                with daemon.client() as client:
                    self.assertFalse(client.health().vaults[0].reachable)
        self.assertEqual(self.server.status("LIST", f"{self.version_1()}/"), 404, "something was written")

    def test_what_others_said_of_a_key_stays(self) -> None:
        path = f"{PREFIX}/{self.user}/c"
        self.put("c", '{"a":1}')
        self.kv.update_metadata(path=path, custom_metadata={"owner": "ops"}, delete_version_after="720h0m0s")
        for form in ("json", "sealed"):
            self.store(self.started(form), "c", '{"a":2}')
            kept = self.kv.read_secret_metadata(path=path)["data"]
            self.assertEqual(kept["custom_metadata"].get("owner"), "ops", form)
            self.assertEqual(kept["delete_version_after"], "720h0m0s", form)

    def test_what_the_vault_would_change_is_refused(self) -> None:
        """It decodes numbers to doubles, and half of a surrogate pair to another character."""
        daemon = self.started("json")
        for number, text in enumerate((
            '{"a":9007199254740993}', '{"a":[{"b":3.14159265358979323846}]}', '{"a":1e400}', '{"a":123456789012345678901}',
            '{"a":"\\ud800"}', '{"\\udfff":1}',
        )):
            with self.subTest(text=text):
                ended = daemon.coffer("store", self.user, f"c{number}", stdin=text.encode())
                self.assertEqual(ended.returncode, Status.INVALID_ARGUMENT, ended)
                self.assertEqual(daemon.coffer("get", self.user, f"c{number}").returncode, Status.NOT_FOUND)
        for number, text in enumerate(('{"a":9007199254740992}', '{"a":1.50,"b":[1e2,-0]}', '{"a":"\\ud83d\\udddd"}')):
            with self.subTest(text=text):
                self.store(daemon, f"kept{number}", text)
                got = daemon.coffer("get", self.user, f"kept{number}", "--max-age-ms", "0")
                self.assertEqual(json.loads(got.stdout), json.loads(text))


class AWSFormats(BesideGuide, guide.GuideOnAWS, SystemTest):
    guides_format = "legacy-aes"
    unreadable = ["nothing", "coffer1:AAAA", '{"coffer":"coffer1:AAAA"}', "0" * 32 + ":" + "0" * 32 + ":00", "[1]"]

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


class CloudflareFormats(BesideGuide, guide.GuideOnCloudflare, SystemTest):
    guides_format = "json"
    unreadable = ["nothing", "coffer1:AAAA", '{"coffer":"coffer1:AAAA"}', "0" * 32 + ":" + "0" * 32 + ":00", "[1]"]

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(tempfile.mkdtemp(prefix="coffer-formats-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        process, endpoint = cloudflare_backend.start(folder)
        cls.addClassCleanup(process.stop)
        cls.fake = cloudflare_sdk.Fake(endpoint, fake_cloudflare.ACCOUNT)
        cls.sdk = cloudflare_sdk.KV(cls.fake, {"name": "formats"})
        cls.namespace = cls.sdk.namespace

    def settings(self) -> tuple[dict[str, str], dict[str, str]]:
        vault = {"type": "cloudflare", "api_url": f"{self.fake.endpoint}/client/v4", "kv_namespace": self.namespace,
                 "account_id": self.fake.account}
        return vault, {"CLOUDFLARE_API_TOKEN": "app-token"}

    def guide(self) -> dict[str, str]:
        """The guide's own file for it, a token, and where the stand-in is: the account is found."""
        return {"VAULT_TYPE": "cloudflare", "CLOUDFLARE_SECRETS_STORE": self.namespace, "CLOUDFLARE_API_TOKEN": "app-token",
                "CLOUDFLARE_API_BASE_URL": f"{self.fake.endpoint}/client/v4"}

    def key(self, connection: str) -> str:
        return self.sdk.key(self.user, connection)

    def put(self, connection: str, text: str) -> None:
        self.sdk.write(self.key(connection), text)

    def fetch(self, connection: str) -> str:
        text = self.sdk.kv.values.get(self.key(connection), **self.sdk.ids).read().decode()
        return json.loads(text).get("coffer", text) if text.startswith("{") else text

    def test_what_the_guide_let_expire_is_kept_as_long(self) -> None:
        """A year by the guide; a Store without a time to live is for ever."""
        self.ask_guide(["store", self.user, "c", {"a": 1}])
        daemon = self.started("json")
        got = json.loads(daemon.coffer("get", self.user, "c", "--json").stdout)
        year = int(got["expiresAtMs"]) / 1000 - time.time()
        self.assertTrue(31_535_900 < year < 31_536_010, year)
        self.store(daemon, "c", '{"a":2}')
        got = json.loads(daemon.coffer("get", self.user, "c", "--json", "--max-age-ms", "0").stdout)
        self.assertEqual(int(got.get("expiresAtMs", 0)), 0)

    def test_a_token_in_a_file_is_read_again(self) -> None:
        vault, _ = self.settings()
        with tempfile.NamedTemporaryFile(mode="w", prefix="coffer-token-") as file:
            file.write("another-token\n")
            file.flush()
            config = json.dumps({"vaults": {"shared": vault | {"format": "json", "api_token_file": file.name}}})
            daemon = self.daemon(config=config, env={"CREDENTIAL_ENCRYPTION_KEY": PASSPHRASE})
            refused = daemon.coffer("store", self.user, "c", stdin=b'{"a":1}')
            self.assertEqual(refused.returncode, Status.UNAUTHENTICATED, refused)
            file.seek(0)
            file.truncate()
            file.write("app-token\n")
            file.flush()
            daemon.process.send_signal(signal.SIGHUP)
            eventually("the new token is used", 10, lambda: daemon.coffer(
                "store", self.user, "c", stdin=b'{"a":1}').returncode == 0)
            self.assertNotIn("another-token", daemon.log_text())

    def test_no_variable_with_a_token_stays(self) -> None:
        daemon = self.by_variables()
        self.assertNotIn(b"app-token", Path(f"/proc/{daemon.process.pid}/environ").read_bytes())


class GoogleFormats(Shared, StartupTest):
    """The guide has no program for Google, and its factory no case: the variables are those of Google's own programs."""

    unreadable = ["nothing", "coffer1:AAAA", '{"coffer":"coffer1:AAAA"}', "0" * 32 + ":" + "0" * 32 + ":00", "[1]", "coffer1b"]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="coffer-formats-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.backend = google_cloud.Google()
        cls.addClassCleanup(cls.backend.stop)
        cls.backend.start(cls.folder)
        cls.secrets = google_interop.SDK(cls.backend.endpoint, google_interop.account(cls.folder, "app")).client

    def settings(self) -> tuple[dict[str, str], dict[str, str]]:
        vault = {"type": "gcp", "endpoint": self.backend.endpoint, "token_endpoint": self.backend.endpoint,
                 "project": google_interop.PROJECT}
        return vault, {"GOOGLE_APPLICATION_CREDENTIALS": str(self.folder / "app.json")}

    def guide(self) -> dict[str, str]:
        return {"VAULT_TYPE": "gcp", "GOOGLE_CLOUD_PROJECT": google_interop.PROJECT,
                "GOOGLE_APPLICATION_CREDENTIALS": str(self.folder / "app.json"),
                "COFFER_VAULT_ENDPOINT": self.backend.endpoint, "COFFER_VAULT_TOKEN_ENDPOINT": self.backend.endpoint}

    def path(self, connection: str) -> str:
        return f"projects/{google_interop.PROJECT}/secrets/{google_interop.name_of(PREFIX, self.user, connection)}"

    def put(self, connection: str, text: str) -> None:
        self.secrets.create_secret(
            parent=f"projects/{google_interop.PROJECT}", secret_id=self.path(connection).rpartition("/")[2],
            secret={"replication": {"automatic": {}}})
        self.secrets.add_secret_version(parent=self.path(connection), payload={"data": text.encode()})

    def fetch(self, connection: str) -> str:
        answer = self.secrets.access_secret_version(name=f"{self.path(connection)}/versions/latest")
        text = answer.payload.data.decode()
        # A sealed record stands in an object, beside what a listing tells.
        return json.loads(text).get("coffer", text) if text.startswith("{") else text

    def test_the_guides_variables_are_enough(self) -> None:
        daemon = self.by_variables()
        self.store(daemon, "new", '{"a":1}')
        self.assertRegex(self.fetch("new"), "^coffer1:")
        self.assertEqual(json.loads(self.printed(daemon, "new")), {"a": 1})
        # A key file names its project.
        daemon = self.by_variables(GOOGLE_CLOUD_PROJECT="")
        self.assertEqual(json.loads(self.printed(daemon, "new")), {"a": 1})
        self.assertEqual(daemon.coffer("doctor").returncode, 0)

    def test_each_of_the_guides_variables_that_is_missing_is_one_error(self) -> None:
        federation = str(self.folder / "federation.json")
        for changed, named in (
            ({"GOOGLE_CLOUD_PROJECT": "", "GOOGLE_APPLICATION_CREDENTIALS": federation}, "GOOGLE_CLOUD_PROJECT"),
            ({"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"}, "/nowhere/key.json does not exist"),
            ({"GOOGLE_APPLICATION_CREDENTIALS": "key.json"}, "GOOGLE_APPLICATION_CREDENTIALS: expected the path of a file"),
            ({"GOOGLE_CLOUD_PROJECT": "No Project"}, "GOOGLE_CLOUD_PROJECT: expected a project's id or number"),
            ({"COFFER_VAULT_TOKEN_ENDPOINT": ""}, "token_uri is not at googleapis.com"),
        ):
            with self.subTest(changed=changed):
                ended = self.start(env=self.guide() | {"CREDENTIAL_ENCRYPTION_KEY": PASSPHRASE} | changed)
                self.assert_refused(ended, CONFIGURATION, named)

    def test_without_credentials_of_the_guide_the_call_says_where_they_were_looked_for(self) -> None:
        daemon = self.by_variables(GOOGLE_APPLICATION_CREDENTIALS="", GCE_METADATA_HOST="127.0.0.1:1")
        ended = daemon.coffer("get", self.user, "c")
        self.assertEqual(ended.returncode, Status.UNAUTHENTICATED, ended)
        for source in (b"GOOGLE_APPLICATION_CREDENTIALS", b"gcloud", b"metadata server"):
            self.assertIn(source, ended.stderr)


class AzureFormats(Shared, StartupTest):
    """The guide names Azure and has no program for it: the variables are those of Microsoft's own programs."""

    unreadable = ["nothing", "coffer1:AAAA", '{"coffer":"coffer1:AAAA"}', "0" * 32 + ":" + "0" * 32 + ":00", "[1]"]
    #: The service takes 25 KB.
    credentials = [*CREDENTIALS[:2], {"certificate": "0123456789abcdef" * 500}, *CREDENTIALS[3:]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="coffer-formats-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.backend = azure_vault.Azure()
        cls.addClassCleanup(cls.backend.stop)
        cls.backend.start(cls.folder)
        place = cls.backend.place
        cls.secrets = place.vault(place.secret("app"))
        #: What a daemon needs beside the variables, as the stand-in is no part of Azure.
        cls.beside = {"authority_host": place.address, "ca_file": place.ca, "resource": fake_azure.RESOURCE}

    def settings(self) -> tuple[dict[str, str], dict[str, str]]:
        vault = {"type": "azure", "vault_url": self.backend.place.address, "tenant_id": fake_azure.TENANT, "client_id": "app",
                 "client_secret_file": str(self.folder / "client-secret")}
        return vault | self.beside, {}

    def guide(self) -> dict[str, str]:
        return {"VAULT_TYPE": "azure", "AZURE_KEYVAULT_URL": self.backend.place.address, "AZURE_TENANT_ID": fake_azure.TENANT,
                "AZURE_CLIENT_ID": "app", "AZURE_CLIENT_SECRET": fake_azure.SECRET,
                "AZURE_AUTHORITY_HOST": self.backend.place.address, "COFFER_VAULT_CA_FILE": self.backend.place.ca,
                "COFFER_VAULT_RESOURCE": fake_azure.RESOURCE}

    def name(self, connection: str) -> str:
        return azure_interop.name_of("c", self.user, connection)

    def put(self, connection: str, text: str) -> None:
        self.secrets.set_secret(self.name(connection), text)

    def fetch(self, connection: str) -> str:
        text = self.secrets.get_secret(self.name(connection)).value
        # A sealed record stands in an object, beside what a listing tells.
        return json.loads(text).get("coffer", text) if text.startswith("{") else text

    def test_the_guides_variables_are_enough(self) -> None:
        daemon = self.by_variables()
        self.store(daemon, "new", '{"a":1}')
        self.assertRegex(self.fetch("new"), "^coffer1:")
        self.assertEqual(json.loads(self.printed(daemon, "new")), {"a": 1})
        self.assertEqual(daemon.coffer("doctor").returncode, 0)
        self.assertNotIn(fake_azure.SECRET.encode(), Path(f"/proc/{daemon.process.pid}/environ").read_bytes())
        # Without the secret it is the host's identity.
        daemon = self.by_variables(AZURE_CLIENT_SECRET="", AZURE_POD_IDENTITY_AUTHORITY_HOST=self.backend.place.plain)
        self.assertEqual(json.loads(self.printed(daemon, "new")), {"a": 1})

    def test_each_of_the_guides_variables_that_is_missing_is_one_error(self) -> None:
        for changed, named in (
            ({"AZURE_KEYVAULT_URL": ""}, "AZURE_KEYVAULT_URL"),
            ({"AZURE_KEYVAULT_URL": "my-vault"}, "AZURE_KEYVAULT_URL: expected https://"),
            ({"AZURE_CLIENT_ID": ""}, "AZURE_CLIENT_ID"),
            ({"AZURE_CLIENT_SECRET": "", "AZURE_CLIENT_CERTIFICATE_PATH": "/nowhere/app.pem"}, "/nowhere/app.pem cannot be read"),
            ({"AZURE_CLIENT_SECRET": "", "AZURE_CLIENT_CERTIFICATE_PATH": str(self.folder / "ca.pem")}, "AZURE_CLIENT_CERTIFICATE_PATH"),
        ):
            with self.subTest(changed=changed):
                ended = self.start(env=self.guide() | {"CREDENTIAL_ENCRYPTION_KEY": PASSPHRASE} | changed)
                self.assert_refused(ended, CONFIGURATION, named)

    def test_a_deleted_record_is_stored_again(self) -> None:
        daemon = self.by_variables()
        self.store(daemon, "c", '{"a":1}')
        self.assertEqual(daemon.coffer("delete", self.user, "c").returncode, 0)
        self.store(daemon, "c", '{"a":2}')
        self.assertEqual(json.loads(self.printed(daemon, "c")), {"a": 2})


class EmbeddedFormats(guide.GuideOnEmbedded, SystemTest):
    pass


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
    kinds = (OpenBaoFormats, AWSFormats, CloudflareFormats, GoogleFormats, AzureFormats, EmbeddedFormats)
    tests = unittest.TestSuite(loader.loadTestsFromTestCase(kind) for kind in kinds)
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
