"""What is cached outlives every Store that surely wrote nothing."""

import signal
from collections.abc import Callable

from harness import Status, SystemTest, eventually, messages
from harness.client import CallFailed
from relay import Relay
from stage import Stage, configuration, new_daemon

READ_ONLY = """
path "secret/data/ai2-connectors/*" { capabilities = ["read"] }
path "secret/metadata/ai2-connectors/*" { capabilities = ["read", "list"] }
"""
QUOTA = "sys/quotas/rate-limit/kept"


class Kept(SystemTest):
    time_limit = 120

    @classmethod
    def setUpClass(cls) -> None:
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.dispose)

    def setUp(self) -> None:
        self.bao = self.stage.bao(self._testMethodName)
        config = configuration({"main": self.stage.vault(self.bao)}, "cache: {ttl_seconds: 600}")
        self.daemon = new_daemon(config)
        self.addCleanup(self.daemon.dispose)
        self.kept: dict[str, bool] = {}

    def see(
        self, name: str, status: Status, fault: Callable[[], object], is_stored: bool = False, **fields
    ) -> None:
        """A Store of a record that is cached fails in this way; the next Get has it as it was, without the vault."""
        with self.daemon.client() as client:
            if not is_stored:
                client.store("user", name, b"value")
            fault()
            request = messages.credentials.StoreRequest(
                user_id="user", connection_id=name, **({"credential": b"other"} | fields))
            with self.assertRaises(CallFailed) as caught:
                client._call("Credentials/Store", request, messages.credentials.StoreResponse, timeout=1_500)
            self.assertEqual(caught.exception.status.name, status.name, str(caught.exception))
            answer = client.get("user", name)
        self.kept[name] = (answer.credential, answer.stale, answer.source) == (
            b"value", False, messages.credentials.SOURCE_MEMORY)

    def test_what_is_given_up_is_not_sent_later(self) -> None:
        host, port = self.bao.address.rsplit(":", 1)
        relay = Relay(int(port))
        self.addCleanup(relay.close)
        daemon = new_daemon(configuration({"main": self.stage.vault(self.bao, address=f"{host}:{relay.port}")}))
        self.addCleanup(daemon.dispose)
        with daemon.client() as client:
            client.store("user", "key", b"old")
            relay.hold()
            request = messages.credentials.StoreRequest(user_id="user", connection_id="key", credential=b"new")
            with self.assertRaises(CallFailed):
                client._call("Credentials/Store", request, messages.credentials.StoreResponse, timeout=1_000)
            eventually("the connection of the Store to be reset", 10, lambda: relay.resets() > 0)

    def test_stores_that_wrote_nothing_leave_what_is_cached(self) -> None:
        policy = self.bao.require("GET", "sys/policies/acl/app")["data"]["policy"]
        self.see("too large", Status.INVALID_ARGUMENT, lambda: None, credential=b"x" * 70_000)
        self.see("labels break a rule", Status.INVALID_ARGUMENT, lambda: None, labels={"": "x"})
        self.see("forbidden by policy", Status.PERMISSION_DENIED,
                 lambda: self.bao.require("PUT", "sys/policies/acl/app", {"policy": READ_ONLY}))
        self.bao.require("PUT", "sys/policies/acl/app", {"policy": policy})
        self.see("429", Status.RESOURCE_EXHAUSTED, lambda: self.bao.require(
            "POST", QUOTA, {"rate": 0.001, "interval": "1h", "path": "secret"}))
        self.bao.require("DELETE", QUOTA)
        self.see("no answer to its first step", Status.DEADLINE_EXCEEDED,
                 lambda: self.bao.process.freeze())
        self.bao.process.send(signal.SIGCONT)
        with self.daemon.client() as client:
            for name in ("503", "no connection", "breaker open"):
                client.store("user", name, b"value")
        self.see("503", Status.UNAVAILABLE, self.bao.seal, is_stored=True)
        self.see("no connection", Status.UNAVAILABLE, self.bao.process.kill, is_stored=True)
        self.see("breaker open", Status.UNAVAILABLE, self.open_breaker, is_stored=True)
        print(f"  the cached copy is kept in {sum(self.kept.values())} of {len(self.kept)} cases", flush=True)
        self.assertEqual([name for name, is_kept in self.kept.items() if not is_kept], [])

    def open_breaker(self) -> None:
        with self.daemon.client() as client:
            for number in range(40):
                failure = self.assert_fails(Status.UNAVAILABLE, client.store, "user", f"other-{number}", b"value")
                if "is not asked for another" in str(failure):
                    return
        self.fail("the breaker did not open")
