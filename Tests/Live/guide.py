"""The framework's own programs and Coffer share records, whatever their ids look like."""

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

from harness import CallFailed, Client, Daemon, Status, eventually

HERE = Path(__file__).resolve().parent
PASSPHRASE = "correct horse battery staple"
USERS = [
    "ann@example.com", "bob.smith+test@mail.example.co.uk", "auth0|5f7c8ec7c33c6c004bbafe82", "auth0|61a2b3",
    "google-oauth2|108204268033311374519", "github|583231", "facebook|10158", "samlp|acme|jane.doe@acme.example",
    "550e8400-e29b-41d4-a716-446655440000", "0f8fad5b-d9cb-469f-a165-70867728950e", "user:12", "tenant:7:user:12",
    "Anna Müller", "josé", "ü", "李雷", "o'brien", "user123", "user_with_underscore", "first.last",
]
CONNECTIONS = [
    "gmail", "conn456", "my mail account", "google-drive", "slack:T024BE7LD", "prod-abc123", "backup-xyz789",
    "jira|cloud", "kalender für büro", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "smtp@mail.example", "a=b", "s3+eu",
    "v1.2", "Exchange (old)", "crm~eu", "x,y;z", "50€", "a b", "stage-1",
]
#: Forty records: each user with two connections, each connection with two users.
IDS = [(user, CONNECTIONS[(number + shift) % len(CONNECTIONS)])
       for number, user in enumerate(USERS) for shift in (0, 7)]


def credential(user: str, connection: str, note: str) -> dict:
    return {"apiKey": f"{note} {user}/{connection}", "nested": {"n": [1, 2.5, None]}}


FRAMEWORK_IMPORT = "import { createCredentialManager } from './core/CredentialManager.factory.js';"
CLIENT_IMPORT = "import { createCredentialManager } from '@coffer/client';"


def compile_typescript(project: Path, folder: Path) -> None:
    built = subprocess.run(
        ["tsc", "-p", str(project), "--outDir", str(folder)], capture_output=True, text=True, timeout=120)
    if built.returncode != 0:
        raise RuntimeError(f"{project} does not build: {built.stdout}")


@functools.cache
def project() -> tempfile.TemporaryDirectory:
    """The framework's programs before and after they changed one import; gone when the tests end.

    Built apart from what other tests build and pack at the same time.
    """
    folder = tempfile.TemporaryDirectory(prefix="coffer-framework-")
    root, client = Path(folder.name), HERE.parents[1] / "clients/node"
    compile_typescript(HERE / "framework", root)
    shutil.copytree(HERE / "framework/packages", root / "node_modules")
    compile_typescript(client, root / "node_modules/@coffer/client/dist")
    shutil.copy(client / "package.json", root / "node_modules/@coffer/client")
    for program in (HERE / "framework/programs").iterdir():
        text = program.read_text()
        if text.count(FRAMEWORK_IMPORT) != 1:
            raise RuntimeError(f"{program} has not the one import that is changed")
        (root / f"before-{program.name}").write_text(text)
        (root / f"after-{program.name}").write_text(text.replace(FRAMEWORK_IMPORT, CLIENT_IMPORT))
    return folder


def run_program(name: str, environment: dict[str, str], commands: str = "") -> subprocess.CompletedProcess:
    return subprocess.run(
        ["node", f"{project().name}/{name}"], input=commands, capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"]} | environment)


def of_client(daemon: Daemon) -> dict[str, str]:
    return {"COFFER_SOCKET": str(daemon.place.socket)}


class Migration:
    """The framework's test of a migration, before and after one import was changed, in one environment."""

    MIGRATED = "Migration test: { apiKey: 'test' }\n"

    def assert_migrates(self, name: str, environment: dict[str, str]) -> None:
        ended = run_program(name, environment)
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, self.MIGRATED, ""), name)


