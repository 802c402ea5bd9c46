"""The rows of the table: what is compared with what, and the goals of the design."""

from dataclasses import dataclass

PEERS = {
    "echo": "C epoll echo of equal sizes, the limit", "memcached": "memcached 1.6", "redis": "redis 7",
    "nginx": "nginx, static JSON", "grpc": "gRPC C++", "lease": "OpenBao proxy, a cached lease",
    "forwarded": "OpenBao proxy, a KV read (forwarded)", "proxy": "OpenBao proxy",
    "sqlite": "SQLite's own durable commits of sixteen rows, pages of 1 KiB as in the vault, nobody waits: the limit",
    "sqlite-4k": "the same with SQLite's own pages of 4 KiB",
    "writers": "SQLite's own durable group commit for sixteen threads that wait, pages as in the vault",
    "bare": "the bare request by libcurl, same OpenBao", "bare-1.1": "the same over HTTP/1.1, as cofferd speaks it",
    "few": "itself, few", "cofferd": "itself",
}
MORE, LESS = "≥", "≤"


@dataclass(frozen=True)
class Row:
    title: str
    case: str
    #: The peer; None = the figure itself.
    side: str | None
    #: `rate`, a latency of coffer-load's report, or a figure's own name.
    figure: str
    #: Which is better: MORE or LESS.
    better: str
    goal: float | None = None
    #: The difference to the peer instead of the ratio, in this unit; of a figure itself, its unit.
    unit: str = ""

    @property
    def is_ratio(self) -> bool:
        return self.side is not None and not self.unit


def get(side: str, goal: float | None = None, case: str = "get-8x1", title: str = "cached Get, 8 × 1") -> Row:
    return Row(title, case, side, "rate", MORE, goal)


ROWS = [
    get("echo", 0.80), get("memcached", 1.15), get("nginx"), get("grpc", 8), get("lease", 10), get("forwarded", 50),
    Row("cached Get, 1 × 1", "get-1x1", "echo", "p50", LESS, 1.25),
    Row("cached Get, 1 × 1", "get-1x1", "echo", "p99", LESS, 1.5),
    *(get(side, goal, "get-16x16", "cached Get, 16 × 16")
      for side, goal in (("redis", 1.2), ("memcached", None), ("echo", None))),
    Row("a million cached records to a thousand, 8 × 1", "records", "few", "rate", MORE, 0.85),
    Row("10,000 open connections to 200, 200 active", "connections", "few", "p99", LESS, 2),
    Row("Store, 16 × 1, embedded vault", "store-16x1", "sqlite", "rate", MORE, 0.8),
    Row("Store, 16 × 1, embedded vault", "store-16x1", "sqlite-4k", "rate", MORE),
    Row("Store, 16 × 1, embedded vault", "store-16x1", "writers", "rate", MORE, 0.8),
    Row("Get on a miss, 1 × 1", "miss", "bare", "p50", LESS, 200, "µs"),
    Row("Get on a miss, 1 × 1", "miss", "bare-1.1", "p50", LESS, None, "µs"),
    Row("instructions per cached Get", "instructions", None, "instructions", LESS, None, "instructions"),
    Row("instructions per cached Get", "instructions", "memcached", "instructions", LESS, 1),
    Row("instructions per cached Get", "instructions", "redis", "instructions", LESS),
    Row("start to first answer", "start", None, "ms", LESS, 50, "ms"),
    Row("start to first answer", "start", "proxy", "ms", LESS, 0.1),
    Row("resident memory, idle", "idle", None, "mib", LESS, 20, "MiB"),
    Row("resident memory, idle", "idle", "proxy", "mib", LESS),
    Row("resident memory, 10,000 records", "loaded", None, "mib", LESS, 40, "MiB"),
    Row("resident memory, 10,000 records", "loaded", "proxy", "mib", LESS),
]
