#!/usr/bin/env python3
"""A client under load while its daemon is stopped, which sends a go-away, killed, and started again.

    python3 load.py BIN [--gets N] -- PROGRAM [ARGUMENT …]

BIN holds cofferd. The program gets `--socket PATH --gets N --until FILE` as well. When its records are there it
makes FILE.ready. It reads and writes until there were N Gets and FILE is there, and prints "N passed, N failed": no Get may have failed,
and what a record holds must be what a Store is known to have stored, or one that may have happened.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

#: At least so many ends of each kind, however fast the Gets are.
ENDS = 6
#: Seconds.
LIMIT = 300


class Daemon:
    def __init__(self, bin_folder: str, folder: Path):
        self.socket = folder / "s"
        self.command = [f"{bin_folder}/cofferd", "--socket", str(self.socket), "--data", str(folder / "data")]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not self.socket.exists() and self.process.poll() is None:
            time.sleep(0.005)

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(60)
        # A killed daemon leaves its socket's file, at which nobody listens.
        self.socket.unlink(missing_ok=True)


def disturb(daemon: Daemon, program: subprocess.Popen, enough: Path) -> dict[str, int]:
    """Until the program has ended."""
    counts = {"SIGTERM": 0, "SIGKILL": 0}
    ready = enough.with_name("enough.ready")
    while program.poll() is None and not ready.exists():
        time.sleep(0.01)
    while program.poll() is None:
        how = signal.SIGTERM if counts["SIGTERM"] <= counts["SIGKILL"] else signal.SIGKILL
        time.sleep(random.uniform(0.1, 0.25))
        daemon.end(how)
        daemon.start()
        counts[how.name] += 1
        if min(counts.values()) >= ENDS:
            enough.touch()
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--gets", type=int, default=50_000)
    parser.add_argument("program", nargs="+")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coffer-load-") as name:
        enough = Path(name) / "enough"
        daemon = Daemon(arguments.bin, Path(name))
        program = subprocess.Popen(
            [*arguments.program, "--socket", str(daemon.socket), "--gets", str(arguments.gets), "--until", str(enough)],
            stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(LIMIT, program.kill)
        timer.start()
        try:
            counts = disturb(daemon, program, enough)
            output = program.communicate()[0]
        finally:
            timer.cancel()
            program.kill()
            daemon.end(signal.SIGKILL)
    print(", ".join(f"{count} times {how}" for how, count in counts.items()))
    if "passed" not in output:
        print(f"FAIL it ended with {program.returncode}: {output}\n0 passed, 1 failed")
        return 1
    print(output.rstrip())
    return program.returncode


if __name__ == "__main__":
    sys.exit(main())