class Guide(Migration):
    """The tests; each vault says how the framework's program is run, and which ids it takes."""

    form: str
    #: Seconds after which the vault's reads show whatever another program did.
    catches_up = 40

    def guide_environment(self) -> dict[str, str]:
        raise NotImplementedError

    def takes(self, user: str, connection: str) -> bool:
        """Whether the vault has a name for these ids as they are."""
        raise NotImplementedError

    def ask_guide(self, *commands: list) -> list[dict]:
        """What the framework's program answers to each command."""
        return self.ask("before-commands.mjs", self.guide_environment(), *commands)

    def ask_changed_guide(self, daemon: Daemon, *commands: list) -> list[dict]:
        """The same program with @coffer/client in the place of its own classes; its environment is as it was."""
        return self.ask("after-commands.mjs", self.guide_environment() | of_client(daemon), *commands)

    def ask(self, name: str, environment: dict[str, str], *commands: list) -> list[dict]:
        ended = run_program(name, environment, "".join(json.dumps(command) + "\n" for command in commands))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        answers = [json.loads(line) for line in ended.stdout.splitlines()]
        self.assertEqual(len(answers), len(commands))
        return answers

    def own(self, user: str) -> str:
        """Another for each test."""
        return f"{user}{zlib.crc32(self.id().encode()) % 1000}"

    def ids(self) -> list[tuple[str, str]]:
        return [(self.own(user), connection) for user, connection in IDS]

    def shared_ids(self) -> list[tuple[str, str]]:
        shared = [ids for ids in self.ids() if self.takes(*ids)]
        self.assertGreaterEqual(len(shared), 40)
        return shared

    def daemon_of_guide(self, literal: bool) -> Daemon:
        # Without it as the default is.
        return self.started(self.form, **({"literal_names": True} if literal else {}))

    def test_what_the_guide_stored_is_found_listed_and_deleted(self) -> None:
        ids = self.shared_ids()
        stored = self.ask_guide(*(["store", *each, credential(*each, "guide")] for each in ids))
        self.assertEqual([answer for answer in stored if "error" in answer], [])
        for literal in (False, True):
            with self.daemon_of_guide(literal).client() as client:
                for each in ids:
                    with self.subTest(ids=each, literal=literal):
                        self.assertEqual(json.loads(client.get(*each).credential), credential(*each, "guide"))
                for user in {user for user, _ in ids}:
                    listed = sorted(entry.connection_id for entry in client.list(user))
                    self.assertEqual(listed, sorted(connection for owner, connection in ids if owner == user), user)
        # What Coffer writes, it reads; and it deletes both names.
        with self.daemon_of_guide(False).client() as client:
            for index, each in enumerate(ids):
                if index % 2:
                    client.store(*each, json.dumps(credential(*each, "coffer")).encode())
                    self.assertEqual(
                        json.loads(client.get(*each, max_age_ms=0).credential), credential(*each, "coffer"))
                self.assertTrue(client.delete(*each))
                self.assert_fails(Status.NOT_FOUND, client.get, *each, max_age_ms=0)
        answers = self.ask_guide(*(["get", *each] for each in ids))
        self.assertEqual(
            [answer.get("error") for answer in answers],
            [f"Credentials not found for connection: {connection}" for _, connection in ids])

    def test_what_coffer_stored_is_the_guides_as_well(self) -> None:
        ids = self.shared_ids()
        with self.daemon_of_guide(True).client() as client:
            for each in ids:
                client.store(*each, json.dumps(credential(*each, "coffer")).encode())
            answers = self.ask_guide(*(["get", *each] for each in ids))
            self.assertEqual([answer.get("value") for answer in answers], [credential(*each, "coffer") for each in ids])
            # Changed and deleted by the guide: Coffer sees it when it asks.
            self.ask_guide(*(["store", *each, credential(*each, "again")] for each in ids[::2]))
            self.ask_guide(*(["delete", *each] for each in ids[1::2]))
            for index, each in enumerate(ids):
                with self.subTest(ids=each):
                    if index % 2:
                        # A vault that may lag is not believed at once that an acknowledged record is gone.
                        eventually("what the guide deleted is gone", self.catches_up, lambda: self.is_gone(client, *each))
                    else:
                        self.assertEqual(
                            json.loads(client.get(*each, max_age_ms=0).credential), credential(*each, "again"))

    def test_a_program_of_the_guide_changes_one_import(self) -> None:
        """Before and after on the same records."""
        ids = self.shared_ids()
        self.ask_guide(*(["store", *each, credential(*each, "before")] for each in ids))
        daemon = self.daemon_of_guide(True)
        answers = self.ask_changed_guide(daemon, *(["get", *each] for each in ids))
        self.assertEqual([answer.get("value") for answer in answers], [credential(*each, "before") for each in ids])
        changed = self.ask_changed_guide(
            daemon, *(["store", *each, credential(*each, "after")] for each in ids[::2]),
            *(["delete", *each] for each in ids[1::2]))
        self.assertEqual([answer for answer in changed if answer.get("value", "") is not None], [])
        after = [
            {"error": f"Credentials not found for connection: {connection}"} if index % 2
            else {"value": credential(user, connection, "after")} for index, (user, connection) in enumerate(ids)]
        self.assertEqual(self.ask_changed_guide(daemon, *(["get", *each] for each in ids)), after)
        self.assertEqual(self.ask_guide(*(["get", *each] for each in ids)), after)

    def test_the_test_of_a_migration_before_and_after_on_the_same_record(self) -> None:
        environment = self.guide_environment()
        daemon = self.daemon_of_guide(True)
        get, delete = ["get", "test-user", "test-conn"], ["delete", "test-user", "test-conn"]
        missing = [{"error": "Credentials not found for connection: test-conn"}]
        self.assertEqual(self.ask_guide(get), missing)
        self.assert_migrates("before-migration.mjs", environment)
        # What the one has stored, the other finds, replaces and deletes; and the other way about.
        self.assertEqual(self.ask_changed_guide(daemon, get), [{"value": {"apiKey": "test"}}])
        self.assert_migrates("after-migration.mjs", environment | of_client(daemon))
        self.assertEqual(self.ask_guide(get), [{"value": {"apiKey": "test"}}])
        self.assertEqual(self.ask_changed_guide(daemon, delete), [{"value": None}])
        self.assertEqual(self.ask_guide(get), missing)
        self.assert_migrates("after-migration.mjs", environment | of_client(daemon))
        self.assertEqual(self.ask_guide(get, delete), [{"value": {"apiKey": "test"}}, {"value": None}])

    @staticmethod
    def is_gone(client: Client, user: str, connection: str) -> bool:
        try:
            client.get(user, connection, max_age_ms=0)
        except CallFailed as failure:
            return failure.status == Status.NOT_FOUND
        return False

    def test_ids_that_have_no_such_name_are_coffers_alone(self) -> None:
        for literal in (False, True):
            with self.daemon_of_guide(literal).client() as client:
                for each in self.ids():
                    if self.takes(*each):
                        continue
                    with self.subTest(ids=each, literal=literal):
                        client.store(*each, json.dumps(credential(*each, "coffer")).encode())
                        self.assertEqual(
                            json.loads(client.get(*each, max_age_ms=0).credential), credential(*each, "coffer"))
                        self.assertIn("error", self.ask_guide(["get", *each])[0])


