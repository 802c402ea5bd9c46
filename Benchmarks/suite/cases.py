"""The cases that are measured in rounds: who is asked what, in which turn."""

import tempfile
from pathlib import Path

import bao
import machine
import peers
from programs import NotMeasured, Programs
from results import Results
from servers import CannotStart

#: A daemon that keeps a million records in memory, and 10,000 connections. The records are read once,
#: at the start, and have to stay fresh for all the rounds.
LARGE = """
vault: {type: memory}
cache: {bytes: 2147483648, ttl_seconds: 3600}
limits: {connections: 16000, connections_per_uid: 16000}
"""


class Cases:
    """Everything that a round asks. What does not start is missing from every round."""

    def __init__(self, folder: Path, programs: Programs, results: Results, records: int, connections: int) -> None:
        self.folder, self.programs, self.results = folder, programs, results
        self.records, self.connections = records, connections
        self._started: list = []
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        programs = self.programs
        self.daemon = self._add(peers.Cofferd(self.folder, programs.cofferd))
        self.large = self._add(peers.Cofferd(self.folder, programs.cofferd, LARGE, "cofferd-large"))
        self.memcached = self._try("memcached", lambda: peers.Memcached(self.folder))
        self.redis = self._try("redis", lambda: peers.Redis(self.folder))
        self.nginx = self._try("nginx", lambda: peers.Nginx(self.folder))
        self.grpc = self._try("grpc", lambda: peers.GRPC(self.folder, programs.grpc_server))
        self.lease = self._try("lease", lambda: self._proxy("lease", leased=True))
        self.forwarded = self._try("forwarded", lambda: self._proxy("forwarded", leased=False))
        if self.forwarded is None:
            self.results.missing("proxy", "it did not start")
        self.miss = self._try("bare", lambda: bao.MissBench(self.folder, programs))
        self._fill()

    def _add(self, server):
        self._started.append(server)
        return server

    def _try(self, side: str, start):
        try:
            return self._add(start())
        except (CannotStart, NotMeasured, OSError, TimeoutError) as error:
            self.results.missing(side, str(error))
            return None

    def _proxy(self, name: str, leased: bool) -> bao.Proxy:
        upstream = bao.Upstream(self.folder, self.programs.bao, leased)
        self._started.append(upstream.process)
        proxy = bao.Proxy(self.folder, self.programs.bao, upstream, name)
        expected = "HIT" if leased else "MISS"
        proxy.get()
        if (answer := proxy.get()) != (200, expected):
            proxy.stop()
            raise CannotStart(f"expected the proxy to answer with 200 and {expected}, got {answer}")
        return proxy

    def _fill(self) -> None:
        for server in filter(None, (self.daemon, self.memcached, self.redis)):
            self.programs.count(1, *server.target, "--prepare", "--fill")
        self.programs.count(
            1, *self.large.target, "--prepare", "--fill", "--keys", self.records, "--connections", 16, "--depth", 16)

    def stop(self) -> None:
        for server in reversed(self._started):
            server.stop()

    def round(self) -> None:
        for server in filter(None, (self.daemon, self.large, self.memcached, self.redis, self.nginx, self.grpc,
                                    self.lease, self.forwarded)):
            server.pin()
        self._hits()
        self._scale()
        # Here the disk or the vault decides, and the daemon has threads to keep them busy.
        machine.pin(self.daemon.process.pid, machine.CPUS)
        self._stores()
        self._misses()

    def _hits(self) -> None:
        run = self._run
        shape = ("--cpu", machine.LOAD_CPU, "--connections", 8)
        echo = ("--floor", "--floor-cpu", machine.SERVER_CPU)
        run("get-8x1", "echo", *echo, *shape)
        run("get-8x1", "cofferd", *self.daemon.target, *shape)
        for side in ("memcached", "nginx", "grpc", "lease", "forwarded"):
            if peer := getattr(self, side):
                run("get-8x1", side, *peer.target, *shape)
        # With one call in flight there is nothing to do in parallel, and waking the other CPU costs more
        # than what is measured: both on one.
        shape = ("--cpu", machine.SERVER_CPU, "--connections", 1)
        run("get-1x1", "echo", *echo, *shape)
        run("get-1x1", "cofferd", *self.daemon.target, *shape)
        shape = ("--cpu", machine.LOAD_CPU, "--connections", 16, "--depth", 16)
        run("get-16x16", "echo", *echo, *shape)
        run("get-16x16", "cofferd", *self.daemon.target, *shape)
        for side in ("redis", "memcached"):
            if peer := getattr(self, side):
                run("get-16x16", side, *peer.target, *shape)

    def _scale(self) -> None:
        shape = ("--cpu", machine.LOAD_CPU)
        self._run("records", "few", *self.large.target, *shape, "--keys", min(1000, self.records))
        self._run("records", "cofferd", *self.large.target, *shape, "--keys", self.records)
        shape += ("--connections", 200)
        self._run("connections", "few", *self.large.target, *shape)
        self._run("connections", "cofferd", *self.large.target, *shape, "--idle", self.connections - 200)

    def _stores(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            floor = ("--floor-commits", folder, "--prepare", "--connections", 16)
            self._run("store-16x1", "sqlite", *floor)
            self._run("store-16x1", "sqlite-4k", *floor, "--floor-page-bytes", 4096)
            self._run("store-16x1", "writers", *floor, "--floor-writers")
        self._run("store-16x1", "cofferd", *self.daemon.target, "--mix", 1, "--connections", 16)

    def _misses(self) -> None:
        if miss := self.miss:
            self._measure("miss", "bare", lambda: self.programs.bare(miss.url, miss.ca, miss.token))
            self._measure("miss", "bare-1.1", lambda: self.programs.bare(miss.url, miss.ca, miss.token, "1.1"))
            self._run("miss", "cofferd", *miss.daemon.target, "--max-age", 0, "--connections", 1, "--keys", 1)

    def _run(self, case: str, side: str, *arguments: object) -> None:
        self._measure(case, side, lambda: self.programs.run(*arguments))

    def _measure(self, case: str, side: str, run) -> None:
        try:
            self.results.add(case, side, run())
        except NotMeasured as error:
            self.results.failed(case, side, str(error))
