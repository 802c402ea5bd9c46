"""`coffer vaults` and `coffer doctor` in front of vaults that work, and of others."""

import json

import aws
from harness import Status, SystemTest
from servers import free_ports
from stage import Stage, configuration, new_daemon


class Advice(SystemTest):
    @classmethod
    def setUpClass(cls) -> None:
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.dispose)
        cls.aws = aws.AWS()
        cls.addClassCleanup(cls.aws.stop)
        cls.aws.start(cls.stage.folder)
        sealed = cls.stage.bao("sealed")
        sealed_vault = cls.stage.vault(sealed)
        sealed.seal()
        hung = cls.stage.bao("hung")
        hung_vault = cls.stage.vault(hung)
        hung.process.freeze()
        bao = cls.stage.bao("good")
        bao.require("POST", "auth/token/create", {"id": "a-token-without-rights", "policies": ["default"]})
        key, secret = cls.aws.users["app"]
        profiles = cls.stage.file(
            "credentials", f"[without]\nregion = {aws.REGION}\n[wrong]\naws_access_key_id = {key}\naws_secret_access_key = {'w' * 40}\n")
        env = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SHARED_CREDENTIALS_FILE": str(profiles)}
        cloud = {"type": "aws", "region": aws.REGION, "endpoint": cls.aws.endpoint}

        def with_token(token: str) -> dict[str, object]:
            return cls.stage.vault(
                bao, auth="token-file", role_id=None, secret_id_file=None, token_file=cls.stage.file(token, token))

        cls.healthy = new_daemon(configuration({"bao": cls.stage.vault(bao), "cloud": cloud}), env=env)
        cls.addClassCleanup(cls.healthy.dispose)
        cls.broken = new_daemon(configuration({
            "sealed": sealed_vault,
            "hung": hung_vault,
            "wrong-token": with_token("no-token-of-this-vault"),
            "no-rights": with_token("a-token-without-rights"),
            "wrong-ca": cls.stage.vault(bao, ca_file=cls.stage.folder / "other-ca.pem"),
            "nobody": cls.stage.vault(bao, address=f"https://127.0.0.1:{free_ports(1)[0]}"),
            "wrong-key": cloud | {"profile": "wrong"},
            "no-key": cloud | {"profile": "without"},
            "plain": cls.stage.vault(bao, address=bao.address.replace("https://", "http://"), ca_file=None),
            "plain-aws": cloud | {"endpoint": bao.address.replace("https://", "http://")},
            "good": cls.stage.vault(bao),
        }), env=env)
        cls.addClassCleanup(cls.broken.dispose)

    def test_vaults_that_work(self) -> None:
        ended = self.healthy.coffer("vaults", "--json")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        found = {vault["name"]: vault for vault in json.loads(ended.stdout)}
        self.assertEqual({name: vault["kind"] for name, vault in found.items()}, {"bao": "vault", "cloud": "aws"})
        for vault in found.values():
            self.assertEqual((vault["reachable"], vault["breaker"]), (True, "closed"))
            self.assertGreater(vault["latencyUs"], 0)
        table = self.healthy.coffer("vaults").stdout.decode()
        self.assertRegex(table, r"(?m)^bao +vault +sealed +yes .* closed .* none +user=bao-\* connection=\*$")

    def test_the_doctor_is_content_with_them(self) -> None:
        ended = self.healthy.coffer("doctor")
        text = ended.stdout.decode()
        self.assertEqual(ended.returncode, 0, text)
        self.assertIn("vault bao (vault): works\n", text)
        self.assertIn("vault cloud (aws): works\n", text)
        self.assertEqual(text.count("  ok: "), 8)
        self.assertNotIn("advice:", text)

    def test_vaults_shows_which_do_not(self) -> None:
        ended = self.broken.coffer("vaults", "--json")
        self.assertEqual(ended.returncode, Status.UNAVAILABLE, ended.stderr)
        reachable = {vault["name"]: vault["reachable"] for vault in json.loads(ended.stdout)}
        self.assertEqual({name for name, is_reachable in reachable.items() if is_reachable}, {"good"})
        for vault in json.loads(ended.stdout):
            self.assertEqual("lastGoodContactMs" in vault, vault["name"] == "good", vault)
        table = self.broken.coffer("vaults").stdout.decode()
        self.assertRegex(table, r"(?m)^nobody +vault +sealed +no ")

    def test_health_shows_them_too(self) -> None:
        ended = self.broken.coffer("health", "--json")
        self.assertEqual(ended.returncode, Status.UNAVAILABLE, ended.stderr)
        vaults = json.loads(ended.stdout)["vaults"]
        self.assertEqual({vault["name"] for vault in vaults if vault["reachable"]}, {"good"})
        self.assertNotIn("vault recovered", self.broken.log_text())

    def diagnose(self, vault: str, status: Status, *words: str) -> str:
        ended = self.broken.coffer("doctor", "--vault", vault)
        text = ended.stdout.decode()
        self.assertEqual(Status(ended.returncode).name, status.name, text)
        self.assertIn(f"vault {vault} ", text)
        self.assertIn("): does not work\n", text)
        first, advice = [line.strip() for line in text.splitlines()[1:3]]
        self.assertEqual(text.count(advice), 1, "the advice is given once")
        self.assertTrue(first.startswith("FAILED: store, "), text)
        self.assertTrue(advice.startswith("advice: "), text)
        for word in words:
            self.assertIn(word, first + advice)
        return first + advice

    def test_a_sealed_vault(self) -> None:
        self.diagnose("sealed", Status.UNAVAILABLE, "sealed", "unseal it")

    def test_a_vault_that_hangs(self) -> None:
        # Another attempt may have begun: then it is the call's time that ran out.
        self.assertRegex(
            self.diagnose("hung", Status.DEADLINE_EXCEEDED),
            r"did not answer within timeout_ms \(.*raise its timeout_ms|the time given.*Check how busy the vault is")

    def test_another_authority(self) -> None:
        self.diagnose("wrong-ca", Status.FAILED_PRECONDITION, "TLS", "ca_file", "server_name")

    def test_nobody_listens(self) -> None:
        self.diagnose(
            "nobody", Status.UNAVAILABLE, "check that it runs", "Check that the vault is running at its address")

    def test_plain_http_to_a_port_with_tls(self) -> None:
        self.diagnose("plain", Status.FAILED_PRECONDITION, "plain http", "expects TLS", "https://")

        self.diagnose("plain-aws", Status.FAILED_PRECONDITION, "plain http", "expects TLS", "https://")

    def test_the_others_beside_them_work(self) -> None:
        ended = self.broken.coffer("doctor", "--vault", "good")
        self.assertEqual(ended.returncode, 0, ended.stdout)
