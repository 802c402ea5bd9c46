"""A real OpenBao and cofferd in front of it."""

import json
import os
import shutil
import tempfile
import threading
import urllib.request
from datetime import datetime
from pathlib import Path

from harness import Daemon
from openbao import POLICY, Server
from servers import certificates

ROLE_ID = "system-role-id"


class Stage:
    """A folder with certificates, and what is to be stopped in the end."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cflive"))
        self.servers: list[Server] = []
        certificates(self.folder)

    def dispose(self) -> None:
        for server in self.servers:
            server.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def bao(self, name: str, storage: str = "inmem", **role: object) -> Server:
        """One with a KV engine, the policy of the manual and a role for the daemon.

        `role`: what the role has, for instance token_ttl="5s".
        """
        server = Server(self.folder, name, storage)
        self.servers.append(server)
        server.require("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        server.require("PUT", "sys/policies/acl/app", {"policy": POLICY})
        server.require("POST", "sys/auth/approle", {"type": "approle"})
        server.require("POST", "auth/approle/role/app", {
            "role_id": ROLE_ID, "token_policies": "app", "token_ttl": "10m", "token_max_ttl": "1h"} | role)
        self.secret_id = f"secret-id-of-{name}"
        server.require("POST", "auth/approle/role/app/custom-secret-id", {"secret_id": self.secret_id})
        return server

    def file(self, name: str, text: str) -> Path:
        return secret_file(self.folder / name, text)

    def vault(self, server: Server, **changes: object) -> dict[str, object]:
        """The settings of a vault that logs in by AppRole."""
        file = self.file(f"secret-id-{server.folder.name}", self.secret_id + "\n")
        return {
            "type": "vault", "address": server.address, "ca_file": server.ca, "auth": "approle", "role_id": ROLE_ID,
            "secret_id_file": file} | changes


def secret_file(path: Path, text: str) -> Path:
    """Whole at any moment: daemons read it when they like, and two threads may write it."""
    whole = path.with_name(f"{path.name}.{threading.get_ident()}")
    whole.touch(mode=0o600)
    whole.write_text(text)
    whole.rename(path)
    return path


def configuration(vaults: dict[str, dict[str, object]], *sections: str) -> str:
    """YAML. Users whose name begins with a vault's name and a hyphen have their records there, others in the last.

    A setting of None is left out.
    """
    lines = ["vaults:"]
    for name, settings in vaults.items():
        values = [f"{key}: {json.dumps(value, default=str)}" for key, value in settings.items() if value is not None]
        lines.append(f"  {name}: {{{', '.join(values)}}}")
    lines.append("routes:")
    *others, last = vaults
    lines += [f'  - {{user: "{name}-*", vault: {name}}}' for name in others] + [f"  - {{vault: {last}}}"]
    return "\n".join([*lines, *sections, ""])


def new_daemon(config: str, env: dict[str, str] | None = None) -> Daemon:
    daemon = Daemon(config=config, env=env)
    try:
        return daemon.start(30)
    except BaseException as error:
        error.add_note(daemon.log_text()[-2_000:])
        daemon.dispose()
        raise


class Audit:
    """What a vault was asked, by its own audit log."""

    def __init__(self, server: Server) -> None:
        self.path = server.audit

    def requests(self, prefix: str = "", operations: tuple[str, ...] = ()) -> list[tuple[float, str, str]]:
        """Unix time, operation and path of each request for a path with this prefix."""
        found = []
        for line in self.path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # the last line of one that was killed
            request = entry.get("request", {})
            path, operation = request.get("path", ""), request.get("operation", "")
            if entry.get("type") != "request" or not path.startswith(prefix) or path.startswith("sys/"):
                continue
            if not operations or operation in operations:
                found.append((timestamp(entry["time"]), operation, path))
        return found

    def count(self, prefix: str = "", *operations: str) -> int:
        return len(self.requests(prefix, operations))


def timestamp(text: str) -> float:
    """Of a time with up to nine digits of fractions, in UTC."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{fraction or 0}")


def peak(times: list[float], start: float, end: float, window: float = 1) -> int:
    """The most of these times that are within any window between start and end."""
    times = sorted(time for time in times if start <= time < end)
    best = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - window:
            first += 1
        best = max(best, last - first + 1)
    return best


# Neither urllib nor boto3 is to go through anybody's proxy.
for variable in list(os.environ):
    if variable.lower().endswith("_proxy"):
        del os.environ[variable]
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
