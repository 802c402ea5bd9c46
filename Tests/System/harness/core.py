"""Cores of running processes, and where in the process something that was found had been."""

import os
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

from .canary import Canaries

_PT_LOAD, _PT_NOTE = 1, 4

#: Start, end and name.
Mapping = tuple[int, int, str]


class Finding(NamedTuple):
    disguise: str
    place: str
    #: The canary that it is of; what is there, if that cannot be told.
    owner: bytes

    @property
    def is_of_a_thread(self) -> bool:
        """In its registers or on its stack."""
        return " of a thread" in self.place or " of thread " in self.place


class Core:
    """All memory and registers of a process at one moment."""

    def __init__(self, path: Path, mappings: list[Mapping]):
        """`mappings`: of the process that it was, from `mappings`."""
        self.path = path
        self._mappings = mappings

    @classmethod
    def take(cls, pid: int, folder: Path) -> "Core":
        """Of a process, which goes on. Raises AssertionError, saying what to do, if it cannot be taken."""
        path = folder / f"core.{pid}"
        try:
            # -a: also what the process has asked the kernel to leave out of cores.
            taken = subprocess.run(
                ["gcore", "-a", "-o", str(folder / "core"), str(pid)], capture_output=True, text=True, timeout=100)
        except FileNotFoundError:
            raise AssertionError("no core was taken, gcore is missing: apt-get install gdb") from None
        if not path.exists() or path.stat().st_size == 0:
            raise AssertionError(
                "no core was taken: run the tests as root, or with CAP_SYS_PTRACE; gcore wrote: "
                + (taken.stdout + taken.stderr)[-1000:])
        return cls(path, mappings(pid))

    def find(self, canaries: Canaries) -> list[str]:
        """What was found, and where it was: a thread's stack or registers, the heap, …"""
        return [f"{found.disguise} {found.place}" for found in self.findings(canaries)]

    def findings(self, canaries: Canaries) -> list[Finding]:
        segments = self._segments()
        with open(self.path, "rb") as file:
            return [Finding(name, self._place(segments, offset), canaries.owner(os.pread(file.fileno(), 16, offset)))
                    for name, offset in canaries.hits_in_file(self.path)]

    def remove(self) -> None:
        self.path.unlink()

    def _segments(self) -> list[tuple[int, int, int, int]]:
        """Type, offset in the file, address and size of each."""
        with open(self.path, "rb") as file:
            header = file.read(64)
            assert header[:5] == b"\x7fELF\x02", f"{self.path} is no 64-bit ELF file"
            (table,) = struct.unpack_from("<Q", header, 32)
            size, count = struct.unpack_from("<HH", header, 54)
            file.seek(table)
            entries = [struct.unpack_from("<IIQQQQ", file.read(size)) for _ in range(count)]
        return [(kind, offset, address, length) for kind, _, offset, address, _, length in entries]

    def _place(self, segments: list[tuple[int, int, int, int]], position: int) -> str:
        for kind, offset, address, length in segments:
            if not offset <= position < offset + length:
                continue
            if kind == _PT_NOTE:
                return "in the registers of a thread"
            address += position - offset
            name = next((name for start, end, name in self._mappings if start <= address < end), "unknown memory")
            return f"in {name} at {address:#x}"
        return f"at offset {position} of the core"


def mappings(pid: int) -> list[Mapping]:
    """Start, end and name of each; a thread's stack is named after the thread."""
    stacks = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        call = (task / "syscall").read_text().split()
        if len(call) >= 3:
            stacks.append((int(call[-2], 16), (task / "comm").read_text().strip()))
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in fields[0].split("-"))
        owner = next((f"the stack of thread {name}" for pointer, name in stacks if start <= pointer < end), "")
        found.append((start, end, owner or (fields[5] if len(fields) > 5 else "anonymous memory")))
    return found
