"""The base of all system tests."""

import signal
import unittest

from .client import CallFailed, Status
from .daemon import Daemon
from .options import options


class SystemTest(unittest.TestCase):
    #: Seconds that one test may take, ten times as many with --soak; then it fails.
    time_limit = 120
    #: What differs is said whole.
    maxDiff = None

    def run(self, result=None):
        limit = options.sized(self.time_limit, 10 * self.time_limit)

        def too_long(*_: object) -> None:
            raise AssertionError(f"the test took more than {limit} s")

        before = signal.signal(signal.SIGALRM, too_long)
        signal.alarm(limit)
        try:
            return super().run(result)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)

    def daemon(self, *arguments: object, **options) -> Daemon:
        """A daemon that serves, for this test alone."""
        daemon = Daemon(*arguments, **options)
        self.addCleanup(daemon.dispose)
        return daemon.start()

    def assert_fails(self, status: Status, call, *arguments, **fields) -> CallFailed:
        """The call is answered with this status."""
        with self.assertRaises(CallFailed) as caught:
            call(*arguments, **fields)
        self.assertEqual(caught.exception.status.name, status.name, str(caught.exception))
        return caught.exception
