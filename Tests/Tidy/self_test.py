"""Plants each kind of mistake in a copy of the repository and sees that it is found."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import sources
from repository import Repository

#: The check that must find it, the file, and what to do there: append a text, or replace
#: one text by another.
MISTAKES: list[tuple[str, str, str | tuple[str, str]]] = [
    ("every_module_has_a_row", "Sources/CofferExtra/Extra.swift", "struct Extra {}\n"),
    ("the_table_has_one_direction", "", ""),
    ("imports_are_in_the_table", "Sources/CofferCache/Cache.swift", "package import CofferVault\n"),
    ("imports_are_in_the_table", "Sources/CofferCrypto/Hex.swift", "@preconcurrency import struct Foundation.Data\n"),
    ("imports_are_in_the_table", "Sources/coffer/List.swift", "@testable import CofferServer\n"),
    ("imports_are_in_the_table", "Sources/CofferVault/RecordBody.swift", "import CLinux\n"),
    ("dependencies_are_in_the_table", "Package.swift",
     ('.target(name: "CofferCache", dependencies: ["CofferCore"]',
      '.target(name: "CofferCache", dependencies: ["CofferCore", "CofferServer"]')),
    ("modules_without_pointers_are_built_so", "Package.swift",
     ('.target(name: "CofferAccess", dependencies: ["CofferCore"], swiftSettings: safe)',
      '.target(name: "CofferAccess", dependencies: ["CofferCore"], swiftSettings: base)')),
    ("raw_memory_stays_where_it_is_allowed", "Sources/CofferVault/RecordBody.swift",
     "let p = UnsafeMutableRawPointer.allocate(byteCount: 1, alignment: 1)\n"),
    ("raw_memory_stays_where_it_is_allowed", "Sources/CofferCache/Flight.swift",
     "final class F: @unchecked Sendable {}\n"),
    ("raw_memory_stays_where_it_is_allowed", "Sources/coffer/List.swift", "let f = [1].withUnsafeBytes { $0.count }\n"),
    ("no_forced_try_or_cast", "Sources/CofferCore/Labels.swift", "let x = try! check([:])\n"),
    ("no_forced_try_or_cast", "clients/swift/Sources/Coffer/Credential.swift", "let x = 1 as! String\n"),
    ("a_trap_says_why", "Sources/CofferCore/Labels.swift", 'func f() { fatalError("\\(1)") }\n'),
    ("unchecked_says_why", "Sources/CofferCore/Labels.swift", "final class F: @unchecked Sendable {\n    let x = 1\n}\n"),
    ("libraries_do_not_print", "Sources/CofferServer/Server.swift", "func f() { print(1) }\n"),
    ("nothing_is_unfinished", "Sources/CofferServer/Server.swift", "// TO" + "DO: later\n"),
    ("nothing_is_unfinished", "README.md", "FIX" + "ME\n"),
    ("no_path_of_one_machine", "Makefile", "# see /" + "home/someone/coffer\n"),
    ("the_repository_speaks_of_coffer_only", "CHANGELOG.md", "a Planted word\n"),
    ("files_are_short", "Sources/CofferCore/Labels.swift", "// line\n" * 400),
    ("types_that_cross_a_module_are_documented", "Sources/CofferCore/Labels.swift", "package struct Extra {}\n"),
    ("most_functions_that_cross_a_module_are_documented", "Sources/CofferCore/Labels.swift",
     "".join(f"package func f{number}() {{}}\n" for number in range(1000))),
    ("every_route_setting_is_in_the_manual", "Sources/CofferDaemon/Configuration/RoutesSection.swift",
     ('"user", "connection"', '"owner", "connection"')),
    ("every_route_setting_is_in_the_manual", "docs/configuration.md",
     ("`routes.connection`", "`routes.connect`")),
    ("only_drivers_name_types_of_vaults", "Sources/CofferServer/Server.swift", 'let isRemote = kind == "aws"\n'),
    ("reactors_name_no_service", "Sources/CofferServer/Reactor/Reactor.swift", "let credentials: CredentialService\n"),
    ("only_drivers_name_types_of_vaults", "Sources/CofferDaemon/Daemon.swift", "let driver = HashiCorpDriver()\n"),
    ("every_stat_is_in_the_manual", "Sources/CofferServer/Services/AdminService.swift",
     ('("flights", ', '("journeys", ')),
    ("every_reason_is_the_same_everywhere", "Sources/CofferCore/Failure.swift", ("case disk = 65", "case disk = 66")),
    ("every_reason_is_the_same_everywhere", "docs/operation.md",
     ("| `DISK` | 65 |", "| `DISK` | 56 |")),
    ("the_readme_shows_the_examples_as_they_are", "clients/swift/examples/TenLines/TenLines.swift",
     ("mail", "calendar")),
    ("links_lead_somewhere", "README.md", "[more](nowhere.md)\n"),
    ("the_first_page_names_every_page", "docs/Extra.md", "# Extra\n"),
    ("tests_named_in_security_exist", "SECURITY.md", "`MemoryScanTests.nothingAtAll`\n"),
]


def run(root: Path, checks: list[Callable[[Repository], list[str]]]) -> int:
    """How many mistakes were not found."""
    by_name = {check.__name__: check for check in checks}
    failed = 0
    for name in by_name.keys() - {mistake[0] for mistake in MISTAKES}:
        print(f"FAIL nothing is planted for {name}")
        failed += 1
    with tempfile.TemporaryDirectory(prefix="tidy") as folder:
        copy = Path(folder)
        for file in Repository(root).files:
            (copy / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / file.path, copy / file.path)
        subprocess.run(["git", "init", "-q"], cwd=copy, check=True, timeout=60)
        for name, path, change in MISTAKES:
            before = set(by_name[name](Repository(copy)))
            with planted(copy, path, change):
                found = set(by_name[name](Repository(copy))) - before
            if not found:
                print(f"FAIL {name} does not find {change!r} in {path}")
                failed += 1
    return failed


class planted:
    """The mistake is there inside of `with`."""

    def __init__(self, root: Path, path: str, change: str | tuple[str, str]) -> None:
        self.file = root / path
        self.change = change

    def __enter__(self) -> None:
        # Two checks go by tables of their own, which are changed instead of a file.
        import architecture
        self.modules = dict(architecture.MODULES)
        self.words = sources.FORBIDDEN_WORDS
        if not self.change:
            architecture.MODULES["CofferExtra"] = architecture.Module({"CofferNever"})
            self.before = None
            return
        sources.FORBIDDEN_WORDS = self.words | {sources.digest("planted")}
        self.before = self.file.read_text() if self.file.exists() else None
        text = self.before or ""
        if isinstance(self.change, tuple):
            assert self.change[0] in text, f"{self.file} has no {self.change[0]!r} to replace"
            text = text.replace(*self.change)
        else:
            text += self.change
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text)

    def __exit__(self, *_: object) -> None:
        import architecture
        architecture.MODULES.clear()
        architecture.MODULES.update(self.modules)
        sources.FORBIDDEN_WORDS = self.words
        if self.before is not None:
            self.file.write_text(self.before)
        elif self.change:
            self.file.unlink()
