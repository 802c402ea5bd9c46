"""What every real server of the live tests needs: ports, certificates, a process with an end."""

import ctypes
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class CannotStart(Exception):
    """A server did not come up, or not as the tests need it; the text says why."""


class Backend:
    """One kind of vault: its servers, and what Python itself looks at around the Swift tests."""

    name = ""
    #: Where its Swift tests are, below Tests/CofferVaultsLiveTests.
    folder_of_tests = ""

    def start(self, folder: Path) -> dict[str, str]:
        """Starts the servers and returns the environment of the tests. Raises CannotStart."""
        raise NotImplementedError

    def before(self) -> None:
        """Puts there what the tests are to find. Raises AssertionError."""

    def after(self) -> None:
        """Looks at what the tests left. Raises AssertionError."""

    def stop(self) -> None:
        raise NotImplementedError


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now.

    They are below those that the kernel gives to connections: one of those could have the port before its server has.
    """
    end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            each = socket.socket()
            try:
                each.bind(("127.0.0.1", random.randrange(min(10_000, end // 2), end)))
            except OSError:
                each.close()
            else:
                sockets.append(each)
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def certificates(folder: Path) -> None:
    """`ca.pem`, `server.pem` and `server.key` for localhost and 127.0.0.1; `other-ca.pem`, which signed neither."""
    def openssl(*arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, timeout=60)
        if done.returncode != 0:
            raise CannotStart(f"openssl {arguments[0]} failed: {done.stderr.decode(errors='replace')}")

    for name in ("ca", "other-ca"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "7", "-subj", f"/CN=live test {name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "server.key", "-subj", "/CN=localhost", "-out", "server.csr")
    (folder / "server.ext").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "7", "-sha256", "-extfile", "server.ext", "-out", "server.pem")


def _state(task: Path) -> str:
    """The letter of a thread's state: see proc_pid_stat(5). X if it has ended."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


class Process:
    """A server as a child of its own, that ends with this program whatever happens."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.log = log
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("VAULT_", "BAO_", "AWS_", "CLOUDFLARE_", "GOOGLE_", "GCE_", "AZURE_", "ETCD", "FLY_", "CONNECTOR_"))}
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment,
                preexec_fn=lambda: _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not ready():
            if self._process.poll() is not None:
                raise CannotStart(f"it ended with {self._process.returncode}:\n{self.tail()}")
            if time.monotonic() >= end:
                raise CannotStart(f"it was not ready within {seconds} s:\n{self.tail()}")
            time.sleep(0.05)

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def send(self, number: int) -> None:
        """A signal; does not wait for what it does."""
        self._process.send_signal(number)

    def freeze(self, seconds: float = 5) -> None:
        """By SIGSTOP, until none of its threads runs: for a moment after the signal another one may still answer."""
        self._process.send_signal(signal.SIGSTOP)
        end = time.monotonic() + seconds
        while not all(_state(task) in "tTXZ" for task in Path(f"/proc/{self.pid}/task").iterdir()):
            if time.monotonic() > end:
                raise RuntimeError(f"{self.pid} still runs {seconds} s after SIGSTOP")
            time.sleep(0.001)

    def kill(self) -> None:
        """SIGKILL, and its corpse fetched."""
        self._process.kill()
        self._process.wait()

    def stop(self, seconds: float = 5) -> None:
        """By SIGTERM; by SIGKILL if that does not end it within that time."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
