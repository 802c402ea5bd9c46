"""A configuration that `cofferd --check` passes is one that starts, and what it refuses does not start."""

import json
import random
import signal
import subprocess
import tempfile
from pathlib import Path

from harness import eventually, run
from harness.daemon import Daemon, Place
from harness.case import SystemTest
from harness.options import options

#: Values by the name of their setting, right ones and wrong ones; files are made in the place of a test.
VALUES: dict[str, tuple[list[str], list[str]]] = {
    "format": (["sealed", "json", "legacy-aes"], ["plain"]),
    "accept": (["[sealed]", "[sealed, json]", "[legacy-aes, json, sealed]"], ["[]", "json"]),
    "keep": (["[]", "[json]", "[legacy-aes]"], ["[none]"]),
    "timeout_ms": (["1", "600000"], ["0", "soon"]),
    "concurrency": (["1", "4096"], ["0"]),
    "queue": (["0", "65536"], ["65537", "-1"]),
    "prefix": (["a/b", "/team/", "app.v1"], ["a..b", "''", "my-app-x"]),
    "literal_names": (["true", "false"], ["perhaps"]),
    "ca_file": (["FOLDER/ca.pem"], ["FOLDER/absent.pem", "ca.pem"]),
    "client_certificate_file": (["FOLDER/ca.pem"], ["FOLDER/absent.pem"]),
    "client_key_file": (["FOLDER/key.pem"], ["FOLDER/open.pem", "FOLDER/other.pem"]),
    "server_name": (["vault.example"], ["a:1"]),
    "proxy": (["http://127.0.0.1:1"], ["socks5://p"]),
    "allow_http": (["true", "false"], ["1"]),
    "allow_addresses": (["[]", "[loopback, link-local]"], ["[public]"]),
    "address": (["https://127.0.0.1:1", "http://localhost:1"], ["http://vault.example", "vault"]),
    "nodes": (["[]", "['https://127.0.0.1:2']"], ["['x']", "['http://vault.example']"]),
    "mount": (["secret", "kv/"], ["a//b"]),
    "namespace": (["admin/", "a/b"], ["'a b'"]),
    "auth": (["token", "token-file", "approle", "kubernetes", "jwt"], ["ldap"]),
    "auth_mount": (["k8s"], ["."]),
    "token_file": (["FOLDER/token"], ["''"]),
    "role": (["r"], ["''"]),
    "role_id": (["r"], ["''"]),
    "secret_id_file": (["FOLDER/token"], ["''"]),
    "soft_delete": (["true"], ["2"]),
    "region": (["eu-central-1"], ["EU"]),
    "endpoint": (["https://127.0.0.1:1"], ["http://aws.example"]),
    "recovery_window_days": (["0", "7", "30"], ["1", "31"]),
    "kms_key": (["alias/x"], ["''"]),
    "profile": (["ops"], ["''"]),
    "account_id": (["0123456789abcdef0123456789abcdef"], ["12"]),
    "api_token_file": (["FOLDER/token"], ["FOLDER/absent"]),
    "api_url": (["https://127.0.0.1:1/client/v4", "http://localhost:1"], ["http://cloudflare.example/client/v4", "cloudflare"]),
    "app": (["my-app"], ["My App"]),
    "deployment": (["staged", "deployed"], ["live"]),
    "deploy_delay_ms": (["0", "10s"], ["2h"]),
    "kv_namespace": (["credentials"], ["''"]),
    "store": (["default"], ["''"]),
    "scopes": (["[workers]", "[workers, ai_gateway]"], ["[]", "[mail]"]),
    "project": (["my-project", "'12345'"], ["No Project"]),
    "location": (["europe-west3"], ["Europe"]),
    "replicas": (["[]", "[europe-west3, europe-west4]"], ["[Europe]"]),
    "versions_kept": (["0", "1000"], ["-1", "1001"]),
    "credentials_file": (["FOLDER/google.json"], ["FOLDER/token"]),
    "quota_project": (["billed-project"], ["''"]),
    "token_endpoint": (["https://127.0.0.1:1"], ["http://tokens.example"]),
    "vault_url": (["https://127.0.0.1:1", "http://localhost:1"], ["http://vault.example", "vault"]),
    "deleted": (["recover", "purge"], ["keep"]),
    "tenant_id": (["11111111-2222-3333-4444-555555555555", "contoso.example"], ["a/b"]),
    "client_id": (["66666666-7777-8888-9999-000000000000"], ["''"]),
    "client_secret_file": (["FOLDER/token"], ["''"]),
    "certificate_file": (["FOLDER/azure.pem"], ["FOLDER/token"]),
    "federated_token_file": (["FOLDER/token"], ["token"]),
    "authority_host": (["https://127.0.0.1:1", "login.example"], ["http://login.example"]),
    "resource": (["https://vault.azure.net"], ["vault.azure.net"]),
    "url": (["postgresql://u@127.0.0.1:1/d", "postgresql://u@/d"], ["postgresql://u:password@db.example/d", "mysql://u@db.example/d"]),
    "password_file": (["FOLDER/token"], ["''"]),
    "tls": (["verify-full", "verify-ca", "disable"], ["maybe"]),
    "schema": (["coffer_1"], ["Coffer"]),
    "create_tables": (["true", "false"], ["1"]),
    "connections": (["1", "256"], ["0"]),
    "endpoints": (["['https://127.0.0.1:1']", "['https://127.0.0.1:1', 'http://localhost:2']"], ["[]", "['http://etcd.example:2379']"]),
    "user": (["coffer"], ["''"]),
    "user_password_file": (["FOLDER/token"], ["''"]),
}
#: What a vault of this type cannot do without, most of the time.
NEEDED = {"vault": {"address": 0.95, "auth": 0.95}, "aws": {"region": 0.9},
          "cloudflare": {"kv_namespace": 0.95, "api_token_file": 0.95}, "cloudflare-secrets-store": {"api_token_file": 0.95},
          "gcp": {"project": 0.95}, "azure": {"vault_url": 0.95, "client_id": 0.9}, "postgres": {"url": 0.95}, "etcd": {"endpoints": 0.95},
          "fly": {"app": 0.95}}


