"""OpenBao, as the type `vault` knows it."""

import time
from pathlib import Path

import cluster
from entry import Cluster, Entry, Lack, Refusal, shows_writes
from harness import Status
from openbao import POLICY, ROOT_TOKEN
from stage import Stage, secret_file

READ_ONLY = """
path "secret/data/ai2-connectors/*" { capabilities = ["read"] }
path "secret/metadata/ai2-connectors/*" { capabilities = ["read", "list"] }
"""


class HashiCorp(Entry):
    name = "hashicorp"
    advice = {
        Status.UNAUTHENTICATED: "Check that the token, role or secret id is valid",
        Status.PERMISSION_DENIED: "lets it create, read, update and delete",
    }
    room = 779_710
    lacks = {"lag": Lack("reads show the write before them", shows_writes)}

    def start(self, folder: Path) -> None:
        self.stage = Stage()
        self.bao = self.stage.bao("main")
        self.certificates = self.stage.folder
        self.port = int(self.bao.address.rpartition(":")[2])

    def stop(self) -> None:
        if hasattr(self, "stage"):
            self.stage.dispose()

    def section(self, port: int | None = None, **changes: object) -> dict[str, object]:
        return self.stage.vault(self.bao, address=f"https://127.0.0.1:{port or self.port}", **changes)

    def put(self, name: str, text: str) -> None:
        self.bao.require("POST", f"secret/data/{name}", {"data": {"coffer": text}})

    def fetch(self, name: str) -> str | None:
        status, answer = self.bao.ask("GET", f"secret/data/{name}")
        return answer["data"]["data"]["coffer"] if status == 200 else None

    garbage = "coffer1:AAAA"

    def foreign(self, user: str) -> list[str]:
        return ["another/program", "ai2-connectors/README", f"ai2-connectors/{user}/deeper/c", f"ai2-connectors/{user}/c/deeper"]

    def refused(self, kind: str) -> Refusal:
        if kind == "wrong":
            file = self.stage.file("wrong-secret-id", "no-such-secret-id\n")
            return Refusal(self.section(secret_id_file=file), Status.UNAUTHENTICATED, "refused the login; check role, secret id",
                           lambda: secret_file(file, self.stage.secret_id + "\n"))
        if kind == "expired":
            file = self.stage.file("expired-token", self.token("app", "1s"))
            time.sleep(1.5)
            section = self.section(auth="token-file", role_id=None, secret_id_file=None, token_file=file)
            return Refusal(section, Status.UNAUTHENTICATED, r"rejected this token \(expired or revoked\)",
                           lambda: secret_file(file, self.token("app", "1h")))
        policy = {"forbidden": "", "reader": READ_ONLY}[kind]
        self.bao.require("PUT", f"sys/policies/acl/{kind}", {"policy": policy or 'path "sys/nothing" { capabilities = ["read"] }'})
        file = self.stage.file(f"{kind}-token", self.token(kind, "1h"))
        section = self.section(auth="token-file", role_id=None, secret_id_file=None, token_file=file)
        return Refusal(section, Status.PERMISSION_DENIED, "token may not do this; check its policy",
                       lambda: self.bao.require("PUT", f"sys/policies/acl/{kind}", {"policy": POLICY}))

    def token(self, policy: str, ttl: str) -> str:
        made = self.bao.require("POST", "auth/token/create", {"policies": [policy], "ttl": ttl, "no_parent": True})
        return made["auth"]["client_token"]

    def cluster(self, folder: Path) -> Cluster:
        return Nodes(folder)


class Nodes(Cluster):
    env = {"VAULT_TOKEN": ROOT_TOKEN}

    def __init__(self, folder: Path) -> None:
        self.cluster = cluster.Cluster(folder)
        self.active = self.cluster.settle()
        others = [node.address for node in self.cluster.nodes if node is not self.active]
        self.section = {"type": "vault", "address": self.active.address, "nodes": others, "ca_file": self.active.ca, "auth": "token"}

    def strike(self) -> None:
        self.active.process.kill()

    def stop(self) -> None:
        self.cluster.stop()
