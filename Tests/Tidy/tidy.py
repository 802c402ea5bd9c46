#!/usr/bin/env python3
"""Checks that hold the architecture and the house rules.

    tidy.py [FOLDER]      check the repository there; default: the one this file is in
    tidy.py --self-test   plant each kind of mistake in a copy and see that it is found

Needs Python's standard library and git. Exit code 0 if all checks pass.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True

import architecture
import manual
import self_test
import sources
from repository import Repository

CHECKS = architecture.CHECKS + sources.CHECKS + manual.CHECKS


def main(arguments: list[str]) -> int:
    root = Path(__file__).resolve().parents[2]
    if arguments == ["--self-test"]:
        failed = self_test.run(root, CHECKS)
        count = len(self_test.MISTAKES)
    elif len(arguments) <= 1 and not any(argument.startswith("-") for argument in arguments):
        failed = check(Repository(Path(arguments[0]) if arguments else root))
        count = len(CHECKS)
    else:
        print(__doc__, file=sys.stderr)
        return 64
    print(f"{count - failed} passed, {failed} failed")
    return 1 if failed else 0


def check(repository: Repository) -> int:
    """How many checks have failed; each problem becomes a line."""
    failed = 0
    for one in CHECKS:
        problems = one(repository)
        failed += bool(problems)
        if problems:
            print(f"FAIL {one.__name__.replace('_', ' ')}")
        for problem in problems:
            print(f"     {problem}")
    counted, documented = sources.function_count(repository)
    print(f"tidy: {len(repository.files)} files; {documented} of {counted} functions that cross a module are documented")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