#: Variables of the environment, each by its share.
VARIABLES = {"VAULT_TOKEN": ("t", 0.8), "AZURE_CLIENT_SECRET": ("s", 0.3), "FLY_API_TOKEN": ("fm2_t", 0.3),
             "FLY_APP_NAME": ("an-app", 0.3),
             # Each start derives a key from it, which takes long on purpose.
             "CREDENTIAL_ENCRYPTION_KEY": ("a passphrase that is long enough", 0.15)}


class Agreement(SystemTest):
    """20 configurations of every type, and 200 with --soak: each takes 0.1 to 0.4 s, by what else the machine does."""

    time_limit = 300

    @classmethod
    def setUpClass(cls) -> None:
        with tempfile.TemporaryDirectory(prefix="cf") as folder:
            certificate, key = Path(folder) / "ca.pem", Path(folder) / "key.pem"
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                 "-subj", "/CN=test", "-keyout", key, "-out", certificate], check=True, capture_output=True)
            app = subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test", "-keyout", "-"],
                check=True, capture_output=True, text=True)
            other = subprocess.run(
                ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"], check=True, capture_output=True, text=True)
            cls.files = {"ca.pem": certificate.read_text(), "key.pem": key.read_text(), "open.pem": key.read_text(),
                         "other.pem": other.stdout, "token": "t\n", "azure.pem": app.stdout,
                         "google.json": json.dumps({"type": "authorized_user", "client_id": "c", "client_secret": "s",
                                                    "refresh_token": "r"})}

    def test_check_and_start_agree_on_generated_configurations(self) -> None:
        chance = random.Random(14)
        reference = json.loads(run("cofferd", "--print-settings", "--form", "json").stdout)
        settings = {row["setting"].removeprefix("vaults.NAME."): row["types"] for row in reference
                    if row["setting"].startswith("vaults.NAME.") and not row["setting"].endswith(".type")}
        self.assertEqual(set(settings), set(VALUES), "VALUES has each setting of vaults")
        types = sorted({kind for kinds in settings.values() for kind in kinds})
        passed, rounds = 0, options.sized(20, 200) * len(types)
        for number in range(rounds):
            kind = types[number % len(types)]
            place = Place()
            try:
                passed += self.agree(kind, self.configuration(chance, kind, settings, place), chance, place)
            finally:
                place.remove()
        self.assertGreater(passed, rounds // 8, "hardly any configuration was right: the test says little")
        self.assertLess(passed, rounds * 7 // 8, "hardly any configuration was wrong: the test says little")

    def configuration(self, chance: random.Random, kind: str, settings: dict[str, list[str]], place: Place) -> str:
        for name, text in self.files.items():
            (place.folder / name).write_text(text)
            (place.folder / name).chmod(0o644 if name == "open.pem" else 0o600)
        lines = ["vaults:", "  a:", f"    type: {kind}"]
        for name, types in settings.items():
            share = NEEDED.get(kind, {}).get(name, 0.12)
            if kind not in types:
                share = 0.002
            if chance.random() < share:
                right, wrong = VALUES[name]
                value = chance.choice(wrong if chance.random() < 0.05 else right)
                lines.append(f"    {name}: {value.replace('FOLDER', str(place.folder))}")
        if chance.random() < 0.15:
            lines.append("environment: production")
        return "\n".join(lines) + "\n"

    def agree(self, kind: str, config: str, chance: random.Random, place: Place) -> bool:
        """Whether both pass it. Fails if one does and the other does not, or if they say different things."""
        env = {"HOME": str(place.folder)}
        env |= {name: value for name, (value, share) in VARIABLES.items() if chance.random() < share}
        place.config.write_text(config)
        checked = run(
            "cofferd", "--check", "--config", place.config, "--socket", place.socket, "--data", place.data, env=env)
        daemon = Daemon("--config", place.config, env=env, place=place).spawn()
        try:
            eventually("cofferd serves or ends", 15, lambda: self.has_settled(daemon), step=0.005)
            starts = daemon.process.poll() is None
            said = f"\n{config}\n--check: {checked.returncode} {checked.stderr.decode()}\nstart: {daemon.log_text()}"
            self.assertEqual(checked.returncode == 0, starts, said)
            if not starts:
                lines = [line for line in daemon.log_text().splitlines() if line.startswith("cofferd: ")]
                self.assertEqual(checked.stderr.decode().splitlines()[-len(lines):], lines, said)
            return starts
        finally:
            if daemon.process.poll() is None:
                daemon.process.send_signal(signal.SIGTERM)
                self.assertEqual(daemon.process.wait(10), 0, daemon.log_text())
            daemon.dispose()

    @staticmethod
    def has_settled(daemon: Daemon) -> bool:
        try:
            return daemon.serves()
        except AssertionError:
            return True
