"""Two daemons that share records in a cluster of three etcds: what one stores, the other serves, while nodes are killed and
connections break."""

import bisect
import secrets
import shutil
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path

from etcd import Node
from harness import CallFailed, Daemon, Status, SystemTest, eventually
from harness.options import options
from load import Sample, Traffic, get, store
from servers import free_ports
from stage import configuration, new_daemon

KEYS = 50
#: A second, through the one daemon and through the other.
STORES, GETS = 200, 1_000
#: A Store shows through the other daemon after so many seconds: of 100 Stores 99, and every one.
USUAL, LONGEST = 0.05, 1.0
#: How long the connections of a watch are dead without notice. The second holds for the Stores of that time, too.
SILENCE = 2.5
#: Between two disturbances, in seconds, and how often each kind comes.
PAUSE, ROUNDS, SOAK_ROUNDS = 3, 2, 10
OPERATIONS = 20_000


class Doors:
    """Ways to the nodes of a cluster, on which the connections that carry a watch can be broken."""

    def __init__(self, targets: list[int]) -> None:
        self._lock = threading.Lock()
        self._watches: list[tuple[socket.socket, socket.socket]] = []
        self._dead: set[socket.socket] = set()
        self._listeners = [socket.create_server(("127.0.0.1", 0), backlog=128) for _ in targets]
        self.addresses = [f"http://127.0.0.1:{each.getsockname()[1]}" for each in self._listeners]
        for listener, target in zip(self._listeners, targets, strict=True):
            threading.Thread(target=self._accept, args=(listener, target), daemon=True).start()

    def close_watches(self) -> int:
        """Ends them in a way that both ends notice; how many there were."""
        with self._lock:
            ended, self._watches = self._watches, []
        for pair in ended:
            for end in pair:
                shut(end)
        return len(ended)

    def silence_watches(self) -> int:
        """Passes nothing on any more, and lets nobody notice; how many there were."""
        with self._lock:
            silenced, self._watches = self._watches, []
            self._dead.update(end for pair in silenced for end in pair)
        return len(silenced)

    def close(self) -> None:
        for listener in self._listeners:
            shut(listener)
            listener.close()
        self.close_watches()

    def _accept(self, listener: socket.socket, target: int) -> None:
        while True:
            try:
                caller = listener.accept()[0]
            except OSError:
                return
            try:
                called = socket.create_connection(("127.0.0.1", target), 5)
            except OSError:
                caller.close()
                continue
            called.settimeout(None)
            for source, sink in ((caller, called), (called, caller)):
                threading.Thread(target=self._copy, args=(source, sink, (caller, called)), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        try:
            while block := source.recv(1 << 16):
                with self._lock:
                    if source is pair[0] and b"POST /v3/watch " in block:
                        self._watches.append(pair)
                    is_dead = source in self._dead
                if not is_dead:
                    sink.sendall(block)
        except OSError:
            pass
        # One that is dead stays so for the other end, too, until that gives it up.
        if source not in self._dead:
            shut(sink)


def shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


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
    time_limit = 300

    def setUp(self) -> None:
        super().setUp()
        folder = Path(tempfile.mkdtemp(prefix="coffer-etcd-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.cluster = Cluster(folder)
        self.addCleanup(self.cluster.stop)
        self.key = folder / "root.key"
        self.key.touch(mode=0o600)
        self.key.write_text(secrets.token_hex(32) + "\n")

    def daemon_of_cluster(self, addresses: list[str] | None = None) -> Daemon:
        vault = {"type": "etcd", "endpoints": addresses or [node.address for node in self.cluster.nodes]}
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

    def test_a_store_on_one_host_is_what_the_other_serves(self) -> None:
        doors = Doors([int(node.address.rsplit(":", 1)[1]) for node in self.cluster.nodes])
        self.addCleanup(doors.close)
        first, second = self.daemon_of_cluster(), self.daemon_of_cluster(doors.addresses)
        with first.client() as client:
            for number in range(KEYS):
                client.store("u", f"key-{number}", b"0")
        stores = Traffic(first, lambda n: store("u", f"key-{n % KEYS}", str(n + 1).encode()), STORES, 5_000).start()
        gets = Traffic(second, lambda n: get("u", f"key-{n * 7 % KEYS}"), GETS, 5_000).start()
        silences = []
        try:
            for number in range(options.sized(ROUNDS, SOAK_ROUNDS)):
                time.sleep(PAUSE)
                # The one that both listen to at first, and then the one that they have gone to.
                self.kill(self.cluster.nodes[number % 3])
                time.sleep(PAUSE)
                eventually("a watch to close", 20, lambda: doors.close_watches() > 0)
                time.sleep(PAUSE)
                begun = time.time()
                eventually("a watch to silence", 20, lambda: doors.silence_watches() > 0)
                time.sleep(SILENCE)
                silences.append((begun, time.time()))
        finally:
            stores.stop()
            gets.stop()
        self.check(stores.samples, gets.samples, silences)

    def kill(self, node: Node) -> None:
        node.process.kill()
        time.sleep(PAUSE)
        node.start()
        node.wait()

    def check(self, stores: list[Sample], gets: list[Sample], silences: list[tuple[float, float]]) -> None:
        failed = [each for each in stores + gets if not each.reached]
        cached = sum(each.source == 1 for each in gets)
        waits = waits_of(stores, [each for each in gets if each.reached and each.credential])
        heard = sorted(wait for stored, wait in waits if not any(begun <= stored <= end for begun, end in silences))
        unheard = max(wait for stored, wait in waits if any(begun <= stored <= end for begun, end in silences))
        usual, longest = heard[len(heard) * 99 // 100], heard[-1]
        print(f"  {len(stores)} Stores, {len(gets)} Gets, {cached} of them from the cache, {len(failed)} calls failed; nodes killed "
              f"and watches broken {len(silences)} times each; a Store shows on the other host after "
              f"{statistics.median(heard) * 1_000:.1f} ms (median), {usual * 1_000:.1f} ms (99 of 100), {longest * 1_000:.1f} ms (all), "
              f"while the watch is dead without notice {unheard * 1_000:.1f} ms", flush=True)
        self.assertEqual([each.message for each in failed[:3]], [])
        self.assertGreater(len(stores) + len(gets), OPERATIONS)
        self.assertGreater(cached, len(gets) / 2, "the cache hardly took part")
        self.assertLess(usual, USUAL)
        self.assertLess(max(longest, unheard), LONGEST)


def status_of(call) -> Status:
    try:
        call()
        return Status.OK
    except CallFailed as failure:
        return failure.status


def waits_of(stores: list[Sample], gets: list[Sample]) -> list[tuple[float, float]]:
    """Of each Store, when it was acknowledged, and how long after that a Get began that gave something older.

    A Store that was sent before another one was acknowledged may have come before that one or behind it. One that failed
    may have been done at any time.
    """
    by_value = {each.credential: each for each in stores}
    stores = [each for each in stores if each.reached]
    by_key: dict[str, list[Sample]] = {}
    for each in sorted(stores, key=lambda each: each.sent):
        by_key.setdefault(each.key, []).append(each)
    sent = {key: [each.sent for each in known] for key, known in by_key.items()}
    waits = {each.credential: 0.0 for each in stores}
    for each in gets:
        shown = by_value.get(each.credential)
        if shown and not shown.reached:
            continue
        # What was there before the first of these Stores is older than all of them.
        for later in by_key[each.key][bisect.bisect_right(sent[each.key], shown.answered if shown else 0):]:
            if later.sent > each.sent:
                break
            if later.answered < each.sent:
                waits[later.credential] = max(waits[later.credential], each.sent - later.answered)
    return [(each.answered, waits[each.credential]) for each in stores]
