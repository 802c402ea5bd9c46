#!/usr/bin/env bash
# Plays the trace that figures are published for (see Benchmarks/README.md) in virtual
# time, and holds the cache to what it was worth there beside an LRU and the AWS agent's.
#
#     Tests/trace.sh BIN
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 BIN" >&2; exit 2; }
simulate=$(realpath "$1")/coffer-simulate
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

"$simulate" make-trace trace
"$simulate" replay --json trace > figures.json
{ head -n 9 trace; echo "9999999 X 1"; } > broken
"$simulate" replay broken > broken.out 2>&1 && echo "FAIL a broken trace was played" >> broken.out
python3 - <<'END'
import hashlib
import json
import sys
from pathlib import Path

# Another trace has other figures: then those in the README are to be measured anew.
SHA256 = "a8fca791c766f71776ad60ce2d34009e5779d426882c1d6d87ba25271315ae6f"
problems = []


def expect(holds: bool, what: str) -> None:
    if not holds:
        problems.append(what)
        print("FAIL", what)


expect(hashlib.sha256(Path("trace").read_bytes()).hexdigest() == SHA256, "the default trace is another one")
expect(Path("broken.out").read_text() == "Error: line 10: expected G, S or D with a space and a record, or down, or up\n",
       "expected the line of the fault, got " + Path("broken.out").read_text())
rows = json.loads(Path("figures.json").read_text())["rows"]
for size in dict.fromkeys(row["size"] for row in rows):
    coffer, alone, lru, agent = ({**row["score"], "ratio": row["score"]["hits"] / row["score"]["gets"]}
                                 for row in rows if row["size"] == size)
    # At 1 % each of the 16 shards has room for 13 records.
    strict = size != "1 %"
    expect(coffer["ratio"] >= lru["ratio"] + 0.01, f"{size}: hit ratio, against the LRU")
    expect(coffer["ratio"] >= agent["ratio"] + 0.06, f"{size}: hit ratio, against the agent")
    expect(alone["ratio"] >= lru["ratio"] - 0.0005, f"{size}: hit ratio of the eviction alone, against the LRU")
    expect(coffer["reads"] <= 0.91 * lru["reads"], f"{size}: reads of the vault, against the LRU")
    expect(coffer["reads"] <= 0.91 * agent["reads"], f"{size}: reads of the vault, against the agent")
    expect(coffer["failed"] <= (0.45 if strict else 0.62) * lru["failed"], f"{size}: failed Gets, against the LRU")
    expect(coffer["failed"] <= (0.80 if strict else 0.85) * agent["failed"], f"{size}: failed Gets, against the agent")
    expect(coffer["outdated"] == 0 and agent["outdated"] > 0, f"{size}: outdated answers")
print(f"{2 + 8 * 4 - len(problems)} passed, {len(problems)} failed")
sys.exit(1 if problems else 0)
END
