#!/usr/bin/env python3
"""The manual's tables of settings, made from the declarations that cofferd reads settings by.

Usage: manual.py COFFERD            writes them into the manual
       manual.py COFFERD --check    fails if one is not what would be written, or a variable is missing
"""

import json
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs/configuration.md"
HEAD = "| setting | default | expected | meaning | risk |\n| --- | --- | --- | --- | --- |\n"
#: <!-- settings: cache. reactors --> … <!-- end of settings -->: what the paths in the table begin with.
TABLE = re.compile(r"(<!-- settings: (.*?) -->\n\n).*?(\n<!-- end of settings -->)", re.DOTALL)


def settings(cofferd: str, form: str) -> str:
    return subprocess.run(
        [cofferd, "--print-settings", "--form", form], check=True, capture_output=True, text=True, timeout=20).stdout


def main() -> int:
    cofferd, *flags = sys.argv[1:]
    page = PAGE.read_text()
    rows = {re.match(r"\| `([^`]+)`", line)[1]: line for line in settings(cofferd, "markdown").splitlines()}
    shown: list[str] = []

    def table(match: re.Match) -> str:
        paths = [path for path in rows if any(path.startswith(start) for start in match[2].split())]
        shown.extend(paths)
        return match[1] + HEAD + "".join(rows[path] + "\n" for path in paths) + match[3]

    written = TABLE.sub(table, page)
    problems = [f"{path} is in {shown.count(path)} tables, expected one" for path in rows if shown.count(path) != 1]
    for row in json.loads(settings(cofferd, "json")):
        named = [name for name in row["environment"] if not name.startswith(("COFFER_VAULT_", "BAO_"))]
        problems += [f"no row for ${name}" for name in named if f"| `${name}` |" not in page]
    if "--check" not in flags:
        PAGE.write_text(written)
    elif written != page:
        problems.append("tables are not those of cofferd --print-settings; run Tests/manual.py COFFERD")
    for problem in problems:
        print(f"{PAGE.name}: {problem}", file=sys.stderr)
    if not problems:
        print(f"manual: {len(rows)} settings, each in one table")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
