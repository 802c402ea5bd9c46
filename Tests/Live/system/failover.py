"""A cluster of OpenBao whose active node goes, under load, and standbys that lag."""

import http.client
import shutil
import signal
import ssl
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from cluster import Cluster, Node
from harness import Daemon, SystemTest
from load import Sample, Traffic, get, store
from openbao import ROOT_TOKEN
from stage import configuration, new_daemon

#: Stores are to go again so many seconds after a node is active.
RECOVERY = 3
#: Calls a second of each kind and daemon.
RATE = 10
BEFORE, AFTER = 1.5, RECOVERY + 2
TIMEOUT = 3_000


class Watch:
    """Asks all nodes again and again which of them is active, each over one connection."""

    def __init__(self, nodes: list[Node]) -> None:
        self.seen: list[tuple[float, str]] = []
        #: When a node was asked, and how long its answer took.
        self.answers: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._look, args=(node,)) for node in nodes]
        for thread in self._threads:
            thread.start()

    def _look(self, node: Node) -> None:
        trust = ssl.create_default_context(cafile=str(node.ca))
        connection = http.client.HTTPSConnection(node.address.removeprefix("https://"), timeout=10, context=trust)
        while not self._ended.wait(0.03):
            asked = time.time()
            try:
                connection.request("GET", "/v1/sys/health")
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                continue
            self.answers.append((asked, time.time() - asked))
            if answer.status == 200:
                self.seen.append((time.time(), node.address))
        connection.close()

    def slowest(self, before: float) -> float:
        """Of the answers until then, in seconds."""
        return max((took for asked, took in self.answers if asked + took < before), default=float("nan"))

    def first(self, after: float, other_than: str, seconds: float = 20) -> float:
        """When a node other than this was first seen active."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            times = [when for when, address in self.seen if when > after and address != other_than]
            if times:
                return min(times)
            time.sleep(0.02)
        raise AssertionError(f"no node became active within {seconds} s")

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(15)


class Failover(SystemTest):
    time_limit = 120
    cluster: Cluster

    @classmethod
    def setUpClass(cls) -> None:
        folder = Path(tempfile.mkdtemp(prefix="coffer-cluster-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.cluster = Cluster(folder)
        cls.addClassCleanup(cls.cluster.stop)

    def daemon_at(self, address: str, nodes: list[str]) -> Daemon:
        vault = {"type": "vault", "address": address, "nodes": nodes, "ca_file": self.cluster.nodes[0].ca, "auth": "token"}
        daemon = new_daemon(configuration({"main": vault}), {"VAULT_TOKEN": ROOT_TOKEN})
        self.addCleanup(daemon.dispose)
        return daemon

    # A standby

    def test_behind_a_standby_everything_works(self) -> None:
        active = self.cluster.settle()
        standby = next(node for node in self.cluster.nodes if node is not active)
        daemon = self.daemon_at(standby.address, [])
        times: list[float] = []
        with daemon.client() as client:
            for number in range(20):
                start = time.monotonic()
                client.store("standby", f"c-{number % 5}", f"value-{number}".encode())
                times.append(time.monotonic() - start)
                answer = client.get("standby", f"c-{number % 5}", max_age_ms=0)
                self.assertEqual(answer.credential, f"value-{number}".encode())
        print(f"  behind a standby: 20 of 20 Stores, median {sorted(times)[10] * 1_000:.0f} ms, "
              f"longest {max(times) * 1_000:.0f} ms", flush=True)
        self.assertNotIn("vault unavailable", daemon.log_text())

    # The active node

    def test_the_active_node_steps_down(self) -> None:
        self.play("stepped down", lambda node: node.require("PUT", "sys/step-down"), lambda node: None)

    def test_the_active_node_is_killed(self) -> None:
        self.play("killed", lambda node: node.process.kill(), lambda node: node.run())

    def test_the_active_node_hangs(self) -> None:
        self.play("hung", lambda node: node.process.freeze(), lambda node: node.process.send(signal.SIGCONT))

    def test_the_active_node_is_cut_off_from_the_others(self) -> None:
        self.play("cut off", lambda node: self.cluster.links.cut(node.process.pid), lambda node: self.cluster.links.heal())

    def play(self, name: str, damage, repair) -> None:
        """Daemons that begin at the active node, at a standby, and know one standby only."""
        active = self.cluster.settle()
        first, second = (node.address for node in self.cluster.nodes if node is not active)
        daemons = {
            "from the active node": self.daemon_at(active.address, [first, second]),
            "from a standby": self.daemon_at(first, [second, active.address]),
            "knowing a standby only": self.daemon_at(first, []),
        }
        # The records are new ones: each daemon has keys of its own.
        loads = {key: [
            Traffic(daemon, lambda n, u=f"{name} {key}": store(u, f"key-{n % 20}", f"value-{n}".encode()), RATE, TIMEOUT).start(),
            Traffic(daemon, lambda n, u=f"{name} {key}": get(u, f"key-{n % 20}", max_age_ms=0), RATE, TIMEOUT).start(),
        ] for key, daemon in daemons.items()}
        watch = Watch(self.cluster.nodes)
        try:
            time.sleep(BEFORE)
            broken = time.time()
            damage(active)
            there = watch.first(broken + 0.05, active.address)
            time.sleep(max(0, there + AFTER - time.time()))
            ended = time.time()
        finally:
            # First, for a node that is stopped answers nobody who waits for it.
            repair(active)
            watch.stop()
            for traffic in sum(loads.values(), []):
                traffic.stop()
        print(f"  {name}: another node is active after {there - broken:.1f} s; before, the slowest answer of a node took "
              f"{watch.slowest(broken):.2f} s", flush=True)
        for key, (stores, gets) in loads.items():
            with self.subTest(daemon=key):
                self.look(key, stores.samples, gets.samples, broken, there, ended)

    def look(self, key: str, stores: list[Sample], gets: list[Sample], broken: float, there: float, ended: float) -> None:
        failed, failed_gets = ([each for each in samples if not each.reached] for samples in (stores, gets))
        works = min((each.answered for each in stores if each.reached and each.answered >= there), default=float("inf"))
        last = max((each.answered for each in failed), default=there)
        print(f"    {key}: first Store {works - there:.2f} s after that, last failure {last - there:.2f} s; failed: "
              f"{len(failed)} of {len(stores)} Stores, {len(failed_gets)} of {len(gets)} Gets", flush=True)
        before = [each for each in failed + failed_gets if each.answered < broken]
        self.assert_none(before, 0, broken, "before anything happened")
        self.assertLess(works - there, RECOVERY)
        late = [each for each in stores if there + RECOVERY <= each.sent < ended]
        self.assertGreaterEqual(len(late), (ended - there - RECOVERY) * RATE * 0.8)
        self.assert_none(failed + failed_gets, there + RECOVERY, ended, f"{RECOVERY} s after a node is active")
        keys = {each.key for each in stores if each.sent >= there + RECOVERY - 1 and each.reached}
        self.assertEqual(len(keys), 20, "not every key is stored again")

    def assert_none(self, samples: list[Sample], start: float, end: float, when: str) -> None:
        """None of these was sent within that time."""
        found = Counter(f"{each.status.name}: {each.message}" for each in samples if start <= each.sent < end)
        self.assertEqual(found.total(), 0, f"{when}: {found.most_common(3)}")
