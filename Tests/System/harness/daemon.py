"""cofferd as a process: started, waited for, stopped by its pid, its output kept."""

import atexit
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Sequence

from .client import CallFailed, Client
from .options import binary
from .waiting import eventually

_libc = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class Place:
    """A temporary folder with room for a daemon; its paths are short enough for a socket."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cf"))
        self.socket = self.folder / "s"
        self.data = self.folder / "data"
        self.config = self.folder / "coffer.yaml"
        self.log = self.folder / "log"

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Nothing of the tester's environment that a program under test acts on."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return kept | {"LANG": "C.UTF-8"} | (extra or {})


def run(
    name: str, *arguments: object, env: dict[str, str] | None = None, stdin: bytes = b"",
    seconds: float = 20
) -> subprocess.CompletedProcess:
    """Runs a program under test to its end; its output as bytes."""
    return subprocess.run(
        [binary(name), *map(str, arguments)], env=environment(env), input=stdin,
        capture_output=True, timeout=seconds)


class Daemon:
    """Use as a context manager, or call `dispose` in any case."""

    live: list["Daemon"] = []

    def __init__(
        self, *arguments: object, config: str = "", env: dict[str, str] | None = None,
        place: Place | None = None, descriptors: int | None = None, through: Sequence[str] = (),
        prepare: Callable[[], None] | None = None, program: Path | None = None, inherits: Sequence[int] = ()
    ):
        """
        `config`: the YAML file's text. `descriptors`: how many files it may have open.
        `through`: a command that becomes the daemon, for instance one that makes it another user's.
        `prepare`: called in the new process before it is cofferd. `program`: another copy of it.
        `inherits`: descriptors that stay open in it.
        """
        self.owns_place = place is None
        self.place = place or Place()
        self.arguments = ["--socket", self.place.socket, "--data", self.place.data, *arguments]
        if config:
            self.place.config.write_text(config)
            self.arguments += ["--config", self.place.config]
        self.env = environment(env)
        self.descriptors = descriptors
        self.through = list(through)
        self.prepare = prepare
        self.program = program or binary("cofferd")
        self.inherits = inherits
        self.process: subprocess.Popen | None = None
        Daemon.live.append(self)

    def __enter__(self) -> "Daemon":
        try:
            return self.start()
        except BaseException:
            self.dispose()
            raise

    def __exit__(self, *_: object) -> None:
        self.dispose()

    # Start

    def spawn(self, output: int | None = None) -> "Daemon":
        """Starts it and does not wait. Call from the main thread: the daemon dies with its thread.

        `output`: a descriptor for what it prints and logs, instead of the log file.
        """
        assert self.process is None or self.process.poll() is not None, "it runs already"
        with open(self.place.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.through, self.program, *map(str, self.arguments)], env=self.env, cwd=self.place.folder,
                stdin=subprocess.DEVNULL, stdout=log if output is None else output,
                stderr=log if output is None else output, pass_fds=self.inherits, preexec_fn=self._prepare)
        return self

    def _prepare(self) -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if self.descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))
        if self.prepare is not None:
            self.prepare()

    def start(self, seconds: float = 15) -> "Daemon":
        """Starts it and waits until it serves."""
        self.spawn()
        eventually("cofferd answers Health with serving", seconds, self.serves, step=0.005)
        return self

    def serves(self) -> bool:
        assert self.process is not None
        if (code := self.process.poll()) is not None:
            raise AssertionError(f"cofferd ended with {code} instead of serving: {self.log_text()[-500:]}")
        try:
            with self.client() as client:
                return client.health().serving
        except (OSError, CallFailed):
            return False

    # Stop

    def kill(self) -> None:
        """SIGKILL, and its corpse fetched."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def terminate(self, seconds: float = 10) -> int:
        """SIGTERM; the exit code. Raises TimeoutExpired if it does not end."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(seconds)

    def restart(self) -> "Daemon":
        assert self.terminate() == 0, "cofferd did not end well"
        return self.start()

    def dispose(self) -> None:
        """Whatever state it is in: not running any more, and its folder gone."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self in Daemon.live:
            Daemon.live.remove(self)
        if self.owns_place:
            self.place.remove()

    # What can be seen of it

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def client(self, seconds: float = 15) -> Client:
        return Client(str(self.place.socket), seconds)

    def coffer(self, command: str, *arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess:
        """The command line, against this daemon."""
        return run("coffer", command, "--socket", self.place.socket, *arguments, stdin=stdin)

    def log_text(self) -> str:
        return self.place.log.read_text(errors="replace") if self.place.log.exists() else ""

    def descriptor_count(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident_kib(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("the daemon has no VmRSS: it is dead")

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@atexit.register
def _dispose_all() -> None:
    for daemon in list(Daemon.live):
        daemon.dispose()
