"""The daemon's token in OpenBao: short-lived under load, revoked, and replaced at SIGHUP."""

import os
import signal
import time

from harness import Daemon, SystemTest, eventually
from load import Traffic, get, store
from stage import Audit, Stage, configuration, new_daemon

MINUTE = 60


class Tokens(SystemTest):
    time_limit = 180

    def setUp(self) -> None:
        self.stage = Stage()
        self.addCleanup(self.stage.dispose)

    def play(self, bao, seconds: float, meanwhile=lambda daemon: None) -> list:
        """Calls of every kind that all go to the vault, for so long; what was answered.

        `meanwhile`: called with the daemon while they run.
        """
        daemon = new_daemon(configuration(
            {"main": self.stage.vault(bao)}, "cache: {ttl_seconds: 0, negative_seconds: 0}"))
        self.addCleanup(daemon.dispose)
        with daemon.client() as client:
            client.store("user", "read", b"value")
        load = [
            Traffic(daemon, lambda n: get("user", "read"), 20), Traffic(daemon, lambda n: get("user", f"none-{n}"), 10),
            Traffic(daemon, lambda n: store("user", f"stored-{n % 5}", b"value"), 5)]
        for traffic in load:
            traffic.start()
        end = time.monotonic() + seconds
        try:
            meanwhile(daemon)
            time.sleep(max(0, end - time.monotonic()))
        finally:
            for traffic in load:
                traffic.stop()
        return [sample for traffic in load for sample in traffic.samples]

    def test_a_token_that_lives_five_seconds_works_for_a_minute(self) -> None:
        bao = self.stage.bao("brief", token_ttl="5s", token_max_ttl="12s")
        samples = self.play(bao, MINUTE)
        self.assertGreater(len(samples), 30 * MINUTE)
        self.assertEqual([sample for sample in samples if not sample.reached], [])
        audit = Audit(bao)
        # A token is renewed, and in at most 12 s another one is needed; neither is asked for with every call.
        self.assertGreaterEqual(audit.count("auth/approle/login"), MINUTE // 12)
        self.assertLessEqual(audit.count("auth/approle/login"), MINUTE // 5)
        self.assertGreaterEqual(audit.count("auth/token/renew-self"), MINUTE // 12)
        self.assertLessEqual(audit.count("auth/token/renew-self"), MINUTE)

    def test_a_revoked_token_logs_in_again_once(self) -> None:
        bao = self.stage.bao("revoked")
        audit = Audit(bao)
        logins = []

        def revoke(_: Daemon) -> None:
            time.sleep(4)
            logins.append(audit.count("auth/approle/login"))
            accessors = bao.require("LIST", "auth/token/accessors")["data"]["keys"]
            mine = [accessor for accessor in accessors if bao.require(
                "POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]["path"] == "auth/approle/login"]
            self.assertEqual(len(mine), 1)
            bao.require("POST", "auth/token/revoke-accessor", {"accessor": mine[0]})

        samples = self.play(bao, 10, revoke)
        self.assertGreater(len(samples), 250)
        self.assertEqual([sample for sample in samples if not sample.reached], [])
        self.assertEqual(logins, [1])
        self.assertEqual(audit.count("auth/approle/login"), 2)

    def test_a_new_secret_id_logs_in_at_sighup_while_calls_go_on(self) -> None:
        bao = self.stage.bao("reloaded")
        audit = Audit(bao)
        logins = []

        def reload(daemon: Daemon) -> None:
            told = daemon.log_text().count("reloaded the configuration")
            os.kill(daemon.pid, signal.SIGHUP)
            eventually("the reload is logged", 10, lambda: daemon.log_text().count("reloaded the configuration") > told)
            logins.append(audit.count("auth/approle/login"))

        def rotate(daemon: Daemon) -> None:
            reload(daemon)
            bao.require("POST", "auth/approle/role/app/custom-secret-id", {"secret_id": "the-next-secret-id"})
            self.stage.file(f"secret-id-{bao.folder.name}", "wrong\n")
            reload(daemon)
            self.assertIn("not reloaded", daemon.log_text())
            self.stage.file(f"secret-id-{bao.folder.name}", "the-next-secret-id\n")
            reload(daemon)
            self.assertIn("vaults.main: credentials", daemon.log_text())

        samples = self.play(bao, 5, rotate)
        self.assertGreater(len(samples), 100)
        self.assertEqual([sample for sample in samples if not sample.reached], [])
        # The secret id of before is not used up by a reload; the wrong one and the next one are tried once each.
        self.assertEqual(logins, [1, 2, 3])
