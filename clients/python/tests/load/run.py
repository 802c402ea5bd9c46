#!/usr/bin/env python3
"""Both clients, while a real daemon is stopped, killed and started again under them.

    python3 run.py BIN [--gets N] [--client asyncio|blocking]

BIN holds cofferd. Sixteen readers and four writers share one client. By turns the daemon is told to end, which drains it with
a go-away, and killed; then it is started again. What must hold at the end: at least N Gets and none failed; of each Store it
is known that it happened, that it did not, or it was reported as ambiguous, and what the vault has agrees with that; no task,
thread or descriptor is left; memory has not grown.
"""

import argparse
import asyncio
import gc
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
try:
    import coffer_client
except ImportError:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "src"))
    import coffer_client

READERS, WRITERS, KEYS = 16, 4, 8
#: The daemon is started anew on a machine that others use too.
OPTIONS = {"timeout": 20, "reconnect_window": 15}
#: Seconds.
LIMIT = 120
#: Bytes by which the process may grow from the middle of the run to its end.
MOST_GROWTH = 6 << 20


class Daemon:
    def __init__(self, bin_folder, folder):
        self.command = [f"{bin_folder}/cofferd", "--socket", f"{folder}/s", "--data", f"{folder}/data"]
        self.path = f"{folder}/s"
        self.log = open(f"{folder}/log", "ab")
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            try:
                with coffer_client.Coffer(self.path) as client:
                    client.stats()
                return
            except coffer_client.CofferError:
                time.sleep(0.02)
        raise RuntimeError("cofferd did not start")

    def end(self, how):
        self.process.send_signal(how)
        status = self.process.wait(LIMIT)
        if how == signal.SIGTERM and status != 0:
            raise RuntimeError(f"cofferd ended with {status}")


class Tally:
    """What became of the calls."""

    def __init__(self):
        self.lock = threading.Lock()
        self.gets = self.stored = self.refused = self.ambiguous = 0
        self.problems = []
        #: For each writer: what may be there now. The last value known to be stored, and those that may be.
        self.possible = [{b"first"} for _ in range(WRITERS)]

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def got(self, key, record):
        if record.text() != f"value of {key}":
            self.problem("a Get had the answer of another one")
        with self.lock:
            self.gets += 1

    def wrote(self, writer, value):
        with self.lock:
            self.stored += 1
            self.possible[writer] = {value}

    def failed_to_write(self, writer, value, error):
        with self.lock:
            if error.may_have_happened:
                self.ambiguous += 1
                self.possible[writer].add(value)
            else:
                self.refused += 1

    def check_values(self, path):
        with coffer_client.Coffer(path) as client:
            for writer, possible in enumerate(self.possible):
                found = bytes(client.get("writer", str(writer), max_age=0).value)
                if found not in possible:
                    self.problem(f"writer {writer}: the vault has a value of which that was not said")


def resident():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def disturb(daemon, tally, gets, sizes):
    """By turns, until there are enough Gets; the process's size at the middle and at the end."""
    end = time.monotonic() + LIMIT
    turn = 0
    while (tally.gets < gets or turn < 8) and time.monotonic() < end and not tally.problems:
        time.sleep(0.4)
        daemon.end(signal.SIGKILL if turn % 2 else signal.SIGTERM)
        daemon.start()
        turn += 1
        if not sizes and (tally.gets > gets // 2 and turn >= 4):
            sizes.append(resident())
    sizes.append(resident())
    return turn


async def run_asyncio(daemon, tally, gets, sizes):
    stop = asyncio.Event()

    async def reader(client, number):
        while not stop.is_set():
            key = number % KEYS
            try:
                tally.got(key, await client.get("reader", str(key)))
            except coffer_client.CofferError as error:
                tally.problem(f"a Get failed: {error!r}")

    async def writer(client, number):
        count = 0
        while not stop.is_set():
            count += 1
            value = b"%d of %d" % (count, number)
            try:
                await client.store("writer", str(number), value)
                tally.wrote(number, value)
            except coffer_client.CofferError as error:
                tally.failed_to_write(number, value, error)

    async with coffer_client.AsyncCoffer(daemon.path, **OPTIONS) as client:
        tasks = [asyncio.ensure_future(reader(client, number)) for number in range(READERS)]
        tasks += [asyncio.ensure_future(writer(client, number)) for number in range(WRITERS)]
        turns = await asyncio.get_running_loop().run_in_executor(None, disturb, daemon, tally, gets, sizes)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), LIMIT)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        tally.problem(f"{len(left)} tasks are left")
    return turns


def run_blocking(daemon, tally, gets, sizes):
    stop = threading.Event()

    def reader(number):
        while not stop.is_set():
            key = number % KEYS
            try:
                tally.got(key, client.get("reader", str(key)))
            except coffer_client.CofferError as error:
                tally.problem(f"a Get failed: {error!r}")

    def writer(number):
        count = 0
        while not stop.is_set():
            count += 1
            value = b"%d of %d" % (count, number)
            try:
                client.store("writer", str(number), value)
                tally.wrote(number, value)
            except coffer_client.CofferError as error:
                tally.failed_to_write(number, value, error)

    with coffer_client.Coffer(daemon.path, **OPTIONS) as client:
        threads = [threading.Thread(target=reader, args=(number,)) for number in range(READERS)]
        threads += [threading.Thread(target=writer, args=(number,)) for number in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            turns = disturb(daemon, tally, gets, sizes)
        finally:
            stop.set()
        for thread in threads:
            thread.join(LIMIT)
            if thread.is_alive():
                tally.problem("a thread is left")
    return turns


def run(kind, bin_folder, gets):
    """Whether all held."""
    tally, sizes = Tally(), []
    with tempfile.TemporaryDirectory(prefix="coffer") as folder:
        daemon = Daemon(bin_folder, folder)
        try:
            with coffer_client.Coffer(daemon.path) as client:
                for key in range(KEYS):
                    client.store("reader", str(key), f"value of {key}")
                for number in range(WRITERS):
                    client.store("writer", str(number), b"first")
            before = descriptors()
            if kind == "asyncio":
                turns = asyncio.run(run_asyncio(daemon, tally, gets, sizes))
            else:
                turns = run_blocking(daemon, tally, gets, sizes)
            if descriptors() > before:
                tally.problem(f"{descriptors() - before} descriptors are left")
            tally.check_values(daemon.path)
        finally:
            daemon.process.kill()
            daemon.process.wait(LIMIT)
            daemon.log.close()
    if tally.gets < gets:
        tally.problem(f"only {tally.gets} Gets in {LIMIT} s, expected {gets}")
    if sizes[-1] - sizes[0] > MOST_GROWTH:
        tally.problem(f"the process has grown by {(sizes[-1] - sizes[0]) >> 10} KiB in the second half")
    print(
        f"{kind}: {turns} ends of the daemon, {tally.gets} Gets, {tally.stored} Stores happened, {tally.refused} did not, "
        f"{tally.ambiguous} are ambiguous; {(sizes[-1] - sizes[0]) >> 10} KiB more in the second half")
    for problem in tally.problems[:20]:
        print(f"FAIL {kind}: {problem}")
    return not tally.problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--gets", type=int, default=50_000)
    parser.add_argument("--client", choices=("asyncio", "blocking"))
    arguments = parser.parse_args()
    kinds = [arguments.client] if arguments.client else ["asyncio", "blocking"]
    passed = sum(run(kind, arguments.bin, arguments.gets) for kind in kinds)
    print(f"{passed} passed, {len(kinds) - passed} failed")
    sys.exit(passed != len(kinds))


main()
