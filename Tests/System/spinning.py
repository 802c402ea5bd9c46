"""Whether a reactor sleeps between calls: by default it does, with `spin_us` only once nobody calls."""

import os
import time
from pathlib import Path

from harness import Daemon, SystemTest

CALLS = 2000


class Spinning(SystemTest):
    def test_it_sleeps_after_every_call_by_default(self) -> None:
        self.assertGreater(self.sleeps_per_call(self.daemon("--reactors", 1)), 0.7)

    def test_it_does_not_sleep_while_calls_come(self) -> None:
        self.assertLess(self.sleeps_per_call(self.spinning()), 0.3)

    def test_it_rests_when_nobody_calls(self) -> None:
        daemon = self.spinning()
        with daemon.client() as client:
            client.store("user", "c", b"value")
            client.get("user", "c")
            time.sleep(0.1)
            before, start = self.processor_seconds(daemon), time.monotonic()
            time.sleep(1)
            share = (self.processor_seconds(daemon) - before) / (time.monotonic() - start)
        self.assertLess(share, 0.1)

    def spinning(self) -> Daemon:
        return self.daemon("--reactors", 1, config="spin_us: 1000\n")

    def sleeps_per_call(self, daemon: Daemon) -> float:
        with daemon.client() as client:
            client.store("user", "c", b"value")
            before = self.sleeps(daemon)
            for _ in range(CALLS):
                client.get("user", "c")
            return (self.sleeps(daemon) - before) / CALLS

    def sleeps(self, daemon: Daemon) -> int:
        """How often the kernel has put the reactor's thread to sleep at its own wish."""
        status = (self.reactor(daemon) / "status").read_text()
        return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])

    def reactor(self, daemon: Daemon) -> Path:
        tasks = Path(f"/proc/{daemon.pid}/task")
        return next(task for task in tasks.iterdir() if (task / "comm").read_text() == "reactor-0\n")

    def processor_seconds(self, daemon: Daemon) -> float:
        fields = Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
