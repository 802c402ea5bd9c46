#!/usr/bin/env python3
"""Runs the tests of the whole daemon in front of real vaults.

    python3 Tests/Live/system/run.py --bin .build/release [-k PATTERN] [--soak] [--part waiting|measuring | --only MODULE]

Modules that mostly wait run beside the others; then those that measure, one after another. What cannot start has failed; nothing is skipped.
"""

import argparse
import faulthandler
import importlib
import importlib.util
import re
import subprocess
import sys
import threading
import unittest
from pathlib import Path
from types import ModuleType

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
sys.path[:0] = [str(HERE), str(TESTS / "Live"), str(TESTS / "System")]

#: Each list is worked through beside the other.
LANES = [
    ["outage", "blip", "kept"],
    ["tokens", "herd", "leaks", "idle", "advice", "redirect", "lagging", "quota", "etcd_requests"],
]
#: Three nodes that elect one of them by time, and Stores, which read first, that have 3 s: nothing else runs beside
#: them. Beside ten busy loops a bare write to the active node took 1.4 s (median).
#: What two hosts see of each other is measured in milliseconds.
ALONE = ["failover", "shared", "shared_etcd"]
#: What runs beside each other, in turns.
PARTS = {"waiting": LANES, "measuring": [ALONE]}


def load(name: str, path: Path) -> ModuleType:
    """One of the other programs of the name run.py."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_module(name: str, pattern: str | None, result: unittest.TestResult) -> None:
    loader = unittest.TestLoader()
    if pattern:
        loader.testNamePatterns = [pattern if "*" in pattern else f"*{pattern}*"]
    loader.loadTestsFromModule(importlib.import_module(name)).run(result)


class Lane(threading.Thread):
    """Programs one after another, each with tests of one module."""

    def __init__(self, modules: list[str], arguments: list[str]) -> None:
        super().__init__()
        self.modules, self.arguments = modules, arguments
        self.passed = self.failed = 0

    def run(self) -> None:
        for module in self.modules:
            ended = subprocess.run(
                [sys.executable, __file__, *self.arguments, "--only", module], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace")
            counts = re.search(r"^(\d+) passed, (\d+) failed$", ended.stdout, re.MULTILINE)
            lines = [line for line in ended.stdout.splitlines() if not counts or line != counts[0]]
            print("\n".join(lines), flush=True)
            passed, failed = (int(counts[1]), int(counts[2])) if counts else (0, 0)
            self.passed += passed
            # A program that ends otherwise than by its count has failed, too.
            self.failed += failed or int(ended.returncode != 0 or not counts)


def main() -> int:
    live, system = load("live_run", TESTS / "Live/run.py"), load("system_run", TESTS / "System/run.py")
    live.enter_environment()
    from harness import messages
    from harness.options import options

    parser = argparse.ArgumentParser(description="Tests of cofferd and coffer in front of real vaults.")
    parser.add_argument("--bin", required=True, type=Path, metavar="DIR", help="the folder with the built programs")
    parser.add_argument("-k", metavar="PATTERN", help="only tests whose name (module.Class.test) has this in it")
    parser.add_argument("--soak", action="store_true", help="longer campaigns")
    parser.add_argument("--part", choices=PARTS, help="the modules that mostly wait, or those that measure; by default both")
    parser.add_argument("--only", choices=sum(LANES, ALONE), help="one module, in this process")
    arguments = parser.parse_args()
    options.bin, options.soak = arguments.bin.resolve(), arguments.soak
    missing = [name for name in ("cofferd", "coffer") if not (options.bin / name).exists()]
    if missing:
        parser.error(f"{options.bin} lacks {', '.join(missing)}; build them: swift build -c release")
    if not arguments.only:
        lanes = []
        for part in [arguments.part] if arguments.part else PARTS:
            beside = [Lane(modules, sys.argv[1:]) for modules in PARTS[part]]
            for lane in beside:
                lane.start()
            for lane in beside:
                lane.join()
            lanes += beside
        passed, failed = sum(lane.passed for lane in lanes), sum(lane.failed for lane in lanes)
        print(f"{passed} passed, {failed} failed")
        return 0 if passed and not failed else 1
    try:
        messages.generate()
    except RuntimeError as error:
        parser.error(str(error))
    faulthandler.enable()
    result = system.Result()
    run_module(arguments.only, arguments.k, result)
    print(f"{result.passed} passed, {result.failed} failed")
    return 0 if result.wasSuccessful() and result.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
