"""etcd: one node with TLS and tokens that live for some seconds; three without."""

import json
import subprocess
import time
import urllib.request
from pathlib import Path

import shared_etcd
from entry import Cluster, Entry, Lack, Refusal, shows_writes
from etcd import PASSWORD, ROOT_PASSWORD, Node, set_up_access
from harness import Status, SystemTest
from servers import certificates, free_ports
from stage import secret_file

#: Longer than several calls by the slowest way: a token that ends before its login is answered is no token.
TOKEN_SECONDS = 8


def renews_tokens(test: SystemTest) -> None:
    """A password has no end, and a token that ends is replaced: no call fails for it."""
    with test.host().client() as client:
        client.store("user", "renewed", b"value")
        time.sleep(TOKEN_SECONDS + 1)
        client.store("user", "renewed", b"again")
        test.assertEqual(client.get("user", "renewed", max_age_ms=0).credential, b"again")
        test.assertEqual(client.health().vaults[0].failures, 0)


class Etcd(Entry):
    name = "etcd"
    advice = {
        Status.UNAUTHENTICATED: "Check user, and that user_password_file",
        Status.PERMISSION_DENIED: "may read and write all keys below its prefix",
    }
    lacks = {
        "expiring credentials": Lack("a password has no end, and tokens are renewed", renews_tokens),
        "lag": Lack("reads show the write before them", shows_writes),
    }
    #: Calls wait up to 4 s for a leader, which may be longer than they have.
    statuses = {"503": frozenset({Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED})}
    node: Node | None = None

    def start(self, folder: Path) -> None:
        self.folder = self.certificates = folder
        certificates(folder)
        for command in (["genrsa", "-out", "jwt.key", "2048"], ["rsa", "-in", "jwt.key", "-pubout", "-out", "jwt.pub"]):
            subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True, timeout=60)
        client, peer = free_ports(2)
        self.node = Node(folder, "main", (client, peer), "", [
            # A login costs the machine 80 ms by default, and all ways of the suite log in again when their tokens end.
            "--heartbeat-interval", "10", "--election-timeout", "100", "--bcrypt-cost", "4", "--auth-token",
            f"jwt,pub-key={folder}/jwt.pub,priv-key={folder}/jwt.key,sign-method=RS256,ttl={TOKEN_SECONDS}s"], tls=folder)
        self.node.wait()
        set_up_access(self.node)
        self.port = client

    def stop(self) -> None:
        if self.node:
            self.node.process.stop()

    def section(self, port: int | None = None, **changes: object) -> dict[str, object]:
        return {"type": "etcd", "endpoints": [f"https://127.0.0.1:{port or self.port}"], "ca_file": self.folder / "ca.pem",
                "user": "coffer", "user_password_file": self.password("coffer", PASSWORD)} | changes

    def password(self, name: str, password: str) -> Path:
        return secret_file(self.folder / f"{name}-password", password + "\n")

    def ctl(self, *arguments: str) -> str:
        return self.node.ctl(*arguments, user=f"root:{ROOT_PASSWORD}")

    def put(self, name: str, text: str) -> None:
        self.ctl("put", name, text)

    def fetch(self, name: str) -> str | None:
        return self.ctl("get", name, "--print-value-only").rstrip("\n") or None

    def foreign(self, user: str) -> list[str]:
        return ["another/program", "ai2-connectors", f"ai2-connectors/{user}", f"ai2-connectors/{user}/c/deeper", f"ai2-connectors/{user}x/"]

    def refused(self, kind: str) -> Refusal:
        if kind == "wrong":
            file = self.password(kind, "not-the-password")
            return Refusal(self.section(user_password_file=file), Status.UNAUTHENTICATED, "user|password",
                           lambda: self.password(kind, PASSWORD), reloads=True)
        user = {"forbidden": "nobody", "reader": "reader"}[kind]
        return Refusal(self.section(user=user), Status.PERMISSION_DENIED, "role|permission",
                       lambda: self.ctl("user", "grant-role", user, "coffer"))

    def cluster(self, folder: Path) -> Cluster:
        return Nodes(folder)


class Nodes(Cluster):
    def __init__(self, folder: Path) -> None:
        self.cluster = shared_etcd.Cluster(folder)
        self.section = {"type": "etcd", "endpoints": [node.address for node in self.cluster.nodes]}

    def strike(self) -> None:
        """The leader."""
        next(node for node in self.cluster.nodes if self.leads(node)).process.kill()

    @staticmethod
    def leads(node: Node) -> bool:
        request = urllib.request.Request(f"{node.address}/v3/maintenance/status", data=b"{}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            status = json.load(answer)
        return status["header"]["member_id"] == status["leader"]

    def stop(self) -> None:
        self.cluster.stop()
