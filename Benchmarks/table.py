"""Makes results.md and results.svg from what bench.sh measured.

    python3 Benchmarks/table.py RESULTS.json FOLDER

Each figure is the median of the rounds, with the lowest and the highest: of the ratios of each round,
never the ratio of medians. A round that lacks a side does not count. Exit status 1 if a row has none, or
if the trace was not played.
"""

import json
import statistics
import sys
from pathlib import Path

from chart import chart
from rows import LESS, MORE, PEERS, ROWS, Row

DAEMON = "cofferd"


def figure(report: dict, name: str) -> float:
    if name == "rate":
        return report["ratePerSecond"]
    if name in ("p50", "p99", "p999", "max"):
        return (report.get("get") or report["store"])[name]
    return report[name]


def values(row: Row, runs: list[dict]) -> list[float]:
    """One for each round in which both sides were measured."""
    rounds: dict[int, dict[str, float]] = {}
    for run in runs:
        if run["case"] == row.case:
            rounds.setdefault(run["round"], {})[run["side"]] = figure(run["report"], row.figure)
    whole = [sides for sides in rounds.values() if DAEMON in sides and (row.side is None or row.side in sides)]
    if row.side is None:
        return [sides[DAEMON] for sides in whole]
    if row.unit:
        return [sides[DAEMON] - sides[row.side] for sides in whole]
    return [sides[DAEMON] / sides[row.side] for sides in whole]


def number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def measured(row: Row, found: list[float]) -> str:
    unit = f" {row.unit}" if row.unit and row.unit != row.figure else ""
    sign = "+" if row.unit and row.side else ""
    text = f"{sign if statistics.median(found) >= 0 else ''}{number(statistics.median(found))}{unit}"
    return text if len(found) == 1 else f"{text} ({number(min(found))} to {number(max(found))})"


def goal(row: Row) -> str:
    return "" if row.goal is None else f"{row.better} {row.goal:g}{' ' + row.unit if row.unit else ''}"


def verdict(row: Row, found: list[float]) -> str:
    if row.goal is None:
        return ""
    median = statistics.median(found)
    return "yes" if (median >= row.goal if row.better == MORE else median <= row.goal) else "no"


def what(row: Row) -> str:
    return {"ms": "time", "mib": "memory", "instructions": "count"}.get(row.figure, row.figure)


def table(results: dict) -> tuple[str, int]:
    """The text, and how many rows have no figure."""
    lines = ["| case | against | figure | cofferd | goal | met | rounds |", "| --- | --- | --- | --- | --- | --- | --- |"]
    lacking = 0
    for row in ROWS:
        found = values(row, results["runs"])
        against = PEERS[row.side] if row.side else "–"
        if found:
            cells = [measured(row, found), goal(row), verdict(row, found), str(len(found))]
        else:
            lacking += 1
            cells = [f"missing: {results['missing'].get(row.side or '', 'it was not measured')}", goal(row), "", "0"]
        lines.append("| " + " | ".join([row.title, against, what(row) + (" ratio" if row.is_ratio else ""), *cells]) + " |")
    return "\n".join(lines), lacking


def main(source: str, folder: str) -> int:
    results = json.loads(Path(source).read_text(encoding="utf-8"))
    text, lacking = table(results)
    text = f"""# What was measured

{results['header']}

{text}

cofferd to the peer, as the median of the rounds' ratios (lowest to highest). {MORE}: more is better; {LESS}: less is better.
8 × 1 is 8 connections with one call in flight on each. [README.md](README.md) says how each is measured.

{results['trace'] or 'The trace of real use was not measured.'}"""
    bars = [(f"{row.title} · {PEERS[row.side].removesuffix(', the limit')} · {what(row)}", row.better, row.goal, found)
            for row in ROWS if row.is_ratio and (found := values(row, results["runs"]))]
    output = Path(folder)
    (output / "results.md").write_text(text, encoding="utf-8")
    (output / "results.svg").write_text(chart(bars), encoding="utf-8")
    print(text, end="")
    return 1 if lacking or not results["trace"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
