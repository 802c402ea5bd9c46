"""What is in no source file, and what stands before every declaration."""

import hashlib
import re
from collections.abc import Iterable, Iterator

from architecture import MODULES
from repository import File, Repository

MAXIMUM_LINES = 400
#: Of the functions that cross a module, at least this share says what it does; types do all.
DOCUMENTED_FUNCTIONS = 0.75
EXECUTABLES = {name for name in MODULES if name == name.lower()}
SWIFT_FOLDERS = ("Sources", "clients/swift/Sources")

#: Paths of one machine. In pieces, so that this file is clean too.
MACHINE_PATHS = re.compile("|".join(["/" + "work/", "/" + "home/[a-z]", "/" + "root/", "/" + "Users/", "/" + "opt/swift"]))
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
#: Names that have no place in the repository, as the first 16 digits of their
#: SHA-256, so that they are not in this file either.
FORBIDDEN_WORDS = frozenset("""
    c857d09db23e6822 c70eca6b0f88f44d 60965168ce762e94 7d3194f79e645c42 3ea125d0bff386e6
    94a168d2da574b00 d298391b07433318 d63516bc98983230 666a44f058078855 487b91042c7cf27a
    de2187af3fb01170 053ea4804ef1bb33 57de4cf40144bdf7
""".split())

CAST = re.compile(r"\btry!|\bas!")
TRAP = re.compile(r"\b(fatalError|preconditionFailure)\(")
PRINT = re.compile(r"(?<![.\w])(?:print|debugPrint|dump|NSLog)\(")
DECLARATION = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:package|public|open)\s+"
    r"(?:(?:static|final|mutating|consuming|borrowing|nonisolated|convenience|indirect|override|internal\(set\))\s+)*"
    r"(?P<kind>struct|class|enum|protocol|actor|func|init)\b\s*(?P<name>\w*)")
REQUIREMENT = re.compile(r"^    (?:mutating\s+)?func\s+(\w+)")


def swift(repository: Repository) -> Iterator[File]:
    for folder in SWIFT_FOLDERS:
        yield from repository.swift(folder)


def no_forced_try_or_cast(repository: Repository) -> list[str]:
    return [f"{file.place(index)}: try! or as!: handle the failure"
            for file in swift(repository) for index, line in enumerate(file.code) if CAST.search(line)]


def a_trap_says_why(repository: Repository) -> list[str]:
    """A text of at least three words, or a comment right above."""
    problems = []
    for file in swift(repository):
        for index, line in enumerate(file.code):
            if not TRAP.search(line):
                continue
            text = re.search(r'(?:fatalError|preconditionFailure)\("([^"]*)"', file.lines[index])
            says = text is not None and len(re.sub(r"\\\([^)]*\)", "", text[1]).split()) >= 3
            if not says and not has_comment(file, range(index - 1, index)):
                problems.append(f"{file.place(index)}: a trap without a reason, in its text or in a comment above it")
    return problems


def unchecked_says_why(repository: Repository) -> list[str]:
    return [f"{file.place(index)}: @unchecked without a comment beside it that says what makes it true"
            for file in swift(repository) for index, line in enumerate(file.code)
            if "@unchecked" in line and not has_comment(file, range(index + 1, index + 3))]


def has_comment(file: File, indices: Iterable[int]) -> bool:
    return any(file.lines[index].lstrip().startswith("//") for index in indices if 0 <= index < len(file.lines))


def libraries_do_not_print(repository: Repository) -> list[str]:
    return [f"{file.place(index)}: a library prints; log it, or return it"
            for file in swift(repository) if file.module not in EXECUTABLES
            for index, line in enumerate(file.code) if PRINT.search(line)]


def nothing_is_unfinished(repository: Repository) -> list[str]:
    return list(matches(repository, UNFINISHED, "is unfinished"))


def no_path_of_one_machine(repository: Repository) -> list[str]:
    return list(matches(repository, MACHINE_PATHS, "is a path of one machine"))