class GuideOnOpenBao(Guide):
    form = "json"

    def guide_environment(self) -> dict[str, str]:
        import openbao
        return {"VAULT_TYPE": "vault", "VAULT_ADDR": self.server.address, "VAULT_TOKEN": openbao.ROOT_TOKEN,
                "NODE_EXTRA_CA_CERTS": str(self.server.ca)}

    def takes(self, user: str, connection: str) -> bool:
        return True

    def ids(self) -> list[tuple[str, str]]:
        # Ids that mean something to a URL: their names are other records', or none.
        return super().ids() + ([(self.own("u"), "a?b"), (self.own("u"), "a%2Fb")] if "alone" in self.id() else [])


class GuideOnAWS(Guide):
    form = "legacy-aes"

    def guide_environment(self) -> dict[str, str]:
        key, secret = self.backend.users["app"]
        import aws
        return {"VAULT_TYPE": "aws", "AWS_ENDPOINT_URL": self.backend.endpoint, "AWS_REGION": aws.REGION, "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": secret, "CREDENTIAL_ENCRYPTION_KEY": PASSPHRASE}

    def takes(self, user: str, connection: str) -> bool:
        return re.fullmatch(r"[A-Za-z0-9_+=.@-]+/[A-Za-z0-9_+=.@-]+", f"{user}/{connection}") is not None

    def ids(self) -> list[tuple[str, str]]:
        # Secrets Manager takes fewer characters: more of the ids that it does take.
        ids = {(user, connection) for user in USERS for connection in CONNECTIONS if self.takes(user, connection)}
        return super().ids() + [(self.own(user), connection) for user, connection in sorted(ids - set(IDS))[:40]]


