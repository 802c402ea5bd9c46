"""A credential is nowhere in a daemon at rest: each format and vault, over each version of TLS, on each way a call ends."""

import json
import select
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable

import aws
from faulty import FAILURES, SUCCESSES, FaultyFront
from harness import CallFailed, Canaries, Client, Status, SystemTest, eventually, messages
from harness.client import cancel
from harness.core import Core
from harness.options import options
from servers import free_ports
from stage import Stage, configuration, new_daemon

FORMATS = ("sealed", "json", "legacy-aes")
TLS = {"tls12": ssl.TLSVersion.TLSv1_2, "tls13": ssl.TLSVersion.TLSv1_3}
#: For calls that the vault lets hang.
VAULT_MILLISECONDS = 1_000
#: What the test waits for at most, be it a breaker that closes again.
PATIENCE = 60


class Idle(SystemTest):
    time_limit = 300

    def setUp(self) -> None:
        self.canaries = Canaries()
        self.lock = threading.Lock()
        self.stage = Stage()
        self.addCleanup(self.stage.dispose)
        bao = self.stage.bao("idle")
        (port,) = free_ports(1)
        self.addCleanup(aws.start_ministack(self.stage.folder, port).stop)
        self.fronts: dict[str, FaultyFront] = {}
        for tls, version in TLS.items():
            for kind, address in (("bao", bao.address), ("aws", f"http://127.0.0.1:{port}")):
                self.fronts[f"{kind}-{tls}"] = front = FaultyFront(address, self.stage.folder, version)
                self.addCleanup(front.stop)
        access, secret = aws.ROOT
        self.settings = self.vaults(bao)
        self.serving = new_daemon(configuration(self.settings), env={
            "CREDENTIAL_ENCRYPTION_KEY": self.canaries.new().decode(), "AWS_REGION": aws.REGION,
            "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret})
        self.addCleanup(self.serving.dispose)

    def vaults(self, bao) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = {}
        for name, front in self.fronts.items():
            address = f"https://127.0.0.1:{front.server_port}"
            for form in FORMATS:
                common = {"format": form, "timeout_ms": VAULT_MILLISECONDS, "ca_file": self.stage.folder / "ca.pem"}
                found[f"{name}-{form[:6].rstrip('-')}"] = common | (
                    self.stage.vault(bao, address=address) | common if name.startswith("bao") else
                    {"type": "aws", "endpoint": address, "region": aws.REGION, "allow_addresses": ["loopback"]})
        return found | {"disk": {"type": "embedded"}}

    def credential(self, number: int = 0) -> bytes:
        """Longer and shorter than a record of TLS; a secret is in the name of a member and in a number, too."""
        with self.lock:
            words = [self.canaries.new() for _ in range(2 if number % 3 else 600)]
            digits = self.canaries.number()
        text = b" ".join(words[1:])
        return b'{"apiKey":"%s\\n","%s":[%d,{"deep":"%s"}]}' % (text, words[0], digits, text[-32:])

    # What is done to each vault

    def use(self, vault: str, ended: Counter) -> None:
        front = self.fronts.get(vault.rpartition("-")[0])
        with self.serving.client(30) as client:
            caller = Caller(self, client, vault, front, ended)
            for number in range(4):
                caller.store_and_get(f"c{number}", number)
            client.get_many([(caller.user, f"c{number}") for number in range(4)], max_age_ms=0)
            caller.be_refused()
            for fault in (*SUCCESSES, *FAILURES) if front else ():
                caller.meet(f"write{fault}")
                caller.meet(f"read{fault}")
            for leave in (caller.cancels, caller.runs_out_of_time, caller.hangs_up):
                leave("hang" if front else None)
                leave("silent" if front else None)

    def test_no_credential_is_in_a_daemon_at_rest(self) -> None:
        ended: dict[str, Counter] = {vault: Counter() for vault in self.settings}
        failures: list[BaseException] = []

        def use(vault: str) -> None:
            try:
                self.use(vault, ended[vault])
            except BaseException as error:
                error.add_note(f"at {vault}: {ended[vault]}")
                failures.append(error)

        users = [threading.Thread(target=use, args=(vault,)) for vault in ended]
        for user in users:
            user.start()
        for user in users:
            user.join()
        if failures:
            raise failures[0]
        for name, front in self.fronts.items():
            self.assertNotEqual(self.canaries.find(bytes(front.heard)), [], f"{name} was sent nothing to look for")
        eventually("no call is in hand", PATIENCE, self.is_at_rest)
        since = time.monotonic()
        for seconds in (1, 60, 600) if options.soak else (1,):
            time.sleep(max(0, since + seconds - time.monotonic()))
            self.assert_nothing_is_left(f"{seconds} s after the last call")

    def is_at_rest(self) -> bool:
        with self.serving.client() as client:
            stats = client.stats()
        return stats["calls_waiting"] == 0 and stats["flights"] == 0

    def assert_nothing_is_left(self, when: str) -> None:
        core = Core.take(self.serving.pid, self.stage.folder)
        found = core.findings(self.canaries)
        core.remove()
        self.assertEqual(len(found), 0, f"{when}:\n" + "\n".join(
            f"{each.disguise} {each.place}" for each in found[:20]))


class Caller:
    """One client of one vault."""

    def __init__(self, test: Idle, client: Client, vault: str, front: FaultyFront | None, ended: Counter) -> None:
        self.test, self.client, self.vault, self.front, self.ended = test, client, vault, front, ended
        self.user = f"{vault}-u"

    def attempt(self, call: Callable, *arguments: object, **fields: object) -> bool:
        """Whether it ended well."""
        try:
            call(self.user, *arguments, **fields)
        except CallFailed as failed:
            self.ended[failed.status.name] += 1
            return False
        self.ended["OK"] += 1
        return True

    def store_and_get(self, connection: str, number: int = 1) -> None:
        credential = self.test.credential(number)
        eventually(f"{self.vault} takes a record", PATIENCE, lambda: self.attempt(self.client.store, connection, credential))
        eventually("it is read again", PATIENCE, lambda: self.attempt(self.client.get, connection, max_age_ms=0))
        self.test.assertEqual(json.loads(self.client.get(self.user, connection).credential), json.loads(credential))

    def meet(self, connection: str) -> None:
        """Calls until one has met the fault that the connection's id names."""
        is_read, name = connection.startswith("read"), f"{self.user}/{connection}"
        if is_read:
            self.store_and_get(connection, 2)
            self.front.armed.add(name)

        def has_met() -> bool:
            well = (self.attempt(self.client.get, connection, max_age_ms=0) if is_read
                    else self.attempt(self.client.store, connection, self.test.credential(3)))
            # A write may be made again, and be done by then.
            if self.front.met[name] and is_read:
                self.test.assertEqual(well, connection.endswith(SUCCESSES), f"{connection}: {self.ended}")
            return self.front.met[name] > 0

        eventually(f"{name} meets its fault", PATIENCE, has_met)
        # A good answer closes the breaker for the next.
        eventually(f"{self.vault} works again", PATIENCE, lambda: self.attempt(self.client.get, "c0", max_age_ms=0))

    def be_refused(self) -> None:
        """By rules of ours, with a credential in the request."""
        store, credential = self.client.store, self.test.credential
        secret = credential()
        refused = [
            self.attempt(store, "c1", credential(), if_absent=True),
            self.attempt(store, "c1", credential(), if_version="another"),
            self.attempt(store, "bad\x01id", credential()),
            self.attempt(store, "c1", (credential() * 10)[:70_000]),
        ]
        self.test.assertFalse(any(refused), self.ended)
        # For these the answer depends on the format.
        for number, odd in enumerate((
                secret[:-1], b"[" * 40 + secret + b"]" * 40, b'{"a":%s,"a":%s}' % (secret, secret), secret + b"\xff",
                b'{"a":%s,"n":%d123456}' % (secret, self.test.canaries.number()))):
            self.attempt(store, f"odd{number}", odd)

    # Calls that are left while the vault has them

    def begin(self, client: Client, fault: str | None, timeout: int = 0) -> int:
        """The id of a Store that the vault has, and does what `fault` says; of any where there is none."""
        connection = f"write{fault}1" if fault else "left"
        name = f"{self.user}/{connection}"

        def send() -> int:
            request = messages.credentials.StoreRequest(
                user_id=self.user, connection_id=connection, credential=self.test.credential(3))
            return client.begin("Credentials/Store", request, timeout)

        before, call = self.front.met[name] if self.front else 0, send()

        def has_met() -> bool:
            nonlocal call
            if self.front.met[name] > before:
                return True
            # On a busy machine a call may end before it is there.
            if select.select([client.socket], [], [], 0)[0]:
                self.end(client)
                call = send()
            return False

        if self.front:
            eventually(f"{name} meets its fault", PATIENCE, has_met)
        return call

    def end(self, client: Client) -> None:
        self.ended[Status(client.response().code).name] += 1

    def cancels(self, fault: str | None) -> None:
        client = self.client
        client.send(cancel(self.begin(client, fault)))
        self.end(client)
        self.recover()

    def runs_out_of_time(self, fault: str | None) -> None:
        self.begin(self.client, fault, VAULT_MILLISECONDS // 2 if fault else 1)
        self.end(self.client)
        self.recover()

    def hangs_up(self, fault: str | None) -> None:
        with self.test.serving.client() as client:
            self.begin(client, fault)
        self.recover()

    def recover(self) -> None:
        eventually(f"{self.vault} works again", PATIENCE, lambda: self.attempt(self.client.get, "c0", max_age_ms=0))
