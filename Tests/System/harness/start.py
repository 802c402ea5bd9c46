"""Tests of starts that are to fail."""

import subprocess

from .case import SystemTest
from .daemon import Daemon, Place, run

#: Exit codes: what the operator did not set, and what he did.
FAILURE, CONFIGURATION = 1, 78


class StartupTest(SystemTest):
    def setUp(self) -> None:
        self.place = Place()
        self.addCleanup(self.place.remove)

    def start(self, *arguments: object, config: str | None = None, env: dict[str, str] | None = None):
        """Runs cofferd on this place, expecting it to end by itself."""
        command = ["--socket", self.place.socket, "--data", self.place.data, *arguments]
        if config is not None:
            self.place.config.write_text(config)
            command += ["--config", self.place.config]
        try:
            return run("cofferd", *command, env=env, seconds=20)
        except subprocess.TimeoutExpired as error:
            self.fail(f"cofferd did not end within 20 s; it wrote {error.output!r} and {error.stderr!r}")

    def assert_refused(self, ended: subprocess.CompletedProcess, code: int, *words: object) -> str:
        """It ended with `code`, with one line for people that has all these words."""
        message = ended.stderr.decode()
        self.assertEqual(ended.returncode, code, message)
        self.assertEqual(len(message.splitlines()), 1, f"expected a single line, got:\n{message}")
        self.assertEqual(ended.stdout, b"", "a failed start writes to standard error only")
        for word in words:
            self.assertIn(str(word), message)
        self.assertNotRegex(message, r"0x[0-9a-f]{8}|Fatal error|CofferDaemon\.|\.swift", "a trace, not a message")
        return message

    def running(self, *arguments: object, **fields) -> Daemon:
        return self.daemon(*arguments, place=self.place, **fields)
