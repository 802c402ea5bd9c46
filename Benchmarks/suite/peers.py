"""The servers that are compared, each started in a folder of its own and stopped by its process id."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import machine
from servers import CannotStart, Process

#: The value of record 0 of coffer-load.
VALUE = "0" * 8 + "".join(chr(ord("a") + index % 26) for index in range(8, 256))


class Peer:
    """A server on a Unix socket."""

    name = ""
    #: Of the system; without it the peer is missing.
    program = ""
    #: What coffer-load is told to speak to it, beside --socket.
    protocol: tuple[str, ...] = ()

    def __init__(self, folder: Path, prefix: tuple[str, ...] = ()) -> None:
        """Starts it. `prefix` runs it by another program. Raises CannotStart."""
        self.folder = folder / self.name
        self.folder.mkdir(mode=0o700)
        self.socket = self.folder / "s"
        if self.program and shutil.which(self.program) is None:
            raise CannotStart(f"{self.program} is not installed")
        self.process = Process([*prefix, *map(str, self.command())], self.folder / "log")
        self.process.wait_until(self.is_ready, 60)

    def command(self) -> list:
        raise NotImplementedError

    def is_ready(self) -> bool:
        return accepts(self.socket)

    @property
    def target(self) -> tuple[object, ...]:
        return ("--socket", self.socket, *self.protocol)

    def pin(self) -> None:
        machine.pin(self.process.pid, [machine.SERVER_CPU])

    def stop(self) -> None:
        self.process.stop()


class Cofferd(Peer):
    name = "cofferd"

    def __init__(self, folder: Path, program: Path, configuration: str = "", name: str = "cofferd",
                 prefix: tuple[str, ...] = ()) -> None:
        self.name, self._program, self._configuration = name, program, configuration
        super().__init__(folder, prefix)

    def command(self) -> list:
        file = self.folder / "coffer.yaml"
        file.write_text(self._configuration)
        return [self._program, "--config", file, "--socket", self.socket, "--data", self.folder / "data", "--reactors", 1]


class Memcached(Peer):
    name = program = "memcached"
    protocol = ("--peer", "memcached")
    connections = 1024

    def command(self) -> list:
        user = ["-u", "root"] if os.geteuid() == 0 else []
        return [self.program, "-s", self.socket, "-t", 1, "-m", 256, "-c", self.connections, *user]


class Redis(Peer):
    name, program = "redis", "redis-server"
    protocol = ("--peer", "redis")

    def command(self) -> list:
        return [self.program, "--port", 0, "--unixsocket", self.socket, "--save", "", "--appendonly", "no",
                "--dir", self.folder]


class Nginx(Peer):
    """One worker, and a body that it has in memory."""

    name = program = "nginx"
    protocol = ("--peer", "http", "--path", "/record", "--keys", "1")

    def command(self) -> list:
        file = self.folder / "nginx.conf"
        temporary = "\n".join(f"  {kind}_temp_path {self.folder}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        file.write_text(f"""
daemon off; master_process off; worker_processes 1; error_log stderr; pid {self.folder}/pid;
events {{ worker_connections 1024; }}
http {{
{temporary}
  access_log off; keepalive_requests 1000000000; default_type application/json;
  server {{
    listen unix:{self.socket};
    location = /record {{ return 200 '{{"credential":"{VALUE}","version":"{"v" * 24}","age_ms":1500}}'; }}
  }}
}}
""")
        return [self.program, "-c", file, "-p", self.folder, "-e", "stderr"]


class GRPC(Peer):
    name = "grpc"
    protocol = ("--peer", "grpc", "--keys", "1")

    def __init__(self, folder: Path, program: Path) -> None:
        self._program = program
        super().__init__(folder)

    def command(self) -> list:
        if not self._program.exists():
            raise CannotStart("its server was not built")
        return [self._program, self.socket, VALUE]


#: Get of record 0, as proto/PROTOCOL.md has it: length, version, kind, call, method, no timeout; user and connection.
REQUEST = bytes.fromhex("00000029 01010000 0000000000000001 ccd838ec 00000000 0a0d") + b"load-00000000" + b"\x12\x04main"


def answers(path: Path) -> bool:
    """Whether a cofferd answers a Get there with status OK."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        try:
            client.connect(str(path))
            client.sendall(REQUEST)
            header = client.recv(24, socket.MSG_WAITALL)
        except OSError:
            return False
        return header[4:6] == b"\x01\x02" and header[16:20] == bytes(4)


def accepts(path: Path) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def valgrind_descriptors() -> int:
    """memcached sets its limit of descriptors, and Valgrind takes no other hard limit than its own."""
    done = subprocess.run(["valgrind", "-q", "--tool=none", "bash", "-c", "ulimit -Hn"], capture_output=True, text=True,
                          check=True, timeout=60)
    return int(done.stdout)
