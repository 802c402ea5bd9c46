"""What the README, the manual and SECURITY.md say is what is there."""

import re

from repository import Repository

MANUAL = "docs"
FIRST_PAGE = f"{MANUAL}/README.md"
CONFIGURATION = f"{MANUAL}/configuration.md"
OPERATION = f"{MANUAL}/operation.md"
EXAMPLE = f"{MANUAL}/coffer.example.yaml"
ROUTES = "Sources/CofferDaemon/Configuration/RoutesSection.swift"
STATS = "Sources/CofferServer/Services/AdminService.swift"
REASONS = "Sources/CofferCore/Failure.swift"
PROTO = "proto/coffer/v1/credentials.proto"


def every_route_setting_is_in_the_manual(repository: Repository) -> list[str]:
    """A row of the manual for each, and a place in the example file. Tests/manual.py sees to all other settings."""
    keys = re.search(r"static let keys = \[(.*)\]", repository.text(ROUTES))
    names = re.findall(r'"([a-z]+)"', keys[1] if keys else "")
    problems = [] if names else [f"{ROUTES}: no settings found"]
    for name in names:
        if f"routes.{name}" not in table(repository.text(CONFIGURATION)):
            problems.append(f"{CONFIGURATION}: no row for routes.{name}")
        if not re.search(rf"^# .*\b{name}: \S", example_vaults(repository.text(EXAMPLE)), re.MULTILINE):
            problems.append(f"{EXAMPLE}: routes.{name} is missing")
    return problems


def every_stat_is_in_the_manual(repository: Repository) -> list[str]:
    stats = set(re.findall(r'^            \("([a-z_]+)", ', repository.text(STATS), re.MULTILINE))
    section = re.search(r"\n## Stats\n([\s\S]*?)(?=\n## |\Z)", repository.text(OPERATION))
    rows = table(section[1] if section else "").keys()
    problems = [] if stats else [f"{STATS}: no stats found"]
    problems += [f"{OPERATION}: no row for {name}" for name in sorted(stats - rows)]
    return problems + [f"{OPERATION}: {name} is no stat" for name in sorted(rows - stats)]


def every_reason_is_the_same_everywhere(repository: Repository) -> list[str]:
    proto = {name.lower(): int(number) for name, number in
             re.findall(r"^\s+REASON_([A-Z_]+) = (\d+);", repository.text(PROTO), re.MULTILINE)}
    cases = {snake(name): int(number) for name, number in
             re.findall(r"^        case `?(\w+)`? = (\d+)$", repository.text(REASONS), re.MULTILINE)}
    rows = table(repository.text(OPERATION))
    problems = [] if proto else [f"{PROTO}: no reasons found"]
    for name in sorted(proto.keys() | cases.keys()):
        if proto.get(name) != cases.get(name):
            problems.append(f"{REASONS}: {name} is {cases.get(name)}, {PROTO} has {proto.get(name)}")
        elif proto[name] == 0:
            continue
        elif name.upper() not in rows:
            problems.append(f"{OPERATION}: no row for {name.upper()}")
        elif rows[name.upper()][0] != str(proto[name]):
            problems.append(f"{OPERATION}: {name.upper()} has number {rows[name.upper()][0]}, expected {proto[name]}")
    return problems


def the_readme_shows_the_examples_as_they_are(repository: Repository) -> list[str]:
    """A block behind `<!-- PATH -->` is that file, line by line."""
    quoted = re.findall(r"<!-- (\S+) -->\n```\w+\n([\s\S]*?)```\n", repository.text("README.md"))
    problems = [] if len(quoted) >= 2 else ["README.md: expected the C and the Swift example behind <!-- PATH -->"]
    return problems + [f"README.md: the block is not {path}" for path, block in quoted if repository.text(path) != block]


def links_lead_somewhere(repository: Repository) -> list[str]:
    problems = []
    for file in repository.files:
        if not file.path.endswith(".md"):
            continue
        for index, line in enumerate(file.lines):
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
                if "://" not in target and not (repository.root / file.path).parent.joinpath(target).exists():
                    problems.append(f"{file.place(index)}: {target} is not there")
    return problems


def the_first_page_names_every_page(repository: Repository) -> list[str]:
    first = repository.text(FIRST_PAGE)
    pages = [file.path.rsplit("/", 1)[1] for file in repository.files
             if file.path.startswith(MANUAL + "/") and file.path.endswith(".md") and file.path != FIRST_PAGE]
    problems = [] if pages else [f"{MANUAL}: no pages found"]
    return problems + [f"{FIRST_PAGE}: {page} is not named" for page in pages if f"]({page})" not in first]


def tests_named_in_security_exist(repository: Repository) -> list[str]:
    """Each `Suite.test` stands in a file together: the class or struct, and the function."""
    tests = [file.text for file in repository.files if "/Tests/" in "/" + file.path]
    named = re.findall(r"`([A-Z]\w+)\.(\w+)`", repository.text("SECURITY.md"))
    problems = [] if named else ["SECURITY.md: names no test"]
    return problems + [
        f"SECURITY.md: there is no test {suite}.{test}" for suite, test in named
        if not any(re.search(rf"\b(?:class|struct) {suite}\b", text) and re.search(rf"\b(?:def|func) {test}\(", text)
                   for text in tests)]


def table(text: str) -> dict[str, list[str]]:
    """Rows of Markdown tables whose first cell is one `name`: the other cells, by that name."""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `") and (match := re.fullmatch(r"`\$?([\w.]+)`", cells[0])):
            rows[match[1]] = cells[1:]
    return rows


def example_vaults(text: str) -> str:
    """The sections `vaults` and `routes` of the example file, which stand in comments."""
    found = re.search(r"^# vaults:\n(?:#.*\n)*", text, re.MULTILINE)
    return found[0] if found else ""


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


CHECKS = [
    every_route_setting_is_in_the_manual, every_stat_is_in_the_manual,
    every_reason_is_the_same_everywhere, the_readme_shows_the_examples_as_they_are, links_lead_somewhere,
    the_first_page_names_every_page, tests_named_in_security_exist,
]
