#!/usr/bin/env bash
# Shows that `make bench` can measure all that it should: a quick run must have
# a figure in every row. What the figures are is not looked at.
#
#     Tests/bench.sh BIN
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 BIN" >&2; exit 2; }
bin=$(realpath "$1")
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

Benchmarks/bench.sh --quick --bin "$bin" --output "$folder" || failed=yes
python3 - "$folder" "${failed:-no}" <<'END'
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, "Benchmarks")
from rows import ROWS

folder, failed = Path(sys.argv[1]), sys.argv[2] == "yes"
ratios, _, trace = (folder / "results.md").read_text().partition("\n## ")


def cells(text: str) -> list[list[str]]:
    """The rows of the tables, without those that only say what is in the columns."""
    return [line.split(" | ") for line in text.splitlines()
            if line.startswith("| ") and not line.startswith(("| case", "| size", "| ---"))]


rows = cells(ratios)
good = [row for row in rows if re.match(r"[+-]?[0-9]", row[3])]
bars = xml.parse(folder / "results.svg").getroot().findall("{http://www.w3.org/2000/svg}rect")
# Four sizes of four caches in virtual time, two of the daemon's.
played = [row for row in cells(trace) if re.match(r"[0-9]", row[2 if len(row) > 5 else 1])]
problems = len(ROWS) - len(good) + (len(played) != 4 * 4 + 2) + (len(bars) != 1 + sum(row.is_ratio for row in ROWS)) + failed
for row in rows:
    if row not in good:
        print("no figure:", " | ".join(row))
print(f"{len(good)} passed, {problems} failed")
sys.exit(1 if problems else 0)
END
