"""What a core of the loaded daemon shows: credentials of the calls in flight, and of no others."""

import os
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from harness import Canaries, Daemon, SystemTest, binary, eventually, messages
from harness.client import encode
from harness.core import Core, Finding, mappings
from harness.options import options

VALUES, REACTORS = 1000, 2
#: What keeps credentials from cores, and a stand-in that only says that it was done.
PRECAUTIONS = {
    "RLIMIT_CORE": "int setrlimit(int resource, const void *limit) { (void)resource; (void)limit; return 0; }",
    "PR_SET_DUMPABLE": "int prctl(int option, ...) { (void)option; return 0; }",
    "wiping": "void explicit_bzero(void *memory, unsigned long bytes) { (void)memory; (void)bytes; }",
}


class Loaded:
    """A daemon that has 1,000 canaries cached, each under a name that coffer-load asks for."""

    def __init__(self, *without: str) -> None:
        """`without`: of PRECAUTIONS."""
        self.folder = tempfile.TemporaryDirectory(prefix="cf")
        self.canaries = Canaries()
        self.values = [self.canaries.new() * (1 + number % 32) for number in range(VALUES)]
        self.daemon = Daemon(
            "--reactors", REACTORS, env=self.stand_ins(without),
            config="limits: {write_stall_seconds: 60, output_bytes: 1048576}\ncache: {ttl_seconds: 3600}\n")
        self._load: subprocess.Popen | None = None

    def stand_ins(self, names: tuple[str, ...]) -> dict[str, str]:
        if not names:
            return {}
        source, library = (Path(self.folder.name) / name for name in ("stand_ins.c", "stand_ins.so"))
        source.write_text("".join(f"{PRECAUTIONS[name]}\n" for name in names))
        subprocess.run(["cc", "-shared", "-fPIC", "-fno-builtin", "-o", library, source], check=True, timeout=60)
        return {"LD_PRELOAD": str(library)}

    def start(self) -> None:
        self.daemon.start()
        with self.daemon.client() as client:
            for number, value in enumerate(self.values):
                client.store(f"load-{number:08x}", "main", value)
            for number, value in enumerate(self.values):
                assert client.get(f"load-{number:08x}", "main").credential == value
            assert client.stats()["cache_entries"] == VALUES

    def dispose(self) -> None:
        self.end_load()
        self.daemon.dispose()
        self.folder.cleanup()

    def begin_load(self, connections: int, depth: int, *arguments: object) -> None:
        """Gets, as many at a time on each connection; returns when they are under way."""
        command = [
            "--socket", self.daemon.place.socket, "--connections", connections, "--depth", depth, "--keys", VALUES,
            "--seconds", 3600, "--check-every", 10**9, "--seed", random.randrange(1 << 32), *arguments]
        before = self.calls()
        self._load = subprocess.Popen(
            [binary("coffer-load"), *map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually("there is a load", 10, lambda: self.calls() > before + 1000)

    def end_load(self) -> None:
        if self._load is not None:
            self._load.kill()
            self._load.wait(10)
            self._load = None

    def calls(self) -> int:
        with self.daemon.client() as client:
            return client.stats()["calls_total"]

    def core(self) -> list[Finding]:
        """What root finds in the daemon's memory now."""
        core = Core.take(self.daemon.pid, self.daemon.place.folder)
        try:
            return core.findings(self.canaries)
        finally:
            core.remove()


def assert_in_flight(test: SystemTest, findings: list[Finding], calls: int) -> int:
    """No credentials but those of so many calls, and one more for each reactor; how many there are."""
    owners = {found.owner for found in findings}
    places = Counter(found.place.partition(" at 0x")[0] for found in findings)
    test.assertLessEqual(len(owners), calls + REACTORS, places)
    in_memory = {found.owner for found in findings if not found.is_of_a_thread}
    test.assertLessEqual(len(in_memory), calls, places)
    return len(owners)


class LoadedCore(SystemTest):
    """A core is a moment between two instructions. It may show the answer of each call in flight, until it is sent, and
    in the registers of each reactor's thread a rest of the last credential that it handled."""

    time_limit = 400
    loaded: Loaded

    @classmethod
    def setUpClass(cls) -> None:
        cls.loaded = Loaded()
        cls.addClassCleanup(cls.loaded.dispose)
        cls.loaded.start()

    def tearDown(self) -> None:
        self.loaded.end_load()

    def examine(self, connections: int, depth: int, *arguments: object) -> int:
        """Takes cores under this load; how many credentials they showed in all."""
        counts = []
        for _ in range(options.sized(3, 40)):
            # Anew for each: while a core is taken, the time of calls runs out.
            self.loaded.begin_load(connections, depth, *arguments)
            time.sleep(random.uniform(0.05, 0.3))
            findings = self.loaded.core()
            self.loaded.end_load()
            counts.append(assert_in_flight(self, findings, connections * depth))
        print(f"       {connections} connections with {depth} calls each: credentials in cores {counts}", flush=True)
        time.sleep(1)
        self.assertEqual(self.loaded.core(), [], "a second after the load")
        return sum(counts)

    def test_shows_no_more_than_the_calls_in_flight(self) -> None:
        self.examine(8, 1)
        self.assertGreater(self.examine(4, 16), 0, "no core showed anything: they were not taken under load")

    def test_of_reads_from_the_vault_shows_no_more_than_the_calls_in_flight(self) -> None:
        self.examine(4, 16, "--max-age", 0)

    def test_of_a_daemon_that_does_not_wipe_shows_more(self) -> None:
        """Else the tests above would say nothing."""
        careless = Loaded("wiping")
        self.addCleanup(careless.dispose)
        careless.start()
        careless.begin_load(4, 16)
        careless.end_load()
        careless.begin_load(8, 1)
        with self.assertRaises(AssertionError):
            assert_in_flight(self, careless.core(), 8)
        careless.end_load()
        time.sleep(1)
        self.assertGreater(len({found.owner for found in careless.core()}), 8 + REACTORS)

    def test_shows_what_is_in_flight(self) -> None:
        """What a client does not fetch stays in the daemon, and is found there: that, and nothing else."""
        values = self.loaded.values
        with self.loaded.daemon.client() as client:
            for number in range(VALUES):  # more than the socket holds
                client.send(encode("Credentials/Get", messages.credentials.GetRequest(
                    user_id=f"load-{number:08x}", connection_id="main").SerializeToString(), number + 1))
            time.sleep(0.5)
            found = {finding.owner for finding in self.loaded.core()}
            self.assertGreater(len(found), 100)
            last = {value[:32] for value in values[VALUES - len(found):]}
            self.assertEqual(found, last, "not those that were asked for last")
            for value in values:
                self.assertIn(value, client.response().payload)
        time.sleep(1)
        self.assertEqual(self.loaded.core(), [], "a second after all was fetched")


class KernelCore(SystemTest):
    """A fault under load, of a daemon that was started where cores are allowed."""

    FAULTS = (signal.SIGSEGV, signal.SIGABRT)
    PRECAUTIONS = ("RLIMIT_CORE", "PR_SET_DUMPABLE")

    def die(self, fault: signal.Signals, *without: str) -> tuple[bool, list[Finding] | None]:
        """Whether the kernel wrote a core, and what is in it; None if it is nowhere."""
        loaded = Loaded(*without)
        try:
            loaded.start()
            loaded.begin_load(4, 16)
            time.sleep(random.uniform(0.05, 0.3))
            known = mappings(loaded.daemon.pid)
            loaded.daemon.process.send_signal(fault)
            end = os.waitid(os.P_PID, loaded.daemon.pid, os.WEXITED | os.WNOWAIT)
            self.assertEqual(end.si_status, fault)
            cores = list(loaded.daemon.place.folder.glob("core*"))
            findings = Core(cores[0], known).findings(loaded.canaries) if cores else None
            return end.si_code == os.CLD_DUMPED, findings
        finally:
            loaded.dispose()

    def setUp(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        self.assertEqual(hard, resource.RLIM_INFINITY, "run the tests where `ulimit -Hc` is unlimited")
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_CORE, (soft, hard))

    def test_none_is_written(self) -> None:
        for fault in self.FAULTS:
            with self.subTest(fault=fault.name):
                self.assertEqual(self.die(fault), (False, None))

    def test_the_limit_and_the_flag_do_so_each_alone(self) -> None:
        for without in self.PRECAUTIONS:
            with self.subTest(without=without):
                self.assertEqual(self.die(signal.SIGABRT, without), (False, None))

    def test_without_both_it_shows_no_more_than_the_calls_in_flight(self) -> None:
        """And one is written: else the tests above would say nothing."""
        counts = []
        for fault in self.FAULTS * options.sized(1, 10):
            wrote, findings = self.die(fault, *self.PRECAUTIONS)
            self.assertTrue(wrote, "this kernel writes no core of anybody")
            self.assertIsNotNone(findings, "no core in the daemon's folder: set /proc/sys/kernel/core_pattern to core")
            counts.append(assert_in_flight(self, findings, 64))
        print(f"       cores by the kernel under load: credentials {counts}", flush=True)
