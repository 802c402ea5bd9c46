"""Two daemons on one PostgreSQL: what one stores is what the other serves."""

import bisect
import itertools
import statistics
import tempfile
import time
from pathlib import Path

from harness import CallFailed, SystemTest, eventually, messages
from harness.options import options
from links import Links
from load import Sample, Traffic, get, store
from postgres import PASSWORD, Folder, Server
from relay import Relay
from servers import certificates
from stage import configuration, new_daemon

KEYS = 50
#: A second, through the one daemon and through the other.
STORES, GETS = 200, 1_000
SECONDS, SOAK_SECONDS = 50, 150
OPERATIONS = 20_000
#: A Store shows through the other daemon after so many seconds: of 100 Stores 99, and every one.
USUAL, LONGEST = 0.05, 1
#: The second holds for those, too, that are stored while the other daemon hears nothing: its connection is dead without a
#: word, for less than it waits for a sign of life and for longer; or it was cut, and new ones hang.
OUTAGES = [("silent", 2.5), ("hanging", 8), ("silent", 8)]
#: Seconds between outages, and between an outage and the next cut of both connections that listen.
CUT_EVERY = 4
LISTENERS = "FROM pg_stat_activity WHERE application_name = 'cofferd-listen'"


class Shared(SystemTest):
    time_limit = 300

    def test_what_is_given_up_is_not_sent_later(self) -> None:
        server, settings = self.database()
        relay = Relay(server.port)
        self.addCleanup(relay.close)
        daemon = new_daemon(configuration({"main": settings | {"url": f"postgresql://app@127.0.0.1:{relay.port}/coffer"}}))
        self.addCleanup(daemon.dispose)
        with daemon.client() as client:
            client.store("user", "key", b"old")
            relay.hold()
            request = messages.credentials.StoreRequest(user_id="user", connection_id="key", credential=b"new")
            with self.assertRaises(CallFailed):
                list(client.responses(client.begin("Credentials/Store", request, 1_000)))
            eventually("the connection of the Store to be reset", 10, lambda: relay.resets() > 0)

    def test_a_store_on_one_host_is_what_the_other_serves(self) -> None:
        server, settings = self.database()
        key = Path(tempfile.mkstemp(prefix="cfkey")[1])
        self.addCleanup(key.unlink)
        key.write_bytes(bytes(range(32)))
        links = Links()
        self.addCleanup(links.close)
        daemons = []
        # Connections of one number can be cut as if they were of one process.
        self.number = 1
        for port in (server.port, links.door(server.port, lambda: self.number, list)):
            vault = settings | {"url": f"postgresql://app@127.0.0.1:{port}/coffer"}
            daemons.append(new_daemon(configuration({"main": vault}, f"key: {{file: {key}}}")))
            self.addCleanup(daemons[-1].dispose)
        with daemons[0].client() as client:
            for number in range(KEYS):
                client.store("user", f"key-{number}", b"0")
        stores = Traffic(daemons[0], lambda n: store("user", f"key-{n % KEYS}", str(n + 1).encode()), STORES)
        gets = Traffic(daemons[1], lambda n: get("user", f"key-{n * 7 % KEYS}"), GETS)
        for traffic in (stores, gets):
            traffic.start()
        silences = []
        try:
            end = time.monotonic() + options.sized(SECONDS, SOAK_SECONDS)
            for kind, seconds in itertools.cycle(OUTAGES):
                if time.monotonic() > end:
                    break
                time.sleep(CUT_EVERY)
                eventually("each daemon listens", 20, lambda: server.sql(f"SELECT count(*) {LISTENERS}") == "2")
                server.sql(f"SELECT pg_terminate_backend(pid) {LISTENERS}")
                time.sleep(CUT_EVERY)
                eventually("each daemon listens again", 20, lambda: server.sql(f"SELECT count(*) {LISTENERS}") == "2")
                begun = time.time()
                self.interrupt(kind, server, links)
                time.sleep(seconds)
                links.heal()
                silences.append((begun, time.time()))
        finally:
            for traffic in (stores, gets):
                traffic.stop()
        self.check(stores.samples, gets.samples, silences)
        log = daemons[1].log_text()
        self.assertIn("changes by other hosts are not heard: ", log)
        self.assertIn("changes by other hosts are heard again", log)

    def interrupt(self, kind: str, server: Server, links: Links) -> None:
        """The second daemon hears nothing until the links heal; its other connections work."""
        if kind == "silent":
            links.cut_connections([int(port) for port in server.sql(f"SELECT client_port {LISTENERS}").split()])
            return
        self.number += 1
        links.cut(self.number)
        server.sql(f"SELECT pg_terminate_backend(pid) {LISTENERS}")

    def database(self) -> tuple[Server, dict[str, object]]:
        folder = Folder()
        self.addCleanup(folder.remove)
        certificates(folder.path)
        server = Server(folder, "main", "server")
        self.addCleanup(server.stop)
        server.set_up()
        password = Path(tempfile.mkstemp(prefix="cfpw")[1])
        self.addCleanup(password.unlink)
        password.write_text(PASSWORD + "\n")
        return server, {"type": "postgres", "password_file": password, "ca_file": folder.path / "ca.pem"}

    def check(self, stores: list[Sample], gets: list[Sample], silences: list[tuple[float, float]]) -> None:
        failed = [each for each in stores + gets if not each.reached]
        self.assertEqual([each.message for each in failed[:3]], [])
        self.assertEqual(len([each for each in gets if each.stale]), 0)
        cached = sum(each.source == 1 for each in gets)
        waits = [wait for number in range(KEYS) for wait in self.waits(f"user/key-{number}", stores, gets)]
        heard = sorted(wait for stored, wait in waits if not any(begun <= stored <= end for begun, end in silences))
        unheard = max(wait for stored, wait in waits if any(begun <= stored <= end for begun, end in silences))
        usual, longest = heard[len(heard) * 99 // 100], heard[-1]
        print(f"  {len(stores)} Stores, {len(gets)} Gets, {cached} of them from the cache; a Store shows on the other host after "
              f"{statistics.median(heard) * 1_000:.1f} ms (median), {usual * 1_000:.1f} ms (99 of 100), "
              f"{longest * 1_000:.1f} ms (all), while the daemon there hears nothing {unheard * 1_000:.1f} ms", flush=True)
        self.assertGreater(len(stores) + len(gets), OPERATIONS)
        self.assertGreater(cached, len(gets) / 2, "the cache hardly took part")
        self.assertLess(usual, USUAL)
        self.assertLess(max(longest, unheard), LONGEST)

    def waits(self, key: str, stores: list[Sample], gets: list[Sample]) -> list[tuple[float, float]]:
        """Of each Store, when it was acknowledged, and how long after that a Get began that gave something older.

        The n-th Store of a key is the value n * KEYS + its own number, so that values tell which is older.
        """
        written = sorted((each.answered for each in stores if each.key == key))
        values = sorted({0} | {number + 1 for number, each in enumerate(stores_in_order(stores)) if each.key == key})
        waits = [0.0] * len(written)
        for each in gets:
            if each.key != key:
                continue
            # How many Stores of the key it shows, and how many were acknowledged before it began.
            shown = bisect.bisect_right(values, int(each.credential)) - 1
            for missed in range(shown, bisect.bisect_left(written, each.sent)):
                waits[missed] = max(waits[missed], each.sent - written[missed])
        return list(zip(written, waits, strict=True))


def stores_in_order(stores: list[Sample]) -> list[Sample]:
    """As they were sent: the n-th has the value n."""
    return sorted(stores, key=lambda each: each.sent)
