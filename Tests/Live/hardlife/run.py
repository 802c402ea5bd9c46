#!/usr/bin/env python3
"""Runs the suite of a hard life: the same rows against every kind of vault.

    python3 Tests/Live/hardlife/run.py --bin .build/release [--soak] [--only NAME] [-k PATTERN]

Each vault is a process of its own, with its own servers, folder and ports. What cannot start has failed; nothing is
skipped: a vault that lacks what a row needs is shown to lack it.
"""

import argparse
import faulthandler
import importlib
import importlib.util
import json
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from types import ModuleType

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]
sys.path[:0] = [str(HERE), str(TESTS / "Live/system"), str(TESTS / "Live"), str(TESTS / "System")]

#: A module of entries/ for each, the class in it, and the type of vault. Those that take longest begin first, and not all
#: with several nodes at once.
KINDS = {
    "hashicorp": ("HashiCorp", "vault"), "aws": ("AWS", "aws"), "etcd": ("Etcd", "etcd"), "gcp": ("GCP", "gcp"),
    "postgres": ("Postgres", "postgres"), "cloudflare": ("Cloudflare", "cloudflare"), "azure": ("Azure", "azure"),
    "fly": ("Fly", "fly"), "embedded": ("Embedded", "embedded"),
}
#: Types of vaults that are not among them, and why.
WITHOUT = {
    "memory": "forgets everything when the daemon stops",
    "cloudflare-secrets-store": "gives nothing back; Tests/CofferVaultsLiveTests/Cloudflare has its tests",
}
#: How many of them run at once on two processors.
BESIDE = 3


