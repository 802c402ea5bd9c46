"""The programs that measure, and what one run of them says."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path


class NotMeasured(Exception):
    """A run did not come to its end, or an answer was wrong; the text says why."""


@dataclass(frozen=True)
class Programs:
    cofferd: Path
    load: Path
    simulation: Path
    grpc_server: Path
    bare_get: Path
    bao: str
    #: Of each measurement; the warm-up comes before.
    seconds: float
    warmup: float

    def run(self, *arguments: object) -> dict:
        """coffer-load for that time."""
        return self._run(self.load, "--json", "--seconds", self.seconds, "--warmup", self.warmup, *arguments)

    def count(self, requests: int, *arguments: object) -> dict:
        """coffer-load for that many calls."""
        return self._run(self.load, "--json", "--requests", requests, *arguments)

    def play(self, *arguments: object) -> dict:
        """coffer-load for a trace."""
        return self._run(self.load, "--json", *arguments)

    def simulate(self, *arguments: object) -> str:
        """coffer-simulate, and what it prints."""
        return self._output(self.simulation, *arguments)

    def bare(self, url: str, ca: Path, token: Path, *version: str) -> dict:
        """libcurl's request over the HTTP that it agrees on with the server, or that of this version."""
        return self._run(self.bare_get, url, ca, token, self.seconds, self.warmup, *version)

    @classmethod
    def _run(cls, *command: object) -> dict:
        return json.loads(cls._output(*command))

    @staticmethod
    def _output(*command: object) -> str:
        try:
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600)
        except subprocess.TimeoutExpired as error:
            raise NotMeasured("no end within 600 s") from error
        if done.returncode != 0:
            raise NotMeasured(fault(done.stdout) or (done.stdout + done.stderr).strip()[-500:])
        return done.stdout


def fault(report: str) -> str:
    """The first wrong answer of a run that came to its end."""
    try:
        return json.loads(report)["firstFault"]
    except (ValueError, KeyError):
        return ""
