"""How often a vault is asked for what many want at once."""

import os
import threading
from pathlib import Path

from aws import AWS, REGION
from harness import Client, Status, SystemTest, messages
from harness.client import encode
from openbao import Server
from stage import Audit, Stage, configuration, new_daemon
from tap import Tap

CONNECTIONS, CALLS, KEYS = 50, 20, 100


def established(port: int) -> int:
    """How many connections to this port of 127.0.0.1 are open."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


class OpenBaoHerd(SystemTest):
    def test_a_thousand_gets_of_a_hundred_cold_keys_are_a_hundred_reads(self) -> None:
        self.herd()

    def test_calls_share_as_many_connections_as_may_be_at_the_vault(self) -> None:
        bao = self.herd(concurrency=3)
        # Each is kept for the next call.
        self.assertEqual(established(int(bao.address.rpartition(":")[2])), 3)

    def herd(self, **settings) -> Server:
        stage = Stage()
        self.addCleanup(stage.dispose)
        bao = stage.bao("herd")
        daemon = new_daemon(configuration({"main": stage.vault(bao, **settings)}))
        self.addCleanup(daemon.dispose)
        with daemon.client() as client:
            for number in range(KEYS):
                client.store("herd", f"key-{number}", f"value-{number}".encode())
        daemon.restart()
        audit = Audit(bao)
        before = audit.count("secret/data/", "read")
        wrong = self.burst(daemon)
        self.assertEqual(wrong, [])
        self.assertEqual(audit.count("secret/data/", "read") - before, KEYS)
        return bao

    def burst(self, daemon) -> list[str]:
        """All calls at the same moment; what was wrong with the answers."""
        clients = [daemon.client(30) for _ in range(CONNECTIONS)]
        barrier = threading.Barrier(CONNECTIONS)
        wrong: list[str] = []

        def run(index: int, client: Client) -> None:
            frames = b"".join(
                encode("Credentials/Get", messages.credentials.GetRequest(
                    user_id="herd", connection_id=f"key-{(index * CALLS + call) % KEYS}").SerializeToString(), call)
                for call in range(1, CALLS + 1))
            barrier.wait(20)
            client.send(frames)
            for _ in range(CALLS):
                frame = client.response()
                value = f"value-{(index * CALLS + frame.call_id) % KEYS}".encode()
                if frame.code != Status.OK:
                    wrong.append(f"{Status(frame.code).name}: {frame.failure.message}")
                elif messages.credentials.GetResponse.FromString(frame.payload).credential != value:
                    wrong.append("another record's value")

        threads = [threading.Thread(target=run, args=pair) for pair in enumerate(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40)
        for client in clients:
            client.close()
        return wrong


class AWSBatch(SystemTest):
    def test_get_many_of_a_hundred_is_five_calls(self) -> None:
        stage = Stage()
        self.addCleanup(stage.dispose)
        aws = AWS()
        self.addCleanup(aws.stop)
        aws.start(stage.folder)
        tap = Tap(int(aws.endpoint.rpartition(":")[2]))
        self.addCleanup(tap.close)
        key, secret = aws.users["app"]
        vault = {"type": "aws", "region": REGION, "endpoint": f"http://127.0.0.1:{tap.port}"}
        daemon = new_daemon(
            configuration({"cloud": vault}), env={"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret})
        self.addCleanup(daemon.dispose)
        keys = [("many", f"key-{number}") for number in range(KEYS)]
        values = {key: os.urandom(20) for key in keys}
        with daemon.client() as client:
            for user, connection in keys:
                client.store(user, connection, values[user, connection])
            daemon.restart()
        with daemon.client() as client:
            before = tap.sent.count(b"POST / HTTP/1.1\r\n")
            results = client.get_many(keys)
            self.assertEqual([result.status for result in results], [0] * KEYS)
            self.assertEqual([result.record.credential for result in results], list(values.values()))
            self.assertEqual(tap.count("BatchGetSecretValue"), 5)
            self.assertEqual(tap.sent.count(b"POST / HTTP/1.1\r\n") - before, 5)
