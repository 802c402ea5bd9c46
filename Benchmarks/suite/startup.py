"""How soon a server answers, and how much memory it has: cofferd beside OpenBao's proxy."""

import time
from pathlib import Path

import bao
import machine
import peers
from programs import Programs
from results import Results
from servers import Process


class Startup:
    """A daemon that is started anew in each round, on keys and records that are there already, as after a reboot."""

    def __init__(self, folder: Path, programs: Programs, records: int) -> None:
        self._programs, self._records = programs, records
        self._daemon = peers.Cofferd(folder, programs.cofferd, name="cofferd-start")
        programs.count(1, *self._daemon.target, "--prepare", "--keys", self._records, "--connections", 16, "--depth", 16)

    def round(self, proxy: bao.Proxy | None, results: Results) -> None:
        daemon, count = self._daemon, self._programs.count
        elapsed = self._restart_ms()
        idle = machine.resident_mib(daemon.process.pid)
        count(1, *daemon.target, "--fill", "--keys", self._records)
        add(results, "cofferd", elapsed, idle, machine.resident_mib(daemon.process.pid))
        daemon.process.stop()
        if proxy:
            elapsed = proxy.restart_ms()
            idle = machine.resident_mib(proxy.process.pid)
            count(self._records, *proxy.target)
            add(results, "proxy", elapsed, idle, machine.resident_mib(proxy.process.pid))

    def _restart_ms(self) -> float:
        """From the start of its process to the first answer, without what the asking program takes to start."""
        daemon = self._daemon
        daemon.stop()
        start = time.monotonic()
        daemon.process = Process([str(part) for part in daemon.command()], daemon.folder / "log")
        machine.wait_until(lambda: peers.answers(daemon.socket), daemon.name)
        return (time.monotonic() - start) * 1000

    def stop(self) -> None:
        self._daemon.stop()


def add(results: Results, side: str, elapsed: float, idle: float, loaded: float) -> None:
    results.add("start", side, {"ms": elapsed})
    results.add("idle", side, {"mib": idle})
    results.add("loaded", side, {"mib": loaded})
