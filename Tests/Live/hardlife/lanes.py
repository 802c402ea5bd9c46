"""Load on daemons whose ways to a vault are damaged, each in its own manner, at the same time."""

import time
from collections import Counter
from dataclasses import dataclass

from entry import Entry
from faults import FAULTS, OUTAGE, Fault
from harness import CallFailed, Client, Daemon, Status, eventually
from harness.options import options
from load import Sample, Traffic, get, store
from stage import configuration, new_daemon

#: Seconds: longer than what is cached is fresh, so that it is asked for again; then the fault; then until all is well.
TTL, STEADY, LASTS, RECOVERY, AFTER = 2, 3.5, 8, 30, 2.5
#: With --soak: longer than a breaker rests at the first times.
LASTS_LONG, RECOVERY_LONG = 120, 60
#: For all of it.
LONGEST = 300
KEYS = 5
#: Whoever waits for a vault gets what is stale after 1.5 s; and how long after that an answer may come on a busy machine.
PATIENCE, SLACK = 1.5, 3.5
#: Milliseconds that calls have where they are not to fail.
PATIENT = 25_000
#: Of a breaker that is open, whatever opened it; and what it says.
RESTING = ("is not asked for another", "one call is testing")


class Lane:
    """One way, its fault, and the calls that go over it."""

    def __init__(self, entry: Entry, fault: Fault | None) -> None:
        self.fault, self.local_reads = fault, entry.local_reads
        self.user = fault.name.replace(" ", "-").replace("'", "") if fault else "none"
        self.tap = entry.tap()
        patient = {"timeout_ms": PATIENT} if not fault or fault.delay else {}
        self.section = entry.section(self.tap.port, **patient)
        self.broken = self.mended = 0.0

    def begin(self, daemon: Daemon) -> None:
        with daemon.client(40) as client:
            for number in range(KEYS):
                eventually("the records are stored", 40, lambda number=number: self.is_stored(client, number))
        self.warm = Traffic(daemon, lambda n: get(f"{self.user}-warm", f"key-{n % KEYS}"), 4, 6_000)
        self.calls = Traffic(daemon, self.call, 3, self.fault.timeout if self.fault else PATIENT)
        for traffic in (self.warm, self.calls):
            traffic.start()

    def is_stored(self, client: Client, number: int) -> bool:
        """All servers start at the same time, and so do all daemons: that may take longer than a vault has."""
        try:
            client.store(f"{self.user}-warm", f"key-{number}", self.value(number))
            return True
        except CallFailed:
            return False

    def call(self, number: int) -> tuple[str, object]:
        """By turns a Store of a new record, and a Get of one that is not there."""
        user, connection = f"{self.user}-cold", f"c-{number}"
        return store(user, connection, self.value(number)) if number % 2 else get(f"{user}-absent", connection)

    def value(self, number: int) -> bytes:
        return f"{self.user} {number}".encode()

    def put(self) -> None:
        self.broken = time.time()
        if self.fault:
            self.tap.put(self.fault)

    def lift(self) -> None:
        self.mended = time.time()
        self.tap.lift()

    def stop(self) -> None:
        for traffic in (self.warm, self.calls):
            traffic.stop()
        self.tap.close()

    # What was seen

    @property
    def stores(self) -> list[Sample]:
        return [each for each in list(self.calls.samples) if "-absent/" not in each.key]

    @property
    def reads(self) -> list[Sample]:
        """Of records that are not there."""
        return [each for each in list(self.calls.samples) if "-absent/" in each.key]

    @property
    def asking(self) -> list[Sample]:
        """Calls that need the vault's server."""
        return self.stores if self.local_reads else list(self.calls.samples)

    @property
    def recovered(self) -> float:
        """When a Store was first answered well since; 0 = never."""
        return min((each.answered for each in self.stores if each.reached and each.sent >= self.mended), default=0)

    @property
    def failures(self) -> list[Sample]:
        """Calls that failed while the fault was there, in the order of their answers."""
        failed = [each for each in self.calls.samples if not each.reached and self.broken <= each.answered]
        return sorted(failed, key=lambda each: each.answered)

    @property
    def first(self) -> Sample | None:
        return next(iter(self.failures), None)


@dataclass
class Ways:
    """All lanes of a vault: over one daemon, or over one each."""

    lanes: dict[str, Lane]
    #: The values that the vault has in the end for the records that were stored, by key; none = no such record.
    kept: dict[str, bytes | None]


def play(entry: Entry, key: str) -> Ways:
    """`key`: the section of the configuration with the root key."""
    faults = [None, OUTAGE, *(fault for fault in FAULTS if not fault.is_http or "http" not in entry.lacks)]
    lanes = {(fault.name if fault else "none"): Lane(entry, fault) for fault in faults}
    cache = f"cache: {{ttl_seconds: {TTL}, negative_seconds: 0, stale_seconds: 3600}}"
    # Calls of the load say what time they have.
    unhurried = "limits: {call_ms: 30s}"
    daemons: list[Daemon] = []
    try:
        for group in [[lane] for lane in lanes.values()] if entry.is_alone else [list(lanes.values())]:
            daemons.append(new_daemon(
                configuration({lane.user: lane.section for lane in group}, key, cache, unhurried), entry.env))
            for lane in group:
                lane.begin(daemons[-1])
        try:
            run(list(lanes.values()))
        finally:
            for lane in lanes.values():
                lane.stop()
    finally:
        for daemon in daemons:
            daemon.dispose()
    return Ways(lanes, kept(entry, key, lanes))


def run(lanes: list[Lane]) -> None:
    time.sleep(STEADY)
    for lane in lanes:
        lane.put()
    time.sleep(options.sized(LASTS, LASTS_LONG))
    for lane in lanes:
        lane.lift()
    end = time.monotonic() + options.sized(RECOVERY, RECOVERY_LONG)
    while time.monotonic() < end and not all(lane.recovered for lane in lanes):
        time.sleep(0.1)
    time.sleep(AFTER)


def kept(entry: Entry, key: str, lanes: dict[str, Lane]) -> dict[str, bytes | None]:
    """As another daemon reads it, by an undamaged way."""
    found: dict[str, bytes | None] = {}
    users = ["all"] if entry.is_alone else [lane.user for lane in lanes.values()]
    daemon = new_daemon(configuration({user: entry.section(timeout_ms=PATIENT) for user in users}, key), entry.env)
    try:
        with daemon.client(60) as client:
            for lane in lanes.values():
                names = sorted({each.key for each in lane.stores})
                for start in range(0, len(names), 100):
                    part = names[start:start + 100]
                    results = client.get_many([tuple(name.split("/")) for name in part], 20_000, max_age_ms=0)
                    for name, result in zip(part, results, strict=True):
                        if result.status not in (Status.OK, Status.NOT_FOUND):
                            raise AssertionError(f"{name} cannot be read: {result.failure.message}")
                        found[name] = result.record.credential if result.status == Status.OK else None
    finally:
        daemon.dispose()
    return found


def counted(samples: list[Sample]) -> list[tuple[str, int]]:
    """For messages of assertions."""
    return Counter(f"{each.status.name}: {each.message}" for each in samples).most_common(4)