def matches(repository: Repository, pattern: re.Pattern, what: str) -> Iterator[str]:
    for file in repository.files:
        if not file.is_generated and pattern.search(file.text):
            for index, line in enumerate(file.lines):
                if found := pattern.search(line):
                    yield f"{file.place(index)}: {found[0]} {what}"


def the_repository_speaks_of_coffer_only(repository: Repository) -> list[str]:
    known: dict[str, bool] = {}

    def is_forbidden(word: str) -> bool:
        if word not in known:
            known[word] = digest(word) in FORBIDDEN_WORDS
        return known[word]

    return [f"{file.place(index)}: {word}"
            for file in repository.files
            for index, line in enumerate([file.path, *file.lines], start=-1)
            for word in set(re.findall(r"[a-z]{2,}", line.lower())) if is_forbidden(word)]


def digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()[:16]


def files_are_short(repository: Repository) -> list[str]:
    return [f"{file.path}: {len(file.lines)} lines, at most {MAXIMUM_LINES}: split it by subject"
            for file in repository.files
            if file.path.startswith(("Sources/", "clients/")) and "/tests/" not in file.path.lower()
            and not file.is_generated and file.path.endswith((".swift", ".c", ".h", ".ts")) and len(file.lines) > MAXIMUM_LINES]


def types_that_cross_a_module_are_documented(repository: Repository) -> list[str]:
    return [f"{file.place(index)}: {kind} {name} crosses a module without a doc comment"
            for file, index, kind, name, is_documented in declarations(repository)
            if kind not in ("func", "init") and not is_documented]


def most_functions_that_cross_a_module_are_documented(repository: Repository) -> list[str]:
    counted, documented = function_count(repository)
    if counted == 0 or documented / counted >= DOCUMENTED_FUNCTIONS:
        return []
    missing = [f"{file.place(index)}: {name}" for file, index, kind, name, is_documented in declarations(repository)
               if kind == "func" and not is_documented]
    return [f"{documented} of {counted} functions that cross a module have a doc comment, "
            f"expected {DOCUMENTED_FUNCTIONS:.0%}; the others:", *missing]


def function_count(repository: Repository) -> tuple[int, int]:
    flags = [is_documented for _, _, kind, _, is_documented in declarations(repository) if kind == "func"]
    return len(flags), sum(flags)


def declarations(repository: Repository) -> Iterator[tuple[File, int, str, str, bool]]:
    """Each package or public declaration: file, line, kind, name, whether a doc comment stands
    before it or, for a function, before the requirement that it fulfils."""
    inherited = documented_requirements(repository)
    for file in swift(repository):
        for index, line in enumerate(file.code):
            if match := DECLARATION.match(line):
                documented = (
                    has_doc_comment(file, index)
                    or (match["kind"] == "func" and match["name"] in inherited)
                    or (match["kind"] in ("enum", "struct") and speaks_by_its_members(file, index)))
                yield file, index, match["kind"], match["name"], documented


def speaks_by_its_members(file: File, index: int) -> bool:
    """A nested type whose first case or property has a doc comment needs none itself."""
    return file.lines[index].startswith("    ") and file.lines[index + 1].lstrip().startswith("///")


def documented_requirements(repository: Repository) -> set[str]:
    names = {"log", "==", "hash"}  # of protocols that are not ours
    for file in swift(repository):
        inside = False
        for index, line in enumerate(file.code):
            inside = inside and line != "}" or re.match(r"(?:package|public) protocol ", line) is not None
            match = REQUIREMENT.match(line) if inside else None
            if match and has_doc_comment(file, index):
                names.add(match[1])
    return names


def has_doc_comment(file: File, index: int) -> bool:
    index -= 1
    while index >= 0 and file.lines[index].lstrip().startswith("@"):
        index -= 1
    return index >= 0 and file.lines[index].lstrip().startswith("///")


CHECKS = [
    no_forced_try_or_cast, a_trap_says_why, unchecked_says_why, libraries_do_not_print, nothing_is_unfinished,
    no_path_of_one_machine, the_repository_speaks_of_coffer_only, files_are_short,
    types_that_cross_a_module_are_documented, most_functions_that_cross_a_module_are_documented,
]
