"""Vaults whose policy lets the daemon read and forbids to write: `coffer health` and `coffer vaults` say so."""

import json

import aws
from harness import Status, SystemTest
from stage import Stage, configuration, new_daemon

READ_ONLY = """
path "secret/data/ai2-connectors/*" { capabilities = ["read"] }
path "secret/metadata/ai2-connectors/*" { capabilities = ["read", "list"] }
"""


class RefusedWrites(SystemTest):
    @classmethod
    def setUpClass(cls) -> None:
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.dispose)
        cls.aws = aws.AWS()
        cls.addClassCleanup(cls.aws.stop)
        cls.aws.start(cls.stage.folder)
        cls.bao = cls.stage.bao("bao")

    def daemon_for(self, vault: dict[str, object]):
        key, secret = self.aws.users["reader"]
        daemon = new_daemon(
            configuration({"main": vault}), env={"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret})
        self.addCleanup(daemon.dispose)
        return daemon

    def state(self, daemon) -> tuple[int, str, str | None]:
        """Exit code of `coffer health`, and what it says of writes, as `coffer vaults` does."""
        found = []
        for command in ("health", "vaults"):
            ended = daemon.coffer(command, "--json")
            document = json.loads(ended.stdout)
            vault = (document["vaults"] if command == "health" else document)[0]
            self.assertTrue(vault["reachable"], ended.stdout)
            found.append((ended.returncode, vault["writes"], vault.get("writeFailure")))
        self.assertEqual(*found)
        return found[0]

    def see(self, vault: dict[str, object], permit) -> None:
        daemon = self.daemon_for(vault)
        self.assertEqual(self.state(daemon), (0, "unknown", None))
        self.assertIn("writes not tried", daemon.coffer("health").stdout.decode())
        with daemon.client() as client:
            self.assert_fails(Status.PERMISSION_DENIED, client.store, "user", "mail", b"value")
            self.assert_fails(Status.NOT_FOUND, client.get, "user", "mail")
        for _ in range(2):
            self.assertEqual(self.state(daemon), (Status.UNAVAILABLE, "fail", "VAULT_REFUSED"))
        self.assertIn("writes fail (refused)", daemon.coffer("health").stdout.decode())
        self.assertRegex(daemon.coffer("vaults").stdout.decode(), r"(?m)^main .* yes +fail \(refused\) ")
        self.assertEqual(daemon.coffer("doctor").returncode, Status.PERMISSION_DENIED)
        permit()
        # Nobody stores: the doctor's test record shows that it is mended.
        ended = daemon.coffer("doctor")
        self.assertEqual(ended.returncode, 0, ended.stdout)
        self.assertEqual(self.state(daemon), (0, "work", None))
        self.assertIn("writes work", daemon.coffer("health").stdout.decode())
        self.assertIn("vault recovered", daemon.log_text())

    def test_openbao(self) -> None:
        policy = self.bao.require("GET", "sys/policies/acl/app")["data"]["policy"]
        self.bao.require("PUT", "sys/policies/acl/app", {"policy": READ_ONLY})
        self.see(
            self.stage.vault(self.bao), lambda: self.bao.require("PUT", "sys/policies/acl/app", {"policy": policy}))

    def test_aws(self) -> None:
        iam = aws.client("iam", self.aws.endpoint, aws.ROOT)
        document = json.dumps({"Version": "2012-10-17", "Statement": [aws.allow(aws.ACTIONS, aws.RESOURCE)]})
        self.see(
            {"type": "aws", "region": aws.REGION, "endpoint": self.aws.endpoint},
            lambda: iam.put_user_policy(UserName="reader", PolicyName="coffer", PolicyDocument=document))
