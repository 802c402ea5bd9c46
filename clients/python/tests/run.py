#!/usr/bin/env python3
"""Runs the tests. A test that is skipped has failed: these need root, to act as other users.

    python3 run.py [PATTERN]
"""

import faulthandler
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
#: Seconds after which they hang.
LIMIT = 120

faulthandler.dump_traceback_later(LIMIT, exit=True)
sys.path.insert(0, str(HERE))
loader = unittest.TestLoader()
loader.testNamePatterns = [f"*{pattern}*" for pattern in sys.argv[1:]] or None
result = unittest.TextTestRunner(sys.stdout, verbosity=0).run(loader.discover(str(HERE)))
failed = len(result.failures) + len(result.errors) + len(result.skipped) + len(result.unexpectedSuccesses)
for test, reason in result.skipped:
    print(f"FAIL {test} was skipped: {reason}")
version = ".".join(map(str, sys.version_info[:2]))
print(f"with Python {version}:")
print(f"{result.testsRun - failed} passed, {failed} failed")
sys.exit(0 if result.testsRun and not failed else 1)
