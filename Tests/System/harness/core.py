"""Cores of running processes, and where in the process something that was found had been."""

import struct
import subprocess
from pathlib import Path

from .canary import Canaries

_PT_LOAD, _PT_NOTE = 1, 4


class Core:
    """All memory and registers of a process at one moment; the process goes on."""

    def __init__(self, pid: int, folder: Path):
        """Takes it. Raises AssertionError, saying what to do, if it cannot be taken."""
        self.path = folder / f"core.{pid}"
        try:
            # -a: also what the process has asked the kernel to leave out of cores.
            taken = subprocess.run(
                ["gcore", "-a", "-o", str(folder / "core"), str(pid)], capture_output=True, text=True, timeout=100)
        except FileNotFoundError:
            raise AssertionError("no core was taken, gcore is missing: apt-get install gdb") from None
        if not self.path.exists() or self.path.stat().st_size == 0:
            raise AssertionError(
                "no core was taken: run the tests as root, or with CAP_SYS_PTRACE; gcore wrote: "
                + (taken.stdout + taken.stderr)[-1000:])
        self._mappings = _mappings(pid)

    def find(self, canaries: Canaries) -> list[str]:
        """What was found, and where it was: a thread's stack or registers, the heap, …"""
        segments = self._segments()
        return [f"{name} {self._place(segments, offset)}" for name, offset in canaries.hits_in_file(self.path)]

    def remove(self) -> None:
        self.path.unlink()

    def _segments(self) -> list[tuple[int, int, int, int]]:
        """Type, offset in the file, address and size of each."""
        with open(self.path, "rb") as file:
            header = file.read(64)
            assert header[:5] == b"\x7fELF\x02", "gcore wrote no 64-bit ELF file"
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


def _mappings(pid: int) -> list[tuple[int, int, str]]:
    """Start, end and name of each; a thread's stack is named after the thread."""
    stacks = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        call = (task / "syscall").read_text().split()
        if len(call) >= 3:
            stacks.append((int(call[-2], 16), (task / "comm").read_text().strip()))
    mappings = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in fields[0].split("-"))
        owner = next((f"the stack of thread {name}" for pointer, name in stacks if start <= pointer < end), "")
        mappings.append((start, end, owner or (fields[5] if len(fields) > 5 else "anonymous memory")))
    return mappings
