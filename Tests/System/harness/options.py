"""What run.py was told, and where things are."""

from dataclasses import dataclass
from pathlib import Path

proto_folder = Path(__file__).resolve().parents[3] / "proto"


@dataclass
class Options:
    bin: Path = Path()
    soak: bool = False

    @property
    def is_release(self) -> bool:
        """The programs are a release build: figures that are promised count."""
        return self.bin.name == "release"

    def sized(self, default: int, soak: int) -> int:
        """The size of a campaign."""
        return soak if self.soak else default


options = Options()


def binary(name: str) -> str:
    return str(options.bin / name)
