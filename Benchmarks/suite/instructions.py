"""User-space instructions for each cached Get, counted by callgrind: the same on any machine, loaded or not."""

import subprocess
import threading
from pathlib import Path

import peers
from programs import NotMeasured, Programs
from results import Results
from servers import CannotStart

BENCHMARKS = Path(__file__).resolve().parents[1]


def measure(folder: Path, programs: Programs, results: Results, gets: int) -> None:
    """The three servers at the same time, for they do not touch each other's counts."""
    try:
        # Valgrind cannot read the debugging information that Swift writes.
        stripped, library = folder / "cofferd-stripped", folder / "sigsuspend.so"
        subprocess.run(["strip", "-g", "-o", stripped, programs.cofferd], check=True, timeout=60)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, BENCHMARKS / "sigsuspend.c"], check=True, timeout=60)
        descriptors = peers.valgrind_descriptors()
    except (OSError, subprocess.SubprocessError) as error:
        for side in ("cofferd", "memcached", "redis"):
            results.failed("instructions", side, str(error))
        return

    def cofferd(place: Path, prefix: tuple[str, ...]) -> peers.Peer:
        return peers.Cofferd(place, stripped, prefix=("env", f"LD_PRELOAD={library}", *prefix))

    class Memcached(peers.Memcached):
        connections = descriptors

    def count(side: str, start) -> None:
        try:
            few, many = (executed(folder / f"{side}-{number}", programs, start, number) for number in (gets // 10, gets))
            results.add_once("instructions", side, {"instructions": (many - few) / (gets - gets // 10)})
        except (CannotStart, NotMeasured, OSError) as error:
            results.failed("instructions", side, str(error))

    starts = {"cofferd": cofferd, "memcached": Memcached, "redis": peers.Redis}
    threads = [threading.Thread(target=count, args=item) for item in starts.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def first_call(call, attempts: int = 5) -> None:
    """It takes long under Valgrind on a busy machine, longer than coffer-load waits for an answer."""
    for attempt in range(attempts):
        try:
            call()
            return
        except NotMeasured:
            if attempt == attempts - 1:
                raise


def executed(place: Path, programs: Programs, start, gets: int) -> int:
    """From a server's start to its end, with that many Gets between."""
    place.mkdir()
    out = place / "callgrind.out"
    server = start(place, ("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"))
    try:
        target = (*server.target, "--connections", 1, "--keys", 1)
        first_call(lambda: programs.count(1, *target, "--prepare"))
        programs.count(gets, *target)
    finally:
        server.process.stop(30)
    for line in out.read_text().splitlines():
        if line.startswith("totals:"):
            return int(line.split()[1])
    raise NotMeasured(f"callgrind counted nothing: {server.process.tail()}")
