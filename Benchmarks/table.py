"""Makes the table of bench.sh from its results.

Each line of the file is: case, round, side (floor or daemon), one report of
coffer-load as JSON, divided by tabs. A ratio is daemon / floor of one round; the
table has the median of the rounds, and the lowest and the highest. A round that
lacks a side does not count.
"""

import json
import statistics
import sys

LIMITS = {"floor": "C epoll echo", "floor-commits": "SQLite, durable transactions of as many rows"}
GOALS = {  # From the design; the figure that the goal is about.
    ("Get 8x1", "rate"): "≥ 0.80",
    ("Get 1x1", "p50"): "≤ 1.25",
    ("Get 1x1", "p99"): "≤ 1.5",
    ("Store 16x1", "rate"): "≥ 0.8",
}


def read(path):
    """{case: {round: {side: report}}}, and the instructions of a Get or None."""
    cases, instructions = {}, None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            case, number, side, report = line.rstrip("\n").split("\t")
            if case == "instructions":
                instructions = int(report)
            else:
                rounds = cases.setdefault(case, {})
                rounds.setdefault(number, {})[side] = json.loads(report)
    return cases, instructions


def figure(report, name):
    if name == "rate":
        return report["ratePerSecond"]
    return (report.get("get") or report["store"])[name]


def cell(case, name, rounds):
    ratios = [figure(sides["daemon"], name) / figure(sides["floor"], name) for sides in rounds]
    text = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    goal = GOALS.get((case, name))
    return f"{text}, goal {goal}" if goal else text


def main(path):
    cases, instructions = read(path)
    print("| case | against | rate | p50 | p99 | rounds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case, numbered in cases.items():
        rounds = [sides for sides in numbered.values() if len(sides) == 2]
        if not rounds:
            continue
        cells = " | ".join(cell(case, name, rounds) for name in ("rate", "p50", "p99"))
        print(f"| {case} | {LIMITS[rounds[0]['floor']['target']]} | {cells} | {len(rounds)} |")
    print("\nMedian of the rounds' ratios, daemon to limit (lowest–highest).", end=" ")
    print("More is better for the rate, less for latencies.")
    if instructions is not None:
        print(f"\nUser-space instructions per cached Get (callgrind, 1 x 1): {instructions:,}")


if __name__ == "__main__":
    main(sys.argv[1])