def load(name: str, path: Path) -> ModuleType:
    """One of the other programs of the name run.py."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Life:
    """One kind of vault, tested in a process of its own."""

    def __init__(self, kind: str, arguments: list[str], folder: Path) -> None:
        self.kind, self.report = kind, folder / f"{kind}.json"
        self.command = [sys.executable, __file__, *arguments, "--only", kind, "--report", str(self.report)]
        self.passed, self.failed, self.cells, self.figures = 0, 1, {}, {}

    def run(self, places: threading.Semaphore) -> None:
        with places:
            begun = time.monotonic()
            ended = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        counts = re.search(r"^(\d+) passed, (\d+) failed$", ended.stdout, re.MULTILINE)
        print(f"{self.kind}: {time.monotonic() - begun:.0f} s\n" + re.sub(r"(?m)^\d+ passed, \d+ failed\n", "", ended.stdout), end="", flush=True)
        if counts and self.report.exists():
            found = json.loads(self.report.read_text())
            self.cells, self.figures = found["cells"], found["figures"]
            self.passed = int(counts[1])
            # A program that ends otherwise than by its count has failed, too.
            self.failed = int(counts[2]) or int(ended.returncode != 0)


def run_all(kinds: list[str], arguments: list[str], titles: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="cfhard") as folder:
        lives = [Life(kind, arguments, Path(folder)) for kind in kinds]
        places = threading.Semaphore(BESIDE)
        threads = [threading.Thread(target=life.run, args=(places,)) for life in lives]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(table(titles, lives))
    print(outages(lives))
    passed, failed = sum(life.passed for life in lives), sum(life.failed for life in lives)
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


def check_types() -> None:
    """Every type of vault that the daemon knows has an entry, or a reason to have none. Raises AssertionError."""
    from harness.daemon import run
    with tempfile.NamedTemporaryFile(mode="w", suffix=".yaml") as file:
        file.write("vaults: {a: {type: none-of-them}}\n")
        file.flush()
        said = run("cofferd", "--check", "--config", file.name).stderr.decode()
    known = set(re.search(r"vaults\.a\.type: .*expected one of ([a-z, -]*[a-z])", said)[1].split(", "))
    missing = known - {type for _, type in KINDS.values()} - set(WITHOUT)
    assert not missing, f"without an entry in {HERE}/entries: {', '.join(sorted(missing))}"


def table(titles: list[str], lives: list[Life]) -> str:
    """All rows; a reason that is too long for a cell is a note below."""
    notes: list[str] = []

    def cell(life: Life, title: str) -> str:
        text = life.cells.get(title, "FAILED")
        if not text.startswith("no: "):
            return text
        if text not in notes:
            notes.append(text)
        return f"no ({notes.index(text) + 1})"

    rows = [["row", *(life.kind for life in lives)]] + [[title, *(cell(life, title) for life in lives)] for title in titles]
    lines = ["| " + " | ".join(each) + " |" for each in rows]
    lines += [f"({number}) {text}" for number, text in enumerate(notes, 1)]
    return "\n".join(lines + [f"{type} has no rows: it {reason}" for type, reason in WITHOUT.items()])


def outages(lives: list[Life]) -> str:
    lines = ["", f"An outage, {time.strftime('%Y-%m-%d')}, {platform.machine()}, all vaults at the same time:",
             "| vault | outage | first Store after its end | cached Gets that failed | first error |", "| --- | --- | --- | --- | --- |"]
    for life in lives:
        if seen := life.figures:
            lines.append(
                f"| `{life.kind}` | {seen['seconds']:.1f} s | {seen['first_store']:.2f} s | {seen['cached_failures']} of {seen['cached']} | "
                f"{seen['first_error']} after {seen['first_error_after']:.2f} s |")
    return "\n".join(lines)


def run_one(kind: str, pattern: str | None, report: Path | None, result: unittest.TestResult) -> None:
    import rows
    case = rows.HardLife
    case.entry = getattr(importlib.import_module(f"entries.{kind}"), KINDS[kind][0])()
    case.__qualname__ = kind
    case.plays_at_once = not pattern
    loader = unittest.TestLoader()
    if pattern:
        loader.testNamePatterns = [pattern if "*" in pattern else f"*{pattern}*"]
    # As they stand there: those that wait for the faults come last.
    loader.sortTestMethodsUsing = lambda one, two: order.index(one) - order.index(two)
    order = list(vars(case))
    loader.loadTestsFromTestCase(case).run(result)
    if report:
        report.write_text(json.dumps({"cells": case.cells, "figures": case.figures}))
    if not pattern and result.failed == 0 and set(case.cells) != set(titles_of(case)):
        raise AssertionError(f"no result for {set(titles_of(case)) - set(case.cells)}")


def titles_of(case: type) -> list[str]:
    return [test.title for name, test in vars(case).items() if name.startswith("test_")]


def main() -> int:
    live, system = load("live_run", TESTS / "Live/run.py"), load("system_run", TESTS / "System/run.py")
    live.enter_environment()
    from harness import messages
    from harness.options import options

    parser = argparse.ArgumentParser(description="The same hard life for every kind of vault.")
    parser.add_argument("--bin", required=True, type=Path, metavar="DIR", help="the folder with the built programs")
    parser.add_argument("-k", metavar="PATTERN", help="only rows whose test has this in its name")
    parser.add_argument("--soak", action="store_true", help="longer faults and outages")
    parser.add_argument("--only", choices=KINDS, help="one vault, in this process")
    parser.add_argument("--report", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    options.bin, options.soak = arguments.bin.resolve(), arguments.soak
    missing = [name for name in ("cofferd", "coffer") if not (options.bin / name).exists()]
    if missing:
        parser.error(f"{options.bin} lacks {', '.join(missing)}; build them: swift build -c release")
    if not arguments.only:
        check_types()
        import rows
        return run_all(list(KINDS), sys.argv[1:], titles_of(rows.HardLife))
    try:
        messages.generate()
    except RuntimeError as error:
        parser.error(str(error))
    faulthandler.enable()
    result = system.Result()
    run_one(arguments.only, arguments.k, arguments.report, result)
    print(f"{result.passed} passed, {result.failed} failed")
    return 0 if result.wasSuccessful() and result.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
