"""Two daemons that share records in a cluster of three etcds, one of which is killed: what one stores, the other serves."""

import bisect
import secrets
import shutil
import tempfile
import time
from itertools import accumulate
from pathlib import Path

from etcd import Node
from harness import CallFailed, Daemon, Status, SystemTest, eventually
from harness.options import options
from load import Sample, Traffic, get, store
from servers import free_ports
from stage import configuration, new_daemon

KEYS = 10
STORES, GETS = 80, 320
#: After a Store is acknowledged, the other daemon serves what is older for at most so long in 99 of 100 Gets, and never
#: longer than the second.
SOON, LATEST = 0.05, 1.0
SECONDS = 60
OPERATIONS = 20_000


class Cluster:
    """Three etcds without TLS on this host."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(6)
        peers = ",".join(f"n{index}=http://127.0.0.1:{ports[2 * index + 1]}" for index in range(3))
        self.nodes = [
            Node(folder, f"n{index}", (ports[2 * index], ports[2 * index + 1]), peers,
                 ["--heartbeat-interval", "50", "--election-timeout", "500"])
            for index in range(3)]
        for node in self.nodes:
            node.wait()

    def stop(self) -> None:
        for node in self.nodes:
            node.process.stop()


class Shared(SystemTest):
    time_limit = 150

    def setUp(self) -> None:
        super().setUp()
        folder = Path(tempfile.mkdtemp(prefix="coffer-etcd-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.cluster = Cluster(folder)
        self.addCleanup(self.cluster.stop)
        self.key = folder / "root.key"
        self.key.touch(mode=0o600)
        self.key.write_text(secrets.token_hex(32) + "\n")

    def daemon_of_cluster(self) -> Daemon:
        vault = {"type": "etcd", "endpoints": [node.address for node in self.cluster.nodes]}
        daemon = new_daemon(configuration({"main": vault}, f"key: {{file: {self.key}}}"))
        self.addCleanup(daemon.dispose)
        return daemon

    def test_a_change_of_one_daemon_ends_what_the_other_has_cached(self) -> None:
        first, second = self.daemon_of_cluster(), self.daemon_of_cluster()
        with first.client() as one, second.client() as two:
            one.store("u", "c", b"old")
            self.assertEqual(two.get("u", "c").credential, b"old")
            self.assertEqual(two.get("u", "c").credential, b"old")
            one.store("u", "c", b"new")
            eventually("the new value", 2, lambda: two.get("u", "c").credential == b"new")
            one.delete("u", "c")
            eventually("the removal", 2, lambda: status_of(lambda: two.get("u", "c")) == Status.NOT_FOUND)

    def test_no_stale_read_while_a_node_is_killed(self) -> None:
        first, second = self.daemon_of_cluster(), self.daemon_of_cluster()
        with first.client() as client:
            for number in range(KEYS):
                client.store("u", f"key-{number}", b"0")
        stores = Traffic(first, lambda n: store("u", f"key-{n % KEYS}", str(n + 1).encode()), STORES, 5_000).start()
        gets = Traffic(second, lambda n: get("u", f"key-{n % KEYS}"), GETS, 5_000).start()
        seconds = SECONDS * (3 if options.soak else 1)
        killed = []
        try:
            # The one that both listen to at first, and then the one that they have gone to.
            for node in self.cluster.nodes[:2]:
                time.sleep(seconds / 4)
                killed.append(time.time())
                node.process.kill()
                time.sleep(3)
                node.start()
                node.wait()
            time.sleep(seconds / 4)
        finally:
            stores.stop()
            gets.stop()
        self.look(stores.samples, gets.samples, killed)

    def look(self, stores: list[Sample], gets: list[Sample], killed: list[float]) -> None:
        acknowledged = [each for each in stores if each.reached]
        served = [each for each in gets if each.reached and each.credential]
        lags = sorted(lag_of(served, stores))
        p99 = lags[int(len(lags) * 0.99)]
        failed = (len(stores) - len(acknowledged), len(gets) - len(served))
        print(f"  two daemons, {len(stores)} Stores and {len(gets)} Gets, {failed[0]} and {failed[1]} failed, nodes killed "
              f"{len(killed)} times; a Get shows what is older than an acknowledged Store for {p99 * 1_000:.1f} ms (p99), "
              f"{lags[-1] * 1_000:.0f} ms at most", flush=True)
        self.assertGreater(len(stores) + len(gets), OPERATIONS)
        self.assertEqual(sum(failed), 0, {each.message for each in stores + gets if not each.reached})
        self.assertLess(lags[-1], LATEST)
        self.assertLess(p99, SOON)


def status_of(call) -> Status:
    try:
        call()
        return Status.OK
    except CallFailed as failure:
        return failure.status


def lag_of(gets: list[Sample], stores: list[Sample]) -> list[float]:
    """Of each Get, for how long what it showed had been replaced when it was sent; 0 = it was the newest, or newer.

    A Store that was sent before another one was acknowledged may have come before that one or behind it. One that failed
    may have been done at any time.
    """
    by_value = {(each.key, each.credential): each for each in stores}
    by_key: dict[str, list[Sample]] = {}
    for each in sorted((each for each in stores if each.reached), key=lambda each: each.sent):
        by_key.setdefault(each.key, []).append(each)
    sent = {key: [each.sent for each in known] for key, known in by_key.items()}
    #: When the first of these Stores and those behind them was acknowledged.
    first = {key: list(accumulate((each.answered for each in reversed(known)), min))[::-1] for key, known in by_key.items()}
    lags = []
    for each in gets:
        shown = by_value.get((each.key, each.credential))
        # What was there before the first of these Stores is older than all of them.
        since = 0 if shown is None else shown.answered if shown.reached else float("inf")
        later = bisect.bisect_right(sent[each.key], since)
        replaced = first[each.key][later] if later < len(sent[each.key]) else float("inf")
        lags.append(max(0.0, each.sent - replaced))
    return lags
