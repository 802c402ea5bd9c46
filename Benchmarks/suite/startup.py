"""How soon a server answers, and how much memory it has: cofferd beside OpenBao's proxy."""

import time
from pathlib import Path

import bao
import machine
import peers
from programs import Programs
from results import Results
from servers import Process

RECORDS = 10_000


def measure(folder: Path, programs: Programs, proxy: bao.Proxy | None, results: Results) -> None:
    """One round. The daemon's folder has its keys and records already, as after a reboot."""
    daemon = peers.Cofferd(folder, programs.cofferd, name="cofferd-start")
    try:
        programs.count(1, *daemon.target, "--prepare", "--keys", RECORDS, "--connections", 16, "--depth", 16)
        elapsed = restart_ms(daemon, programs)
        idle = machine.resident_mib(daemon.process.pid)
        programs.count(1, *daemon.target, "--fill", "--keys", RECORDS)
        add(results, "cofferd", elapsed, idle, machine.resident_mib(daemon.process.pid))
    finally:
        daemon.stop()
        for file in sorted(daemon.folder.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        daemon.folder.rmdir()
    if proxy:
        elapsed = proxy.restart_ms()
        idle = machine.resident_mib(proxy.process.pid)
        programs.count(RECORDS, *proxy.target)
        add(results, "forwarded", elapsed, idle, machine.resident_mib(proxy.process.pid))


def restart_ms(daemon: peers.Cofferd, programs: Programs) -> float:
    """From the start of its process to the first answer."""
    daemon.stop()
    start = time.monotonic()
    daemon.process = Process([str(part) for part in daemon.command()], daemon.folder / "log")
    machine.wait_until(lambda: peers.accepts(daemon.socket), daemon.name)
    programs.count(1, *daemon.target, "--connections", 1, "--keys", 1)
    return (time.monotonic() - start) * 1000


def add(results: Results, side: str, elapsed: float, idle: float, loaded: float) -> None:
    results.add("start", side, {"ms": elapsed})
    results.add("idle", side, {"mib": idle})
    results.add("loaded", side, {"mib": loaded})
