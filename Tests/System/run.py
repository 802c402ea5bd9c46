#!/usr/bin/env python3
"""Runs the system tests: the built programs, seen from outside.

    python3 Tests/System/run.py --bin .build/release [-k PATTERN] [--soak]
"""

import argparse
import faulthandler
import importlib
import os
import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import messages  # noqa: E402
from harness.daemon import Daemon  # noqa: E402
from harness.options import options  # noqa: E402

MODULES = [
    "startup", "agreement", "reloading", "socket_path", "handed_over", "data_folder", "key_loss", "records", "lifecycle", "command_line", "policies", "running", "console", "vaults", "fly", "hostile",
    "hostile_fields", "hostile_peers", "blocking", "host", "plaintext", "heap", "cores", "durability", "scale", "spinning",
    "buffers", "user_namespaces", "policy", "work",
]
PROGRAMS = ["cofferd", "coffer", "coffer-load"]


class Result(unittest.TestResult):
    """One line for each test; the reasons of failures with the end of the daemon's log."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0
        self._failed: set[str] = set()
        self._started = 0.0

    @property
    def failed(self) -> int:
        return len(self._failed)

    def startTest(self, test):
        super().startTest(test)
        self._started = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        verdict = "FAILED" if test.id() in self._failed else "ok"
        print(f"{verdict:6} {time.monotonic() - self._started:6.2f} s  {test.id()}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._report(test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._report(test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._report(test, f"{subtest._subDescription()}\n{self._exc_info_to_string(err, test)}")

    def addSkip(self, test, reason):
        self._report(test, f"was skipped, which counts as failed: {reason}")

    def addUnexpectedSuccess(self, test):
        self._report(test, "was expected to fail, and passed")

    def _report(self, test, reason: str) -> None:
        self._failed.add(test.id())
        print(f"\n--- {test.id()}\n{reason}", flush=True)
        for daemon in Daemon.live:
            kept = Path(tempfile.gettempdir()) / f"coffer-system-{os.getpid()}-{test.id()}.log"
            with open(kept, "a") as file:
                file.write(daemon.log_text())
            end = "\n".join(f"    {line[:400]}" for line in daemon.log_text().splitlines()[-20:])
            print(f"  the daemon's log, kept as {kept}, ends with\n{end}", flush=True)


def suite(pattern: str | None) -> unittest.TestSuite:
    loader = unittest.TestLoader()
    if pattern:
        loader.testNamePatterns = [pattern if "*" in pattern else f"*{pattern}*"]
    return unittest.TestSuite(
        loader.loadTestsFromModule(importlib.import_module(name)) for name in MODULES)


def main() -> int:
    parser = argparse.ArgumentParser(description="System tests of cofferd, coffer and coffer-load.")
    parser.add_argument("--bin", required=True, type=Path, metavar="DIR", help="the folder with the built programs")
    parser.add_argument("-k", metavar="PATTERN", help="only tests whose name (module.Class.test) has this in it")
    parser.add_argument("--soak", action="store_true", help="longer campaigns")
    arguments = parser.parse_args()
    options.bin = arguments.bin.resolve()
    options.soak = arguments.soak
    missing = [name for name in PROGRAMS if not os.access(options.bin / name, os.X_OK)]
    if missing:
        parser.error(f"{options.bin} lacks {', '.join(missing)}; build them: swift build -c release")
    try:
        messages.generate()
    except RuntimeError as error:
        parser.error(str(error))
    faulthandler.enable()
    # Programs inherit what is ignored, under nohup say, and tests send them these.
    for number, handler in (
        (signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL),
    ):
        signal.signal(number, handler)
    result = Result()
    tests = suite(arguments.k)
    if tests.countTestCases() == 0:
        parser.error(f"no test has {arguments.k!r} in its name")
    tests.run(result)
    print(f"{result.passed} passed, {result.failed} failed")
    return 0 if result.failed == 0 and result.passed == result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
