"""The heap of cofferd, in a program of its own: it wipes, and leaves the allocator's checks what they look at."""

import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "Sources/CWipingHeap"

PROGRAM = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    char *volatile memory = malloc(4000);
    memset(memory, 's', 4000);
    if (strcmp(what, "free twice") == 0) {
        char *volatile small = malloc(40);
        free(small);
        free(small);
        return 0;
    }
    if (strcmp(what, "grow") == 0) {
        char *volatile old = memory;
        memory = realloc(memory, 400000);
        for (int i = 0; i < 4000; i++) if (memory[i] != 's') return 1;
        /* The allocator's own words come first. */
        for (int i = 64; i < 4000; i++) if (old[i] == 's') return 2;
        free(memory);
        return realloc(NULL, 10) == NULL || realloc(malloc(10), 0) != NULL ? 3 : 0;
    }
    char *volatile gone = memory;
    free(memory);
    for (int i = 64; i < 4000; i++) if (gone[i] == 's') return 4;
    return 0;
}
"""


class WipingHeap(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        source, cls.program = Path(cls.folder.name) / "heap.c", Path(cls.folder.name) / "heap"
        source.write_text(PROGRAM)
        subprocess.run(
            ["cc", "-O0", "-w", f"-I{SOURCES}/include", "-o", cls.program, source, SOURCES / "CWipingHeap.c", "-ldl"],
            check=True, timeout=60)

    def run_it(self, what: str) -> int:
        return subprocess.run([self.program, what], capture_output=True, timeout=20).returncode

    def test_what_is_freed_is_wiped(self) -> None:
        self.assertEqual(self.run_it("free"), 0)

    def test_what_moves_is_whole_and_wiped_where_it_was(self) -> None:
        self.assertEqual(self.run_it("grow"), 0)

    def test_memory_freed_twice_is_found_out(self) -> None:
        self.assertEqual(self.run_it("free twice"), -signal.SIGABRT)
