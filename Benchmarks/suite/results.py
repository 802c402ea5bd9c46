"""What was measured, as it is handed to table.py."""

import json
import sys
from pathlib import Path


class Results:
    def __init__(self) -> None:
        self.header = ""
        #: A section of its own; empty = it was not measured.
        self.trace = ""
        self._round = 0
        self._runs: list[dict] = []
        self._missing: dict[str, str] = {}

    def next_round(self) -> None:
        self._round += 1

    def add(self, case: str, side: str, report: dict) -> None:
        """One run: of coffer-load, or figures by their names."""
        self._runs.append({"case": case, "round": self._round, "side": side, "report": report})

    def add_once(self, case: str, side: str, report: dict) -> None:
        """What no round has a part in."""
        self._runs.append({"case": case, "round": 0, "side": side, "report": report})

    def missing(self, side: str, why: str) -> None:
        """A peer that did not start."""
        print(f"bench.sh: missing: {side}: {why}", file=sys.stderr)
        self._missing[side] = " ".join(why.split())[:160].replace("|", "/") or "it did not start"

    def failed(self, case: str, side: str, why: str) -> None:
        """A run that was not carried to its end; its round does not count."""
        print(f"bench.sh: not measured: {case}, {side}: {why}", file=sys.stderr)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"header": self.header, "runs": self._runs, "missing": self._missing, "trace": self.trace}))
