"""A chart of ratios as SVG: one bar for each, on a logarithmic axis, with its goal."""

import math
import statistics
from xml.sax.saxutils import escape

LABELS, PLOT, ROW, TOP, BOTTOM = 520, 400, 24, 56, 34
GOOD, BAD, NEUTRAL, INK, RULE = "#2a7f62", "#c0392b", "#6b7a8f", "#1f2933", "#d5dae0"

Bar = tuple[str, str, float | None, list[float]]


def chart(bars: list[Bar]) -> str:
    """Each bar: label, whether `≥` or `≤` is good, goal or None, the ratios of the rounds."""
    numbers = [number for _, _, goal, found in bars for number in [*found, goal or 1.0] if number > 0] or [1.0]
    low, high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers) * 1.05))
    low, high = min(low, -1), max(high, 1)

    def x(number: float) -> float:
        return LABELS + PLOT * (math.log10(max(number, 10 ** low)) - low) / (high - low)

    bottom = TOP + ROW * len(bars)
    parts = [text(12, 24, "cofferd to each peer, as ratios", "font-weight='bold' font-size='15'"),
             text(12, 42, "bar: median of the rounds · thin line: lowest to highest · dot: goal (≥ to the right of it is good, ≤ to the left)")]
    for power in range(low, high + 1):
        parts.append(line(x(10 ** power), TOP - 6, x(10 ** power), bottom, INK if power == 0 else RULE))
        parts.append(text(x(10 ** power), bottom + 16, f"{10 ** power:g}", "text-anchor='middle'"))
    for index, (label, better, goal, found) in enumerate(bars):
        parts += bar(label, better, goal, found, TOP + ROW * index, x)
    width, height = LABELS + PLOT + 90, bottom + BOTTOM
    return (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
            f"font-family='sans-serif' font-size='12' fill='{INK}'>\n"
            f"<rect width='{width}' height='{height}' fill='white'/>\n" + "\n".join(parts) + "\n</svg>\n")


def bar(label: str, better: str, goal: float | None, found: list[float], y: float, x) -> list[str]:
    median = statistics.median(found)
    met = goal is None or (median >= goal if better == "≥" else median <= goal)
    color = NEUTRAL if goal is None else GOOD if met else BAD
    start, end = sorted((x(1), x(median)))
    middle = y + 9
    parts = [text(LABELS - 10, y + 13, f"{label} {better}", "text-anchor='end'"),
             f"<rect x='{start:.1f}' y='{y + 2}' width='{max(end - start, 1):.1f}' height='14' fill='{color}'/>",
             line(x(min(found)), middle, x(max(found)), middle, INK)]
    if goal is not None:
        parts.append(f"<circle cx='{x(goal):.1f}' cy='{middle}' r='4' fill='white' stroke='{INK}'/>")
    return [*parts, text(LABELS + PLOT + 12, y + 13, f"{median:.2f}")]


def text(x: float, y: float, what: str, extra: str = "") -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' {extra}>{escape(what)}</text>"


def line(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    return f"<line x1='{x1:.1f}' y1='{y1:.1f}' x2='{x2:.1f}' y2='{y2:.1f}' stroke='{color}'/>"
