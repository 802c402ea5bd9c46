"""OpenBao: what its proxy forwards to and caches from, and the vault of the misses."""

import http.client
import json
import socket
import time
import urllib.request
from pathlib import Path

import machine
import openbao
from peers import VALUE, Cofferd, Peer
from servers import Process, certificates, free_ports

ROOT_TOKEN = "bench-root"


class Upstream:
    """A development server without TLS and audit, which asks the least of a proxy in front of it."""

    def __init__(self, folder: Path, bao: str, leased: bool) -> None:
        """`leased`: every read of a KV engine comes with a lease, the only answers that a proxy caches."""
        port, = free_ports(1)
        self.address = f"http://127.0.0.1:{port}"
        kind = ["-dev-leased-kv"] if leased else []
        self.process = Process(
            [bao, "server", "-dev", *kind, f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address=127.0.0.1:{port}",
             "-dev-no-store-token", "-log-level=error"], folder / f"upstream-{leased}.log")
        self.process.wait_until(self._is_ready, 60)
        self.ask("sys/mounts/bench", {"type": "kv", "options": {"version": "1" if leased else "2"}})
        self.path = "/v1/bench/record" if leased else "/v1/bench/data/record"
        record = {"value": VALUE, "ttl": "24h"}
        self.ask(self.path[4:], record if leased else {"data": record})
        self.ask("sys/policies/acl/bench", {"policy": 'path "bench/*" { capabilities = ["read"] }'})
        self.ask("sys/auth/approle", {"type": "approle"})
        self.ask("auth/approle/role/bench", {"role_id": "bench-role", "token_policies": "bench", "token_ttl": "24h"})
        self.ask("auth/approle/role/bench/custom-secret-id", {"secret_id": "bench-secret"})

    def ask(self, path: str, body: dict | None = None) -> dict:
        request = urllib.request.Request(
            f"{self.address}/v1/{path}", data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": ROOT_TOKEN})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")

    def _is_ready(self) -> bool:
        try:
            self.ask("sys/health")
        except OSError:
            return False
        return True


class Proxy(Peer):
    """`bao proxy` as a client of its own would have it: logged in, its cache on."""

    def __init__(self, folder: Path, bao: str, upstream: Upstream, name: str) -> None:
        self.name, self._bao, self._upstream = name, bao, upstream
        super().__init__(folder)

    def command(self) -> list:
        (self.folder / "role").write_text("bench-role")
        (self.folder / "secret").write_text("bench-secret")
        file = self.folder / "proxy.hcl"
        file.write_text(f"""
vault {{ address = "{self._upstream.address}" }}
auto_auth {{
  method "approle" {{
    config = {{
      role_id_file_path = "{self.folder}/role"
      secret_id_file_path = "{self.folder}/secret"
      remove_secret_id_file_after_reading = false
    }}
  }}
}}
cache {{}}
api_proxy {{ use_auto_auth_token = true }}
listener "unix" {{
  address = "{self.socket}"
  tls_disable = true
}}
""")
        return [self._bao, "proxy", f"-config={file}", "-log-level=warn"]

    @property
    def protocol(self) -> tuple[str, ...]:
        return ("--peer", "http", "--path", self._upstream.path, "--keys", "1")

    def is_ready(self) -> bool:
        return self.get()[0] == 200

    def get(self) -> tuple[int, str]:
        """Status, and whether its cache had it: HIT or MISS. 0 = no answer."""
        connection = http.client.HTTPConnection("localhost", timeout=10)
        try:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(self.socket))
            connection.request("GET", self._upstream.path)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("X-Cache", "")
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def restart_ms(self) -> float:
        """From the start of its process to the first record."""
        self.stop()
        self.socket.unlink(missing_ok=True)
        start = time.monotonic()
        self.process = Process(list(map(str, self.command())), self.folder / "log")
        machine.wait_until(self.is_ready, self.name)
        return (time.monotonic() - start) * 1000


class MissBench:
    """An OpenBao with TLS, a daemon whose vault it is, and the name of the one record in both."""

    def __init__(self, folder: Path, programs) -> None:
        place = folder / "miss"
        place.mkdir()
        certificates(place)
        self.ca = place / "ca.pem"
        self.server = openbao.Server(place, "bao", "inmem")
        self.server.require("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        self.token = place / "token"
        self.token.touch(mode=0o600)
        self.token.write_text(openbao.ROOT_TOKEN + "\n")
        try:
            self.daemon = Cofferd(folder, programs.cofferd, name="cofferd-miss", configuration=f"""
vaults:
  bao: {{type: vault, address: "{self.server.address}", auth: token-file, token_file: {self.token}, ca_file: {self.ca}}}
""")
            programs.count(1, *self.daemon.target, "--prepare", "--keys", 1)
            self.url = f"{self.server.address}/v1/secret/data/{self._record()}"
        except BaseException:
            self.stop()
            raise

    def _record(self) -> str:
        """The one leaf below the daemon's prefix."""
        path = "ai2-connectors/"
        while path.endswith("/"):
            path += self.server.require("GET", f"secret/metadata/{path}?list=true")["data"]["keys"][0]
        return path

    def stop(self) -> None:
        if hasattr(self, "daemon"):
            self.daemon.stop()
        self.server.process.stop()
