"""What is asked of the machine: its CPUs, its processes' memory, its load."""

import os
import platform
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

CPUS = sorted(os.sched_getaffinity(0))
#: Servers have the first CPU and the generator the last one. Left to itself, the scheduler does now
#: this and now that, which alone changes a rate by half.
SERVER_CPU, LOAD_CPU = CPUS[0], CPUS[-1]


def pin(pid: int, cpus: list[int]) -> None:
    """All threads of a process."""
    subprocess.run(["taskset", "-acp", ",".join(map(str, cpus)), str(pid)], check=True, capture_output=True, timeout=10)


def resident_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has no memory")


def load_average() -> float:
    return os.getloadavg()[0]


def describe(folder: Path) -> str:
    file_system = subprocess.run(
        ["stat", "-f", "-c", "%T", folder], check=True, capture_output=True, text=True, timeout=10).stdout.strip()
    return (f"{datetime.now(timezone.utc):%F} · Linux {platform.release()} · {len(CPUS)} cores · data on {file_system} · "
            f"load average at the start {load_average():.1f}")


def wait_until(ready, what: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() >= end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
