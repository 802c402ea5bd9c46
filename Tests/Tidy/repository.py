"""The files of the repository, as the checks see them."""

import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

GENERATED = re.compile(r"(^|/)(Generated|generated)/|\.pb-c\.[ch]$|\.pb\.swift$")


@dataclass(frozen=True)
class File:
    path: str
    text: str

    @property
    def module(self) -> str:
        """For `Sources/NAME/…`: NAME."""
        parts = self.path.split("/")
        return parts[1] if len(parts) > 2 and parts[0] == "Sources" else ""

    @property
    def is_generated(self) -> bool:
        return GENERATED.search(self.path) is not None

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def code(self) -> list[str]:
        """The lines of a Swift file without comments and without what is in strings."""
        return without_comments_and_strings(self.text).splitlines()

    def place(self, index: int) -> str:
        return f"{self.path}:{index + 1}"


class Repository:
    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> list[File]:
        """What is committed or about to be: all that git does not ignore, text only."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=self.root, check=True,
            capture_output=True, timeout=60).stdout.decode().split("\0")
        files = []
        for path in sorted(set(filter(None, listed))):
            try:
                files.append(File(path, (self.root / path).read_bytes().decode()))
            except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
                continue  # deleted, a link to a folder, or no text
        return files

    def swift(self, folder: str) -> list[File]:
        """Swift files below a folder, written by hand."""
        return [file for file in self.files
                if file.path.startswith(folder + "/") and file.path.endswith(".swift") and not file.is_generated]

    def text(self, path: str) -> str:
        """A file's text; empty if there is none."""
        return next((file.text for file in self.files if file.path == path), "")


TOKENS = re.compile(
    r'(?P<raw>#"(?:[^\n])*?"#)'
    r'|(?P<long>"""[\s\S]*?""")'
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?P<line>//[^\n]*)"
    r"|(?P<block>/\*[\s\S]*?\*/)")


def without_comments_and_strings(text: str) -> str:
    """The same text, line for line, with comments gone and strings empty."""
    def blank(match: re.Match) -> str:
        newlines = "\n" * match.group().count("\n")
        return newlines if match.lastgroup in ("line", "block") else f'""{newlines}'
    return TOKENS.sub(blank, text)
