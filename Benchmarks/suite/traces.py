"""The trace of real use: in virtual time on several caches, and on a running cofferd."""

from pathlib import Path

import machine
import peers
from programs import NotMeasured, Programs
from servers import CannotStart

#: What 1,000 records of 256 bytes take in cofferd's cache.
THOUSAND = 484_000
QUICK = ("--records", 2_000, "--seconds", 600, "--outage-seconds", 60)


def measure(folder: Path, programs: Programs, quick: bool) -> str:
    """The section of results.md. Raises NotMeasured."""
    trace = folder / "trace"
    programs.simulate("make-trace", trace, *(QUICK if quick else ()))
    with trace.open(encoding="utf-8") as lines:
        made = [next(lines) for _ in range(3)][2].removeprefix("# ").strip()
    table = programs.simulate("replay", trace).strip()
    live = "\n".join(play(folder, programs, trace, *size) for size in (("64 MiB", 64 << 20), ("1,000 entries", THOUSAND)))
    return f"""## A trace of real use

{made}

{table}

In virtual time. 1 % and 10 % are of the records that the trace names. Hit: answered by a copy inside its TTL of 300 s, or by
knowing that there is no such record. Stale: by a copy past it, while the vault is down. Failed: not at all. Outdated: with a
value that is no longer the vault's.

The same trace on a running cofferd, by `coffer-load --trace`, as fast as answers come, so that no TTL is ever over; its
outages are left out.

| size | hit ratio | vault reads | evicted |
| --- | --- | --- | --- |
{live}
"""


def play(folder: Path, programs: Programs, trace: Path, size: str, cache_bytes: int) -> str:
    configuration = f"vault: {{type: memory}}\ncache: {{bytes: {cache_bytes}}}\n"
    try:
        daemon = peers.Cofferd(folder, programs.cofferd, configuration, f"cofferd-trace-{cache_bytes}")
    except (CannotStart, TimeoutError) as error:
        raise NotMeasured(str(error)) from error
    try:
        daemon.pin()
        report = programs.play(*daemon.target, "--trace", trace, "--prepare", "--cpu", machine.LOAD_CPU)
    finally:
        daemon.stop()
    cache = report["cache"]
    return f"| {size} | {100 * report['hitRatio']:.1f} % | {cache['vaultReads']:,} | {cache['evictions']:,} |"
