#!/usr/bin/env python3
"""Runs the tests that need real vaults: starts them, sets them up, and stops them again.

    python3 Tests/Live/run.py [--package DIR] [--scratch-path DIR] [--filter PATTERN] [--build] [--only NAME]

What cannot start has failed; nothing is skipped.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
PYTHON = ROOT / ".build-python/bin/python"
TESTS = ROOT / "Tests/CofferVaultsLiveTests"


def enter_environment() -> None:
    """Goes on in the virtual environment with all that is required; makes it if need be."""
    if os.environ.get("COFFER_LIVE_ENVIRONMENT") == str(PYTHON):
        return
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", PYTHON.parents[1]], check=True)
    subprocess.run(
        [PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "requirements.txt"], check=True)
    os.environ["COFFER_LIVE_ENVIRONMENT"] = str(PYTHON)
    os.execv(PYTHON, [str(PYTHON), *sys.argv])


def run_tests(command: list[str], environment: dict[str, str]) -> bool:
    """Shows what the tests print. That there were none is a failure too, which SwiftPM lets pass."""
    ran = False
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as tests:
        for line in tests.stdout:
            ran = ran or re.search(rb"Test run with [1-9]", line) is not None
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
    return tests.returncode == 0 and ran


def suites(backends: list) -> str:
    """A pattern of `swift test` for the suites of these vaults."""
    names = []
    for backend in backends:
        found = [name for file in sorted((TESTS / backend.folder_of_tests).glob("*.swift"))
                 for name in re.findall(r"(?:struct|class) (\w+Tests)\b", file.read_text())]
        assert found, f"{backend.name} has no Swift tests in {TESTS / backend.folder_of_tests}"
        names += found
    return rf"^{TESTS.name}\.({'|'.join(names)})/"


def run_group(backends: list, arguments: argparse.Namespace) -> tuple[int, list[str]]:
    """The tests of these vaults, with their servers: how many parts passed, and which failed."""
    import servers
    passed, failed, began = 0, [], time.monotonic()
    names = ", ".join(backend.name for backend in backends)
    with tempfile.TemporaryDirectory(prefix="coffer-live-") as folder:
        try:
            environment = dict(os.environ)
            for backend in backends:
                place = Path(folder) / backend.name
                place.mkdir()
                environment |= backend.start(place)
            for backend in backends:
                backend.before()
            command = [
                "swift", "test", "--package-path", str(arguments.package), "--scratch-path", arguments.scratch_path,
                "--filter", arguments.filter or suites(backends)]
            if not arguments.build:
                command.append("--skip-build")
            if run_tests(command, environment):
                passed += 1
            else:
                failed.append(f"{names}: the Swift tests")
            for backend in backends:
                try:
                    backend.after()
                    passed += 1
                except Exception:
                    traceback.print_exc()
                    failed.append(f"{backend.name}: what the tests left")
        except servers.CannotStart as error:
            failed.append(f"{names}: a server could not start: {error}")
        finally:
            for backend in backends:
                backend.stop()
    print(f"{names}: {time.monotonic() - began:.0f} s", flush=True)
    return passed, failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Tests against real vaults.")
    parser.add_argument("--package", type=Path, default=ROOT, help="the Swift package; default: this one")
    parser.add_argument("--scratch-path", default=".build", help="SwiftPM's build folder; default: .build")
    parser.add_argument("--filter", help="of swift test; with --only")
    parser.add_argument("--build", action="store_true", help="build the tests first")
    parser.add_argument("--only", help="the name of one kind of vault")
    arguments = parser.parse_args()
    if arguments.filter and not arguments.only:
        parser.error("--filter needs --only, which says what servers it is for")

    import aws
    import azure_vault
    import cloudflare_backend
    import etcd
    import fly_backend
    import google_cloud
    import openbao
    import postgres
    #: Beside each other as far as two processors last: all at once, calls would run out of time.
    groups = [[openbao.OpenBao, aws.AWS], [cloudflare_backend.Cloudflare, google_cloud.Google],
              [azure_vault.Azure, fly_backend.Fly], [postgres.Postgres], [etcd.Etcd]]
    known = {kind.folder_of_tests for group in groups for kind in group}
    unknown = {path.name for path in TESTS.iterdir() if path.is_dir()} ^ known
    assert not unknown, f"{TESTS} and the kinds of vaults differ in {', '.join(sorted(unknown))}"
    passed, failed, ran = 0, [], False
    for group in groups:
        backends = [kind() for kind in group if arguments.only in (None, kind.name)]
        if backends:
            ran = True
            more, wrong = run_group(backends, arguments)
            passed += more
            failed += wrong
    if not ran:
        parser.error(f"there is no kind of vault of the name {arguments.only}")
    for what in failed:
        print(f"FAILED: {what}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    enter_environment()
    sys.path.insert(0, str(HERE))
    sys.exit(main())
