"""The daemon's token in OpenBao: short-lived under load, and revoked."""

import time

from harness import SystemTest
from load import Traffic, get, store
from stage import Audit, Stage, configuration, new_daemon

MINUTE = 60


class Tokens(SystemTest):
    time_limit = 180

    def setUp(self) -> None:
        self.stage = Stage()
        self.addCleanup(self.stage.dispose)

    def play(self, bao, seconds: float, meanwhile=lambda: None) -> list:
        """Calls of every kind that all go to the vault, for so long; what was answered."""
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
            meanwhile()
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

        def revoke() -> None:
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
