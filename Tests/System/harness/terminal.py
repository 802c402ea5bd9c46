"""A program in a pseudo-terminal of its own, and what it shows there."""

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

from .daemon import environment
from .waiting import eventually


class Terminal:
    """Use as a context manager: it ends the program, and closes the terminal."""

    def __init__(self, command: list[str], env: dict[str, str] | None = None):
        self.shown = b""
        self.control, self.end = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=self.end, stdout=self.end, stderr=self.end, env=environment(env),
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        os.close(self.control)
        os.close(self.end)

    def read(self) -> bytes:
        """What is to be read at once, and all that was shown so far."""
        while select.select([self.control], [], [], 0)[0]:
            self.shown += os.read(self.control, 65536)
        return self.shown

    def wait_for(self, text: bytes, count: int = 1) -> None:
        eventually(f"the terminal shows {text!r} {count} times", 20, lambda: self.read().count(text) >= count)

    def type(self, keys: bytes) -> None:
        os.write(self.control, keys)

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.end)[3] & termios.ECHO)

    def wait(self, seconds: float = 20) -> int:
        """The exit code, reading meanwhile what it writes."""
        end = time.monotonic() + seconds
        while (code := self.process.poll()) is None:
            self.read()
            if time.monotonic() > end:
                raise AssertionError(f"the program did not end within {seconds} s; it showed {self.shown!r}")
            time.sleep(0.005)
        self.read()
        return code