class GuideOnCloudflare(Guide):
    form = "json"
    #: Cloudflare says 60 s or more, and the daemon gives it 75.
    catches_up = 90

    def guide_environment(self) -> dict[str, str]:
        # A Worker is given its namespace; Node has to make it of what the variables say.
        return {"VAULT_TYPE": "cloudflare", "CLOUDFLARE_SECRETS_STORE": self.namespace,
                "CLOUDFLARE_ACCOUNT_ID": self.fake.account, "CLOUDFLARE_API_TOKEN": "app-token",
                "CLOUDFLARE_API_BASE_URL": f"{self.fake.endpoint}/client/v4", "NODE_NO_WARNINGS": "1",
                "NODE_OPTIONS": f"--import {(HERE / 'framework/workers.mjs').as_uri()}"}

    def daemon_of_guide(self, literal: bool) -> Daemon:
        # Names are the guide's by themselves: there is no such setting.
        return self.started(self.form)

    def takes(self, user: str, connection: str) -> bool:
        # With a colon in them, the guide's names are those of several records.
        return ":" not in user + connection

    def ids(self) -> list[tuple[str, str]]:
        ids = {(user, connection) for user in USERS for connection in CONNECTIONS if self.takes(user, connection)}
        return super().ids() + [(self.own(user), connection) for user, connection in sorted(ids - set(IDS))[:20]]


class GuideOnEmbedded(Migration):
    """A program that had no vault: its records outlive it now."""

    def test_the_test_of_a_migration_before_and_after(self) -> None:
        daemon = self.daemon()
        after = of_client(daemon)
        self.assert_migrates("before-migration.mjs", {})
        self.assert_migrates("after-migration.mjs", after)
        commands = [["get", "test-user", "test-conn"], ["delete", "test-user", "test-conn"], ["get", "test-user", "test-conn"]]
        text = "".join(json.dumps(command) + "\n" for command in commands)
        missing = {"error": "Credentials not found for connection: test-conn"}
        for name, environment, first in (
            ("before-commands.mjs", {}, missing), ("after-commands.mjs", after, {"value": {"apiKey": "test"}}),
        ):
            ended = run_program(name, environment, text)
            answers = [json.loads(line) for line in ended.stdout.splitlines()]
            self.assertEqual(answers, [first, {"value": None}, missing], (name, ended.stderr))

    def test_incomplete_environments_are_refused_in_the_same_words(self) -> None:
        for variables, text in (
            ({"VAULT_TYPE": "cloudflare"}, "CLOUDFLARE_SECRETS_STORE not configured"),
            ({"VAULT_TYPE": "vault", "VAULT_ADDR": "http://127.0.0.1:1"}, "VAULT_ADDR and VAULT_TOKEN must be set"),
            ({"VAULT_TYPE": "vault", "VAULT_TOKEN": "t"}, "VAULT_ADDR and VAULT_TOKEN must be set"),
            ({"NODE_ENV": "production"}, "Memory vault not allowed in production. Set VAULT_TYPE."),
            ({"NODE_ENV": "production", "VAULT_TYPE": "fly"}, "Memory vault not allowed in production. Set VAULT_TYPE."),
        ):
            for name in ("before-migration.mjs", "after-migration.mjs"):
                with self.subTest(variables=variables, name=name):
                    ended = run_program(name, variables)
                    self.assertEqual((ended.returncode, ended.stdout), (1, ""))
                    self.assertRegex(ended.stderr, rf"(?m)^(\w*Error|.*throw new Error).*{re.escape(text)}")
