#!/usr/bin/env python3
"""Whether memory grows: cached Gets, 20 in flight, and the resident size and the number of objects after each tenth of them.

    python3 memory.py BIN [--gets N] [--client asyncio|blocking] [--limit SECONDS]

BIN holds cofferd. N is 10 million. The exit code is 1 if the last half is over the first half by more than 8 MiB or 1,000
objects, or if all of it takes more than SECONDS, which is 3,600.
"""

import argparse
import asyncio
import gc
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

try:
    import coffer_client
except ImportError:
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "src"))
    import coffer_client

AT_ONCE = 20
PARTS = 10
ALLOWED_BYTES = 8 << 20
ALLOWED_OBJECTS = 1_000


def footprint():
    """The resident bytes, and the objects that the collector knows."""
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(gc.get_objects())


async def run_asyncio(path, part, end):
    async with coffer_client.AsyncCoffer(path) as client:
        await client.store("ann", "github", b"x" * 256)

        async def work():
            for number in range(part // AT_ONCE):
                await client.get("ann", "github")
                if number % 1_000 == 0 and time.monotonic() > end:
                    raise TimeoutError

        for _ in range(PARTS):
            await asyncio.gather(*(work() for _ in range(AT_ONCE)))
            if len(asyncio.all_tasks()) != 1:
                raise RuntimeError(f"{len(asyncio.all_tasks()) - 1} tasks are left")
            yield footprint()


def run_blocking(path, part, end):
    with coffer_client.Coffer(path) as client:
        client.store("ann", "github", b"x" * 256)
        failed = []

        def work():
            try:
                for number in range(part // AT_ONCE):
                    client.get("ann", "github")
                    if number % 1_000 == 0 and time.monotonic() > end:
                        raise TimeoutError
            except BaseException as error:
                failed.append(error)

        for _ in range(PARTS):
            threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if failed:
                raise failed[0]
            yield footprint()


def footprints(client, path, part, end):
    if client == "blocking":
        return list(run_blocking(path, part, end))

    async def collect():
        return [one async for one in run_asyncio(path, part, end)]

    return asyncio.run(collect())


def grows(values, allowed):
    # What the first part makes stays: it does not count.
    half = len(values) // 2
    return max(values[half:]) - max(values[1:half]) > allowed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--gets", type=int, default=10_000_000)
    parser.add_argument("--client", choices=["asyncio", "blocking"], default="asyncio")
    parser.add_argument("--limit", type=float, default=3_600)
    arguments = parser.parse_args()
    part = -(-arguments.gets // PARTS // AT_ONCE) * AT_ONCE
    end = time.monotonic() + arguments.limit
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        daemon = subprocess.Popen(
            [f"{arguments.bin}/cofferd", "--socket", path, "--data", f"{folder}/data"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not pathlib.Path(path).exists() and daemon.poll() is None and time.monotonic() < end:
                time.sleep(0.05)
            found = footprints(arguments.client, path, part, end)
        except TimeoutError:
            sys.exit(f"{PARTS * part} Gets took more than {arguments.limit:g} s")
        finally:
            daemon.terminate()
            daemon.wait(20)
    sizes, objects = zip(*found)
    print(f"{PARTS * part} Gets; resident MiB: {' '.join(f'{size / 2**20:.1f}' for size in sizes)}; "
          f"objects: {' '.join(map(str, objects))}")
    sys.exit(grows(sizes, ALLOWED_BYTES) or grows(objects, ALLOWED_OBJECTS))


if __name__ == "__main__":
    main()
