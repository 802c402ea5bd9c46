"""User-space instructions for each cached Get, counted by callgrind."""

import subprocess
import threading
from pathlib import Path

import peers
from programs import NotMeasured, Programs
from results import Results
from servers import CannotStart

BENCHMARKS = Path(__file__).resolve().parents[1]
REPEATS = 3


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
            results.add_once("instructions", side, {"instructions": for_each_get(folder / f"{side}-counted", programs, start, gets)})
        except (CannotStart, NotMeasured, OSError, subprocess.SubprocessError) as error:
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


def for_each_get(place: Path, programs: Programs, start, gets: int) -> float:
    """Of the thread that serves; others work by the time that passes, not by the call.

    Runs on one process that differ in the number of Gets and in nothing else, each the least of three: what
    happens once, or now and then, is in some of them only."""
    place.mkdir()
    server = start(place, ("valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={place}/out"))
    try:
        target = (*server.target, "--connections", 1, "--keys", 1)
        first_call(lambda: programs.count(200, *target, "--prepare"))
        dump(server.process.pid)
        few = gets // 10
        for number in (few, gets) * REPEATS:
            programs.count(number, *target)
            dump(server.process.pid)
        return (least(place, 3) - least(place, 2)) / (gets - few)
    finally:
        server.process.stop(30)


def dump(pid: int) -> None:
    """Has callgrind write what it counted since the last time."""
    subprocess.run(["callgrind_control", "-d", str(pid)], check=True, capture_output=True, timeout=60)


def least(place: Path, first: int) -> int:
    """The smallest count of the busiest thread, in every second dump from that one on."""
    return min(busiest(place, number) for number in range(first, first + 2 * REPEATS, 2))


def busiest(place: Path, number: int) -> int:
    totals = [int(line.split()[1]) for file in place.glob(f"out.{number}-*")
              for line in file.read_text().splitlines() if line.startswith("totals:")]
    if not totals:
        raise NotMeasured(f"callgrind wrote no dump {number}")
    return max(totals)
