"""etcd, set up as the live tests of EtcdVault expect it: one node with TLS, one with tokens that expire soon, one that
is small, and a cluster of three whose nodes come back when they are killed."""

import json
import subprocess
import threading
from pathlib import Path

from servers import Backend, CannotStart, Process, certificates, free_ports

ROOT_PASSWORD = "live-root"
PASSWORD = "live-coffer-\N{LATIN SMALL LETTER U WITH DIAERESIS}"
PREFIX = "ai2-connectors/"
#: The small node's database, in bytes: two or three of its largest records fill it.
SMALL_QUOTA = 2 << 20
SMALL_REQUEST = 512 << 10
#: How long a node of the cluster stays away that was killed.
SECONDS_AWAY = 3.0


class Node:
    """One etcd on 127.0.0.1."""

    def __init__(self, folder: Path, name: str, ports: tuple[int, int], peers: str, options: list[str], tls: Path | None = None) -> None:
        self.folder = folder
        scheme = "https" if tls else "http"
        self.address = f"{scheme}://127.0.0.1:{ports[0]}"
        self.tls = tls
        peer = f"http://127.0.0.1:{ports[1]}"
        self._command = [
            "etcd", "--name", name, "--data-dir", str(folder / f"{name}.data"), "--listen-client-urls", self.address,
            "--advertise-client-urls", self.address, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", peers or f"{name}={peer}", "--initial-cluster-state", "new", "--logger", "zap",
            "--log-level", "error", *options]
        if tls:
            self._command += ["--cert-file", str(tls / "server.pem"), "--key-file", str(tls / "server.key")]
        self._log = folder / f"{name}.log"
        self._pid_file = folder / f"{name}.pid"
        self.start()

    def start(self) -> None:
        self.process = Process(self._command, self._log)
        whole = self._pid_file.with_suffix(".new")
        whole.write_text(str(self.process.pid))
        whole.rename(self._pid_file)

    def forget_process(self) -> None:
        """Its number may be another process's from now on."""
        self._pid_file.unlink(missing_ok=True)

    def is_healthy(self) -> bool:
        command = ["curl", "-s", "--noproxy", "*", "--max-time", "2", f"{self.address}/health"]
        if self.tls:
            command += ["--cacert", str(self.tls / "ca.pem")]
        answer = subprocess.run(command, capture_output=True, timeout=10)
        return answer.returncode == 0 and json.loads(answer.stdout or b"{}").get("health") == "true"

    def wait(self) -> None:
        self.process.wait_until(self.is_healthy)

    def ctl(self, *arguments: str, user: str = "") -> str:
        """etcdctl, as the manual's page has it; what it prints."""
        command = ["etcdctl", "--endpoints", self.address, *arguments]
        if self.tls:
            command += ["--cacert", str(self.tls / "ca.pem")]
        if user:
            command += ["--user", user]
        done = subprocess.run(command, capture_output=True, timeout=60, env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin:/usr/local/bin"})
        if done.returncode != 0:
            raise CannotStart(f"etcdctl {arguments[0]} {arguments[1]} failed: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode()


def set_up_access(node: Node) -> None:
    """What the manual's page tells an operator to do, and two users who may do less."""
    node.ctl("user", "add", f"root:{ROOT_PASSWORD}")
    node.ctl("user", "grant-role", "root", "root")
    node.ctl("role", "add", "coffer")
    node.ctl("role", "grant-permission", "coffer", "readwrite", "--prefix=true", PREFIX)
    node.ctl("user", "add", f"coffer:{PASSWORD}")
    node.ctl("user", "grant-role", "coffer", "coffer")
    node.ctl("role", "add", "reader")
    node.ctl("role", "grant-permission", "reader", "read", "--prefix=true", PREFIX)
    node.ctl("user", "add", f"reader:{PASSWORD}")
    node.ctl("user", "grant-role", "reader", "reader")
    node.ctl("user", "add", f"nobody:{PASSWORD}")
    node.ctl("auth", "enable")


class Supervisor:
    """Starts nodes again that were killed."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # The thread that started a process must live on: its end is the end of the process.
        while not self._stopping.wait(0.1):
            for node in self._nodes:
                if node.process.has_ended:
                    node.forget_process()
                    if not self._stopping.wait(SECONDS_AWAY):
                        node.start()
        for node in self._nodes:
            node.process.stop()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)


class Etcd(Backend):
    name = "etcd"
    folder_of_tests = "Etcd"

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.supervisor: Supervisor | None = None

    def start(self, folder: Path) -> dict[str, str]:
        certificates(folder)
        key = folder / "jwt.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True, timeout=60)
        subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", folder / "jwt.pub"], check=True, capture_output=True, timeout=60)
        ports = free_ports(12)
        fast = ["--heartbeat-interval", "10", "--election-timeout", "100"]
        tls = self._alone(folder, "tls", ports[0:2], fast, tls=folder)
        jwt = self._alone(folder, "jwt", ports[2:4], [
            *fast, "--auth-token", f"jwt,pub-key={folder}/jwt.pub,priv-key={key},sign-method=RS256,ttl=2s"])
        small = self._alone(folder, "small", ports[4:6], [
            *fast, "--quota-backend-bytes", str(SMALL_QUOTA), "--max-request-bytes", str(SMALL_REQUEST)])
        names = ["n1", "n2", "n3"]
        peers = ",".join(f"{name}=http://127.0.0.1:{ports[7 + 2 * index]}" for index, name in enumerate(names))
        cluster = [
            Node(folder, name, (ports[6 + 2 * index], ports[7 + 2 * index]), peers,
                 ["--heartbeat-interval", "50", "--election-timeout", "500"])
            for index, name in enumerate(names)]
        self.nodes += cluster
        for node in self.nodes:
            node.wait()
        for node in (tls, jwt):
            set_up_access(node)
        self.supervisor = Supervisor(cluster)
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        password.chmod(0o600)
        return {f"COFFER_LIVE_ETCD_{name}": value for name, value in {
            "TLS": tls.address, "CA": str(folder / "ca.pem"), "JWT": jwt.address, "SMALL": small.address,
            "CLUSTER": ",".join(node.address for node in cluster), "PIDS": str(folder),
            "ROOT_PASSWORD": ROOT_PASSWORD, "PASSWORD": PASSWORD, "PASSWORD_FILE": str(password),
        }.items()}

    def _alone(self, folder: Path, name: str, ports: list[int], options: list[str], tls: Path | None = None) -> Node:
        node = Node(folder, name, (ports[0], ports[1]), "", options, tls)
        self.nodes.append(node)
        return node

    def stop(self) -> None:
        if self.supervisor:
            self.supervisor.stop()
        for node in self.nodes:
            node.process.stop()
