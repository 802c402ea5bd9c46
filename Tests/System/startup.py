"""Mistakes in the configuration, and --check."""

import contextlib
import os
import shutil
import subprocess
import sys

from harness import Canaries, run
from harness.options import binary
from harness.start import CONFIGURATION, StartupTest


class ConfigurationMistakes(StartupTest):
    def test_unknown_vault_type(self) -> None:
        ended = self.start(env={"VAULT_TYPE": "floppy"})
        self.assert_refused(ended, CONFIGURATION, "VAULT_TYPE", "embedded", "memory")

    def test_mistyped_setting_has_its_place_and_a_suggestion(self) -> None:
        ended = self.start(config="limits:\n  conections: 5\n")
        self.assert_refused(
            ended, CONFIGURATION, "coffer.yaml:2:3", "limits.conections", "did you mean limits.connections?")

    def test_unknown_setting_has_its_place(self) -> None:
        ended = self.start(config="socket_mode: 0600\nflux_capacitor: on\n")
        self.assert_refused(ended, CONFIGURATION, "coffer.yaml:2:1", "flux_capacitor", "--print-settings")

    def test_unknown_section_has_its_place(self) -> None:
        ended = self.start(config="zzz:\n  yyy: 1\n")
        self.assert_refused(ended, CONFIGURATION, "coffer.yaml:1:1", "zzz")

    def test_setting_that_comes_twice(self) -> None:
        self.assert_refused(self.start(config="reactors: 1\nreactors: 2\n"), CONFIGURATION, "coffer.yaml:1:1", "reactors appears twice")

    def test_every_mistake_is_told(self) -> None:
        ended = self.start(config="reactors: many\nlimits:\n  connections: 0\n")
        message = ended.stderr.decode()
        self.assertEqual(ended.returncode, CONFIGURATION, message)
        self.assertEqual(len(message.splitlines()), 2, message)
        self.assertIn("coffer.yaml:1:11", message)
        self.assertIn("coffer.yaml:3:16", message)

    def test_not_yaml(self) -> None:
        ended = self.start(config="socket: [unfinished\nlimits: }\n")
        self.assert_refused(ended, CONFIGURATION, "coffer.yaml", "YAML", "line")

    def test_list_instead_of_settings(self) -> None:
        self.assert_refused(self.start(config="- socket\n"), CONFIGURATION, "coffer.yaml:1:1")

    def test_value_out_of_range(self) -> None:
        ended = self.start(config="cache:\n  ttl_seconds: 86400\n")
        self.assert_refused(ended, CONFIGURATION, "coffer.yaml:2:16", "cache.ttl_seconds", "from 0s to 1h")

    def test_value_of_the_wrong_kind(self) -> None:
        ended = self.start(config="limits:\n  connections: many\n")
        self.assert_refused(ended, CONFIGURATION, "coffer.yaml:2:16", "limits.connections", "whole number")

    def test_flag_out_of_range(self) -> None:
        self.assert_refused(self.start("--reactors", "9999"), CONFIGURATION, "--reactors", "64")

    def test_frames_too_small_for_credentials(self) -> None:
        ended = self.start(config="limits:\n  credential_bytes: 1048576\n  frame_bytes: 65536\n")
        self.assert_refused(ended, CONFIGURATION, "limits.frame_bytes", "limits.credential_bytes")

    def test_configuration_file_that_is_not_there(self) -> None:
        ended = self.start("--config", self.place.folder / "absent.yaml")
        self.assert_refused(ended, CONFIGURATION, "absent.yaml")

    def test_error_waits_for_room_in_a_full_pipe(self) -> None:
        """A non-blocking standard error that is full for a moment: the reason for the exit is not lost."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                filled += os.write(writing, b"." * 4096)
        process = subprocess.Popen(
            [binary("cofferd"), "--config", self.place.folder / "absent.yaml"], stdout=subprocess.DEVNULL, stderr=writing)
        os.close(writing)
        with open(reading, "rb") as pipe:
            with self.assertRaises(subprocess.TimeoutExpired, msg="it ended without its reason"):
                process.wait(1)
            text = pipe.read()
        self.assertEqual(process.wait(10), CONFIGURATION)
        self.assertEqual(text[:filled].strip(b"."), b"")
        self.assertIn(b"absent.yaml", text[filled:])

    def test_unknown_log_level(self) -> None:
        self.assert_refused(self.start(env={"COFFER_LOG_LEVEL": "loud"}), CONFIGURATION, "COFFER_LOG_LEVEL", "trace")

    def test_unknown_flag_is_a_wrong_command_line(self) -> None:
        ended = self.start("--frobnicate")
        self.assertEqual(ended.returncode, 64, ended.stderr)
        self.assertIn(b"unknown option", ended.stderr)

    def test_memory_vault_in_production(self) -> None:
        ended = self.start(env={"COFFER_ENV": "production", "VAULT_TYPE": "memory"})
        self.assert_refused(ended, CONFIGURATION, "VAULT_TYPE: the memory vault", "production")

    def test_generated_key_in_production(self) -> None:
        ended = self.start(env={"NODE_ENV": "production"})
        self.assert_refused(ended, CONFIGURATION, "key.file", "production")
        self.assertFalse((self.place.data / "root.key").exists())

    def test_every_mistake_of_file_variables_and_flags_is_told(self) -> None:
        ended = self.start(
            "--reactors", "9999", config="reactors: many\n", env={"COFFER_LOG_LEVEL": "loud", "COFFER_VAULT_CONCURENCY": "9"})
        message = ended.stderr.decode()
        self.assertEqual(ended.returncode, CONFIGURATION, message)
        for place in ("coffer.yaml:1:11", "COFFER_LOG_LEVEL", "--reactors", "COFFER_VAULT_CONCURENCY"):
            self.assertIn(f"cofferd: {place}" if "yaml" not in place else place, message)
        self.assertEqual(len(message.splitlines()), 4, message)

    def test_control_characters_of_a_key_are_escaped(self) -> None:
        message = self.assert_refused(self.start(config='"a\\e[2Jb\\nc": 1\n'), CONFIGURATION, "unknown setting")
        self.assertTrue(message.rstrip("\n").isprintable(), repr(message))

    def test_relative_home_leaves_nothing(self) -> None:
        for variable in ("XDG_DATA_HOME",) + (("HOME",) if os.geteuid() else ()):
            for arguments in ([], ["--check"]):
                ended = subprocess.run(
                    [os.path.abspath(binary("cofferd")), "--socket", self.place.socket, *arguments], env={variable: "relx"}, cwd=self.place.folder,
                    capture_output=True, timeout=20)
                self.assert_refused(ended, CONFIGURATION, f"cofferd: {variable}: ", "--data FOLDER")
                self.assertEqual([path.name for path in self.place.folder.iterdir() if path.name == "relx"], [])

    def test_login_file_that_is_not_there_yet_is_said_by_a_check(self) -> None:
        env = {"VAULT_TYPE": "vault", "VAULT_ADDR": "https://127.0.0.1:9", "VAULT_TOKEN_FILE": "/absent/token"}
        ended = self.start("--check", env=env)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn(b"VAULT_TOKEN_FILE: there is no file /absent/token", ended.stderr)
        token = self.place.folder / "token"
        token.write_text("a-token")
        token.chmod(0o600)
        self.assertEqual(self.start("--check", env=env | {"VAULT_TOKEN_FILE": str(token)}).stderr, b"")

    #: A vault whose login reads a file, and the setting with it.
    LOGINS = {
        "type: postgres, url: 'postgresql://u@127.0.0.1:9/d', tls: disable": "password_file",
        "type: etcd, endpoints: ['http://127.0.0.1:9'], user: u": "user_password_file",
        "type: vault, address: 'http://127.0.0.1:9', auth: token-file": "token_file",
        "type: vault, address: 'http://127.0.0.1:9', auth: approle, role_id: r": "secret_id_file",
        "type: vault, address: 'http://127.0.0.1:9', auth: jwt": "token_file",
    }

    def test_login_file_that_cannot_be_used_is_said_by_check_and_start(self) -> None:
        secret = self.place.folder / "login"
        for vault, setting in self.LOGINS.items():
            config = f"vaults: {{a: {{{vault}, {setting}: '{secret}'}}}}\nroutes: [{{vault: a}}]\n"
            place = f"coffer.yaml:1:{config.index(repr(str(secret))) + 1}: vaults.a.{setting}: "
            # A platform chooses the mode of the token that it lays out.
            modes = (0o644, "has mode 0644, open to others") if "jwt" not in vault else (0o666, "has mode 0666, so that others can write to it")
            for content, mode, why in ((b"hunter2", *modes), (b"", 0o600, "expected"), (b"a\0b", 0o600, str(secret)), (b"hunter2\n", 0o600, "")):
                if content == b"a\0b" and "etcd" in vault:
                    continue  # A password may have any character there.
                with self.subTest(vault=vault, content=content, mode=oct(mode)):
                    secret.write_bytes(content)
                    secret.chmod(mode)
                    ended = self.start("--check", config=config)
                    self.assertEqual(ended.returncode, 0, ended.stderr)
                    daemon = self.running(config=config)
                    logged = daemon.log_text()
                    self.assertEqual(daemon.terminate(), 0)
                    daemon.dispose()
                    self.place.log.unlink()
                    for text in (ended.stderr.decode(), logged):
                        self.assertNotIn("hunter2", text)
                        self.assertEqual(place in text, why != "", text)
                        self.assertIn(why, text)
                        self.assertEqual("until that is mended, the vault cannot be used" in text, why != "", text)

    def test_what_is_wrong_in_a_variable_is_told_by_its_name_alone(self) -> None:
        rows = {
            "PGSERVICE: libpq would obey it": {"VAULT_TYPE": "postgres", "DATABASE_URL": "postgresql://u@/d", "PGSERVICE": "s"},
            "DATABASE_URL: expected a port from 1 to 65535": {"VAULT_TYPE": "postgres", "DATABASE_URL": "postgresql://u:s3cret@h:x/d"},
            "COFFER_VAULT_USER: logs in with ETCDCTL_PASSWORD, which is not set": {
                "VAULT_TYPE": "etcd", "ETCDCTL_ENDPOINTS": "https://h:2379", "COFFER_VAULT_USER": "u"},
            "CLOUDFLARE_API_TOKEN: expected one API token": {
                "VAULT_TYPE": "cloudflare", "CLOUDFLARE_API_TOKEN": "s3cret s3cret", "CLOUDFLARE_SECRETS_STORE": "n"},
            "GOOGLE_APPLICATION_CREDENTIALS: /absent/file does not exist": {
                "VAULT_TYPE": "gcp", "GOOGLE_APPLICATION_CREDENTIALS": "/absent/file", "GOOGLE_CLOUD_PROJECT": "p-1"},
            "COFFER_VAULT_PROJECT: no Google Cloud project is configured": {"VAULT_TYPE": "gcp"},
            "COFFER_VAULT_TYPE: vaults of type embedded have no such setting; did you mean VAULT_TYPE?": {"COFFER_VAULT_TYPE": "etcd"},
            "ETCDCTL_ENDPOINTS: expected a list of 1 to 16 addresses, each https:// with a host and perhaps a port, 443 without one; "
            "number 2 does not begin with https://": {"VAULT_TYPE": "etcd", "ETCDCTL_ENDPOINTS": "https://h:2379,h:2379"},
        }
        for message, env in rows.items():
            with self.subTest(message):
                told = self.assert_refused(self.start("--check", env=env), CONFIGURATION, f"cofferd: {message}")
                self.assertNotIn("vault: ", told)
                self.assertNotIn("vault.", told)
                self.assertNotIn("s3cret", told)

    def test_binary_text_is_refused(self) -> None:
        self.assert_refused(self.start(config="log:\n  level: !!binary aW5mbw==\n"), CONFIGURATION, "line 2", "!!binary", "write the text itself")

    def test_secret_in_the_place_of_a_path_is_not_repeated(self) -> None:
        canary = Canaries()
        for variable in ("COFFER_KEY_FILE", "CREDENTIAL_ENCRYPTION_KEY_FILE"):
            secret = canary.new().decode()
            for arguments, config, env in (([], None, {variable: secret}),
                                           ([], f"key:\n  file: {secret}\n", {}),
                                           (["--check"], f"key:\n  passphrase_file: {secret}\n", {}),
                                           ([], f"vaults: {{a: {{type: vault, address: 'https://h', token_file: {secret}, auth: token-file}}}}\n", {}),
                                           ([], f"vaults: {{a: {{type: vault, address: '{secret}', auth: token}}}}\n", {})):
                ended = self.start(*arguments, config=config, env=env)
                self.assertEqual(ended.returncode, CONFIGURATION, ended.stderr)
                self.assertEqual(canary.find(ended.stdout + ended.stderr), [])

    def test_refused_start_leaves_nothing(self) -> None:
        data = self.place.folder / "new" / "data"
        blocker = self.place.folder / "file"
        blocker.write_text("in the way")
        ended = run("cofferd", "--socket", blocker, "--data", data)
        self.assertEqual(ended.returncode, CONFIGURATION, ended.stderr)
        self.assertFalse(data.parent.exists(), "folders and a key are left behind")
        self.place.data.mkdir(0o700)
        ended = self.start(config="vaults: {a: {type: vault, address: 'https://h', auth: token, ca_file: /absent}}\n", env={"VAULT_TOKEN": "t"})
        self.assert_refused(ended, CONFIGURATION, "/absent")
        self.assertEqual(list(self.place.data.iterdir()), [])

    def test_address_without_a_type_is_said_to_be_idle(self) -> None:
        env = {"VAULT_ADDR": "https://vault.example:8200"}
        self.assertIn(b"VAULT_ADDR is set and VAULT_TYPE is not", self.start("--check", env=env).stderr)
        daemon = self.running(env=env)
        self.assertIn("VAULT_ADDR is set and VAULT_TYPE is not", daemon.log_text())
        self.assertIn(b"set VAULT_TYPE=vault", daemon.coffer("health").stdout)

    def test_short_passphrase_in_production(self) -> None:
        for length, is_fine in ((1, False), (11, False), (12, True)):
            with self.subTest(length=length):
                env = {"COFFER_ENV": "production", "CREDENTIAL_ENCRYPTION_KEY": "p" * length}
                ended = self.start("--check", env=env)
                if is_fine:
                    self.assertEqual(ended.returncode, 0, ended.stderr)
                else:
                    self.assert_refused(ended, CONFIGURATION, "CREDENTIAL_ENCRYPTION_KEY", f"{length} bytes", "12")
                    self.assert_refused(self.start(env=env), CONFIGURATION, "CREDENTIAL_ENCRYPTION_KEY", "12")

    def test_passphrase_file_that_others_can_read(self) -> None:
        path = self.place.folder / "passphrase"
        path.write_text("correct horse battery staple")
        path.chmod(0o644)
        ended = self.start(env={"CREDENTIAL_ENCRYPTION_KEY_FILE": str(path)})
        self.assert_refused(ended, CONFIGURATION, path, "0644")

    def test_production_with_a_key_starts(self) -> None:
        daemon = self.running(
            env={"COFFER_ENV": "production", "CREDENTIAL_ENCRYPTION_KEY": "correct horse battery staple"})
        with daemon.client() as client:
            client.store("u", "c", b"value")
            self.assertEqual(client.get("u", "c").credential, b"value")


class Checking(StartupTest):
    def test_check_prints_the_effective_configuration_without_secrets(self) -> None:
        canaries = Canaries()
        ended = self.start(
            "--check", "--reactors", "3", config="cache:\n  ttl_seconds: 77\nlog:\n  level: debug\n",
            env={"CREDENTIAL_ENCRYPTION_KEY": canaries.new().decode(), "COFFER_LOG_LEVEL": "warning"})
        self.assertEqual(ended.returncode, 0, ended.stderr)
        text = ended.stdout.decode()
        for expected in ("77s", str(self.place.socket), str(self.place.data), "warning", "embedded"):
            self.assertIn(expected, text)
        self.assertRegex(text, r"reactors: *3")
        self.assertEqual(canaries.find(ended.stdout + ended.stderr), [])

    def test_what_check_prints_is_a_configuration(self) -> None:
        printed = self.start("--check", config="limits:\n  connections: 99\n").stdout.decode()
        again = self.start("--check", config=printed)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(again.stdout.decode(), printed)

    def test_check_touches_nothing(self) -> None:
        self.assertEqual(self.start("--check").returncode, 0)
        self.assertEqual(os.listdir(self.place.folder), [])

    def test_check_finds_mistakes(self) -> None:
        self.assert_refused(self.start("--check", config="reactors: -1\n"), CONFIGURATION, "coffer.yaml:1:11", "reactors")

    #: Configurations that the start refuses, the variables with them, and what is said.
    REFUSED = {
        "AWS prefix": (
            "vaults:\n  a:\n    type: aws\n    region: eu-central-1\n    prefix: my-app-x\n", {},
            ("coffer.yaml:5:13", "vaults.a.prefix", "hyphen")),
        "two periods": (
            "vaults:\n  a:\n    type: vault\n    address: https://h\n    auth: token\n    mount: a..b\n",
            {"VAULT_TOKEN": "t"}, ("coffer.yaml:6:12", "vaults.a.mount")),
        "no key": ("environment: production\n", {}, ("coffer.yaml:1:14", "key.file")),
        "no token": (
            "vaults:\n  a:\n    type: vault\n    address: https://h\n    auth: token\n", {},
            ("coffer.yaml:5:11", "vaults.a.auth", "VAULT_TOKEN")),
        "no region": ("vaults:\n  a:\n    type: aws\n", {}, ("coffer.yaml:", "vaults.a", "region")),
        "no profile": (
            "vaults:\n  a:\n    type: aws\n    region: eu-central-1\n    profile: nobody\n", {},
            ("coffer.yaml:", "vaults.a", "nobody")),
        "key file": ("key: {file: /absent/key}\n", {}, ("/absent/key",)),
        "limits": ("limits:\n  call_ms: 600000\n", {}, ("coffer.yaml:2:12", "limits.call_ms")),
    }

    def test_check_finds_what_the_start_refuses(self) -> None:
        for name, (config, env, words) in self.REFUSED.items():
            with self.subTest(name):
                started = self.start(config=config, env=env)
                self.assert_refused(started, CONFIGURATION, *words)
                checked = self.start("--check", config=config, env=env)
                self.assertEqual((checked.returncode, checked.stderr), (started.returncode, started.stderr))

    def test_check_looks_at_the_data_folder_as_the_start_does(self) -> None:
        def file() -> None:
            self.place.data.write_bytes(b"")

        def folder(mode: int) -> None:
            self.place.data.mkdir(mode)
            self.place.data.chmod(mode)

        def database() -> None:
            folder(0o700)
            (self.place.data / "vault.db").write_bytes(b"")
            (self.place.data / "vault.db").chmod(0o644)

        cases = {
            "file": (file, "expected a folder"), "dangling link": (lambda: self.place.data.symlink_to("/nowhere"), "expected a folder"),
            "0755": (lambda: folder(0o755), "0755"), "0777": (lambda: folder(0o777), "0777"), "database": (database, "vault.db"),
        }
        for name, (prepare, word) in cases.items():
            with self.subTest(name):
                prepare()
                try:
                    checked = self.start("--check")
                    self.assert_refused(checked, CONFIGURATION, self.place.data, word)
                    started = self.start()
                    self.assertEqual((started.returncode, started.stderr), (checked.returncode, checked.stderr))
                finally:
                    if self.place.data.is_dir() and not self.place.data.is_symlink():
                        shutil.rmtree(self.place.data)
                    else:
                        self.place.data.unlink()

    def test_check_looks_at_the_limits_as_the_start_does(self) -> None:
        for name, limit in (("RLIMIT_AS", 600 << 20), ("RLIMIT_DATA", 300 << 20), ("RLIMIT_NOFILE", 60), ("RLIMIT_STACK", 512 << 10)):
            with self.subTest(name):
                bound = [sys.executable, "-c", "import os, resource, sys\n"
                         f"resource.setrlimit(resource.{name}, ({limit}, {limit}))\nos.execv(sys.argv[1], sys.argv[1:])"]
                paths = [binary("cofferd"), "--socket", str(self.place.socket), "--data", str(self.place.data)]
                checked, started = (
                    subprocess.run([*bound, *paths, *more], capture_output=True, timeout=30, env={}) for more in (["--check"], []))
                self.assertEqual(checked.returncode, CONFIGURATION, checked.stderr)
                self.assertIn(b"expected at least", checked.stderr)
                self.assertEqual((started.returncode, started.stderr), (checked.returncode, checked.stderr))

    def test_the_guides_region_is_used_and_said(self) -> None:
        daemon = self.running(env={"VAULT_TYPE": "aws", "AWS_EC2_METADATA_DISABLED": "true"})
        self.assertIn("us-east-1", daemon.log_text())
        self.assertIn("AWS_REGION", daemon.log_text())

    def test_bytes_that_are_no_text_are_refused_where_they_stand(self) -> None:
        bad = os.fsdecode(b"andr\xe9")
        places = {
            "argument 5": lambda: self.start(bad),
            "COFFER_SOCKET": lambda: self.start(env={"COFFER_SOCKET": bad}),
            "AWS_PROFILE": lambda: self.start(env={"AWS_PROFILE": bad}),
            "VAULT_ADDR": lambda: self.start(env={"VAULT_ADDR": bad}),
            "COFFER_VAULT_QUEUE": lambda: self.start(env={"COFFER_VAULT_QUEUE": bad}),
        }
        for place, start in places.items():
            with self.subTest(place):
                result = start()
                self.assert_refused(result, CONFIGURATION, place, "UTF-8")
                self.assertEqual(result.stderr.count(b"UTF-8"), 1, "one mistake is told once")
                self.assertEqual(result.stderr.count(place.encode()), 1, "one mistake is told once")
        self.place.config.write_bytes(b"reactors: 1\nenvironment: andr\xe9\n")
        self.assert_refused(self.start("--config", self.place.config), CONFIGURATION, "coffer.yaml:2", "not UTF-8")

    def test_programs_need_no_swift_on_their_host(self) -> None:
        for program in ("cofferd", "coffer"):
            libraries = subprocess.run(["ldd", binary(program)], capture_output=True, check=True, text=True).stdout
            self.assertIn("libc.so", libraries)
            self.assertNotRegex(libraries, "(?i)swift|foundation")

    def test_version(self) -> None:
        ended = run("cofferd", "--version")
        self.assertEqual(ended.returncode, 0)
        self.assertRegex(ended.stdout.decode(), r"\A\S*\s*\d+\.\d+\.\d+\s*\Z")
        with self.running().client() as client:
            self.assertIn(client.health().version, ended.stdout.decode())
