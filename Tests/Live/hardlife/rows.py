"""The rows of the suite: each is a claim that holds for every vault, or a vault lacks what it needs and that is shown."""

import functools
import json
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import guide
import lanes
from entry import Entry, Refusal
from harness import Client, Daemon, Status, SystemTest, eventually
from harness.daemon import Place, run
from harness.options import options
from lanes import PATIENCE, RESTING, SLACK, Lane, Ways, counted
from load import Sample, Traffic, get, store
from stage import configuration, new_daemon

REASON_TOO_LARGE = 14
#: Where a row is not about time, a busy machine is no failure.
UNHURRIED = "limits: {call_ms: 30s}"
#: After a node is killed, Stores go again within so many seconds, on a machine with other vaults' suites beside.
FAILOVER = 25


def row(title: str, *needs: str):
    """A test that is a row of the table. Where the vault lacks one of `needs`, it tests that this is so."""
    def wrap(method):
        @functools.wraps(method)
        def test(self) -> None:
            lack = next((self.entry.lacks[need] for need in needs if need in self.entry.lacks), None)
            if lack:
                lack.holds(self)
                self.cells[title] = f"no: {lack.reason}"
            else:
                self.cells[title] = method(self) or "yes"
        test.title = title
        return test
    return wrap


class HardLife(SystemTest):
    """Tests of one kind of vault, which `entry` is."""

    time_limit = 120
    entry: Entry
    #: What was seen, by the titles of the rows.
    cells: dict[str, str] = {}
    figures: dict[str, object] = {}
    #: The faults begin with the first row; else when one asks for them.
    plays_at_once = True
    played: Future[Ways] | None = None

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="cfhard"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.addClassCleanup(cls.entry.stop)
        place = cls.folder / "vault"
        place.mkdir()
        cls.entry.start(place)
        cls.key = cls.folder / "root.key"
        cls.key.touch(mode=0o600)
        cls.key.write_text(secrets.token_hex(32) + "\n")
        cls.make_tables()
        if cls.plays_at_once and "network" not in cls.entry.lacks:
            cls.play()

    @classmethod
    def play(cls) -> None:
        """Begins with the faults, beside the other rows: both mostly wait."""
        worker = ThreadPoolExecutor(1)
        cls.played = worker.submit(lanes.play, cls.entry, cls.key_section())
        cls.addClassCleanup(worker.shutdown)

    @classmethod
    def make_tables(cls) -> None:
        """What a daemon makes at its first call is there before those whose rights are tested."""
        daemon = new_daemon(configuration({"main": cls.entry.section()}, cls.key_section()), cls.entry.env)
        try:
            with daemon.client(40) as client:
                client.store("first", "c", b"value")
        finally:
            daemon.dispose()

    @property
    def ways(self) -> Ways:
        if not self.played:
            self.play()
        try:
            return self.played.result(lanes.LONGEST)
        except Exception as error:
            self.fail(f"the faults could not be played: {error!r}")

    @classmethod
    def key_section(cls) -> str:
        return f"key: {{file: {cls.key}}}"

    def host(self, section: dict[str, object] | None = None, *sections: str, env: dict[str, str] | None = None) -> Daemon:
        """A daemon with the key of all of them, and a disk on which nothing is yet."""
        section = section or self.entry.section()
        patient = {} if "network" in self.entry.lacks else {"timeout_ms": 20_000}
        daemon = new_daemon(
            configuration({"main": section | patient}, self.key_section(), *(sections or [UNHURRIED])),
            self.entry.env | (env or {}))
        self.addCleanup(daemon.dispose)
        return daemon

    def check(self, config: str) -> subprocess.CompletedProcess:
        """What `cofferd --check` says of it."""
        place = Place()
        self.addCleanup(place.remove)
        place.config.write_text(config)
        return run("cofferd", "--check", "--config", place.config, "--data", place.data, "--socket", place.socket)

    def first_bytes(self) -> bytes:
        """What the daemon sends first to the vault."""
        tap = self.entry.tap()
        self.addCleanup(tap.close)
        with self.host(self.entry.section(tap.port)).client() as client:
            self.assert_fails(Status.NOT_FOUND, client.get, "nobody", "nothing")
        return tap.sent[:64]

    # Ids

    @row("40 realistic ids, written by us")
    def test_forty_realistic_ids(self) -> None:
        """formats.py has those that the guide's code writes, on the vaults that it has a program for."""
        with self.host().client(40) as client:
            for user, connection in guide.IDS:
                client.store(user, connection, self.of(user, connection))
            self.look_at_ids(client)
            for user, connection in guide.IDS:
                self.assertTrue(client.delete(user, connection), (user, connection))
            self.assertEqual([entry for user, _ in guide.IDS for entry in client.list(user)], [])

    @staticmethod
    def of(user: str, connection: str) -> bytes:
        return json.dumps({"apiKey": f"{user}/{connection}"}).encode()

    def look_at_ids(self, client: Client, **fields) -> None:
        for (user, connection), result in zip(guide.IDS, client.get_many(guide.IDS, 15_000, max_age_ms=0), strict=True):
            with self.subTest(user=user, connection=connection):
                self.assertEqual(result.status, Status.OK, result.failure.message)
                self.assertEqual(result.record.credential, self.of(user, connection))
        for user in {user for user, _ in guide.IDS}:
            listed = sorted(entry.connection_id for entry in client.list(user))
            self.assertEqual(listed, sorted(connection for owner, connection in guide.IDS if owner == user), user)

    @row("two hosts with one key, fresh disks", "hosts")
    def test_two_hosts_read_each_others_records(self) -> None:
        ids = [(f"hosts {user}", connection) for user, connection in guide.IDS]
        with self.host().client(40) as one, self.host().client(40) as two:
            for index, (user, connection) in enumerate(ids):
                (one, two)[index % 2].store(user, connection, self.of(user, connection))
            for client in (one, two):
                for (user, connection), result in zip(ids, client.get_many(ids, 15_000, max_age_ms=0), strict=True):
                    self.assertEqual(result.record.credential, self.of(user, connection), (user, connection))
        with self.host().client(40) as third:
            self.assertEqual(third.get(*ids[0]).credential, self.of(*ids[0]))
            self.assertTrue(third.delete(*ids[0]))
        with self.host().client(40) as fourth:
            self.assert_fails(Status.NOT_FOUND, fourth.get, *ids[0])

    # Refusals

    @row("wrong credentials", "login")
    def test_wrong_credentials(self) -> str:
        return self.see_refusal("wrong")

    @row("a policy that permits nothing", "login")
    def test_a_policy_that_permits_nothing(self) -> str:
        return self.see_refusal("forbidden")

    @row("expired credentials", "login", "expiring credentials")
    def test_expired_credentials(self) -> str:
        return self.see_refusal("expired")

    def see_refusal(self, kind: str) -> str:
        """Errors, Health and the doctor say what it is, and are content only after a real success."""
        refusal = self.entry.refused(kind)
        daemon = self.host(refusal.section)
        with daemon.client(40) as client:
            self.see_refused_read(client, refusal)
            failure = self.assert_fails(refusal.status, client.store, "user", "mail", b"value")
            self.assertRegex(failure.failure.message, refusal.words)
            self.assertNotIn("may have happened", failure.failure.message)
            # Its check has a second, in which a busy machine may give no answer.
            eventually("Health says why", 20, lambda: self.health(client).check_status == refusal.status)
            health = self.health(client)
            self.assertEqual((health.reachable, health.last_good_contact_ms), (False, 0))
            if health.check_status == refusal.status:
                self.assertRegex(health.check_failure.message, refusal.words)
        self.assertEqual(daemon.coffer("health").returncode, Status.UNAVAILABLE)
        text = self.diagnose(daemon, refusal.status)
        self.assertRegex(text, refusal.words)
        refusal.repair(daemon)
        eventually("the doctor is content", 20, lambda: daemon.coffer("doctor").returncode == 0, step=0.2)
        with daemon.client(40) as client:
            self.assert_reached(client)
            self.assertGreater(self.health(client).last_good_contact_ms, 0)
            client.store("user", kind, b"value")
        return f"{refusal.status.name}; reads go on" if self.entry.local_reads else refusal.status.name

    def see_refused_read(self, client: Client, refusal: Refusal) -> None:
        if self.entry.local_reads:
            self.assert_fails(Status.NOT_FOUND, client.get, "user", "mail")
        else:
            failure = self.assert_fails(refusal.status, client.get, "user", "mail")
            self.assertRegex(failure.failure.message, refusal.words)

    @staticmethod
    def health(client: Client):
        """Of the vault."""
        (vault,) = client.health().vaults
        return vault

    def assert_reached(self, client: Client) -> None:
        """Within some of Health's checks."""
        eventually("the vault is reached", 20, lambda: self.health(client).reachable)

    def diagnose(self, daemon: Daemon, status: Status) -> str:
        ended = daemon.coffer("doctor")
        text = ended.stdout.decode()
        self.assertEqual(Status(ended.returncode).name, status.name, text)
        self.assertIn("): does not work\n", text)
        first, advice = [line.strip() for line in text.splitlines()[1:3]]
        self.assertTrue(first.startswith("FAILED: store, "), text)
        self.assertTrue(advice.startswith("advice: "), text)
        self.assertIn(self.entry.advice[status], advice)
        self.assertEqual(text.count(advice), 1, "the advice is given once")
        return text

    @row("a policy that permits reading only", "login")
    def test_a_policy_that_permits_reading_only(self) -> str:
        refusal = self.entry.refused("reader")
        daemon = self.host(refusal.section)
        self.assertEqual(self.state(daemon), (0, "unknown", None))
        self.assertIn("writes not tried", daemon.coffer("health").stdout.decode())
        with daemon.client(40) as client:
            failure = self.assert_fails(refusal.status, client.store, "user", "read-only", b"value")
            self.assertRegex(failure.failure.message, refusal.words)
            self.assert_fails(Status.NOT_FOUND, client.get, "user", "read-only", max_age_ms=0)
        for _ in range(2):
            self.assertEqual(self.state(daemon), (Status.UNAVAILABLE, "fail", "VAULT_REFUSED"))
        self.assertIn("writes fail (refused)", daemon.coffer("health").stdout.decode())
        eventually("the table says so", 20, lambda: re.search(
            r"(?m)^main .* yes +fail \(refused\) ", daemon.coffer("vaults").stdout.decode()))
        self.diagnose(daemon, refusal.status)
        refusal.repair(daemon)
        # Nobody stores: the doctor's test record shows that it is mended.
        eventually("the doctor is content", 20, lambda: daemon.coffer("doctor").returncode == 0, step=0.2)
        self.assertEqual(self.state(daemon), (0, "work", None))
        self.assertIn("writes work", daemon.coffer("health").stdout.decode())
        self.assertIn("vault recovered", daemon.log_text())
        return refusal.status.name

    def state(self, daemon: Daemon) -> tuple[int, str, str | None]:
        """Exit code of `coffer health`, and what it says of writes, as `coffer vaults` does."""
        found = []
        for command in ("health", "vaults"):
            code, vault = eventually("the vault is reached", 20, lambda: self.said(daemon, command))
            found.append((code, vault["writes"], vault.get("writeFailure")))
        self.assertEqual(*found)
        return found[0]

    @staticmethod
    def said(daemon: Daemon, command: str) -> tuple[int, dict] | None:
        """Exit code, and what it says of the vault; none if its check was not answered in time."""
        ended = daemon.coffer(command, "--json")
        document = json.loads(ended.stdout)
        vault = (document["vaults"] if command == "health" else document)[0]
        return (ended.returncode, vault) if vault["reachable"] else None

    # Records

    @row("one unreadable record among good ones")
    def test_one_unreadable_record_among_good_ones(self) -> None:
        good = [("spoilt", f"good-{number}") for number in range(4)]
        daemon = self.host()
        with daemon.client(40) as client:
            for user, connection in good:
                client.store(user, connection, b"value")
            client.store("spoilt", "bad", b"value")
        with self.entry.spoil(self, daemon, "spoilt", "bad").client() as client:
            entries = client.list("spoilt")
            self.assertEqual(sorted(each.connection_id for each in entries if not each.status), [name for _, name in good])
            (bad,) = [each for each in entries if each.status]
            self.assertEqual(bad.status, Status.DATA_LOSS, bad.failure.message)
            if self.entry.names_the_unreadable:
                self.assertEqual((bad.user_id, bad.connection_id), ("spoilt", "bad"))
            *results, last = client.get_many([*good, ("spoilt", "bad")])
            self.assertEqual([result.record.credential for result in results], [b"value"] * 4)
            self.assertEqual(last.status, Status.DATA_LOSS, last.failure.message)
            self.assert_fails(Status.DATA_LOSS, client.get, "spoilt", "bad")
            # The vault is none the worse for it, and a Store mends the record.
            self.assert_reached(client)
            client.store("spoilt", "bad", b"again")
            self.assertEqual(client.get("spoilt", "bad", max_age_ms=0).credential, b"again")

    @row("records of other programs beside ours", "others")
    def test_records_of_other_programs_beside_ours(self) -> None:
        names = self.entry.foreign("beside")
        for number, name in enumerate(names):
            self.entry.put(name, f'{{"owner":"another {number}"}}')
        before = [self.entry.fetch(name) for name in names]
        self.assertNotIn(None, before)
        with self.host().client(40) as client:
            for connection in ("c", "d"):
                client.store("beside", connection, b"value")
            listed = sorted(each.connection_id for each in client.list("beside") if not each.status)
            self.assertEqual(listed, ["c", "d"])
            # Those of another user are not this one's, whatever their names begin with.
            self.assertEqual(client.list("besid"), [])
            self.assertTrue(client.delete("beside", "c"))
            self.assertEqual(client.get("beside", "d", max_age_ms=0).credential, b"value")
            self.assert_reached(client)
        self.assertEqual([self.entry.fetch(name) for name in names], before)

    @row("a lagging read after a write", "lag")
    def test_a_lagging_read_after_a_write(self) -> str:
        section, env, shown = self.entry.lagging(self)
        behind = 0
        with self.host(section, env=env).client(40) as client:
            client.store("lag", "c", b"first")
            for number in range(3):
                # The last write shows, and another one is allowed.
                time.sleep(1.1)
                before = shown("lag", "c")
                client.store("lag", "c", b"%d" % number)
                behind += shown("lag", "c") == before
                self.assertEqual(client.get("lag", "c").credential, b"%d" % number)
                self.assertEqual(client.get("lag", "c", max_age_ms=0).credential, b"%d" % number)
                client.invalidate(all=True)
                (result,) = client.get_many([("lag", "c")])
                self.assertEqual(result.record.credential, b"%d" % number)
            time.sleep(1.1)
            self.assertTrue(client.delete("lag", "c"))
            for _ in range(3):
                self.assert_fails(Status.NOT_FOUND, client.get, "lag", "c", max_age_ms=0)
                client.invalidate(all=True)
            client.store("lag", "c", b"again")
            self.assertEqual(client.get("lag", "c", max_age_ms=0).credential, b"again")
        self.assertEqual(behind, 3, "nothing lagged")
        return "own writes are served"

    @row("the largest credential")
    def test_the_largest_credential(self) -> str:
        tap = None if "network" in self.entry.lacks else self.entry.tap()
        if tap:
            self.addCleanup(tap.close)
        daemon = self.host(
            self.entry.section(tap.port) if tap else None, "limits: {credential_bytes: 1MiB, call_ms: 30s}")
        user, connection, room = "u" * 50, "c" * 50, self.entry.room
        largest = bytes(index * 7 % 256 for index in range(room))
        with daemon.client(40) as client:
            client.store(user, connection, largest)
            self.assertEqual(client.get(user, connection, max_age_ms=0).credential, largest)
            sent = len(tap.sent) if tap else 0
            failure = self.assert_fails(Status.INVALID_ARGUMENT, client.store, user, connection, largest + b"x")
            self.assertLess((len(tap.sent) if tap else 0) - sent, room // 2, "it was sent")
            self.assertEqual(failure.failure.reason, REASON_TOO_LARGE)
            self.assertIn(str(room), failure.failure.message)
            if room < 1 << 20:
                self.assertEqual(failure.failure.vault, "main")
        return f"{room} bytes"

    @row("names at the limit")
    def test_names_at_the_limit(self) -> str:
        said = []
        with self.host().client(40) as client, self.host_if_shared(client) as other:
            for letter, count in self.entry.longest_ids.items():
                user, connection = letter * count, letter * (count - 1) + "z"
                client.store(user, connection, b"value")
                self.assertEqual(other.get(user, connection, max_age_ms=0).credential, b"value")
                self.assertEqual([each.connection_id for each in other.list(user)], [connection])
                longer = self.assert_fails(Status.INVALID_ARGUMENT, client.store, user + letter, connection + letter, b"value")
                self.assertIn(self.entry.limit_of_names, longer.failure.message)
                if count * len(letter.encode()) < 256:
                    self.assertEqual(longer.failure.vault, "main")
                self.assertTrue(other.delete(user, connection))
                said.append(f"{count} times {letter}")
        return ", ".join(said)

    def host_if_shared(self, client: Client) -> Client:
        """Another host, or what is like it where there is one only."""
        return client if "hosts" in self.entry.lacks else self.host().client(40)

    # Several nodes

    @row("failover: the active node is killed", "network", "nodes")
    def test_failover(self) -> str:
        folder = self.folder / "cluster"
        folder.mkdir()
        cluster = self.entry.cluster(folder)
        self.addCleanup(cluster.stop)
        daemon = self.host(cluster.section, "cache: {ttl_seconds: 1, stale_seconds: 3600}", UNHURRIED, env=cluster.env)
        with daemon.client(40) as client:
            client.store("warm", "c", b"value")
        stores = Traffic(daemon, lambda n: store("moved", f"c-{n}", f"value-{n}".encode()), 10, 5_000).start()
        warm = Traffic(daemon, lambda n: get("warm", "c"), 10, 6_000).start()
        try:
            time.sleep(2)
            struck = time.time()
            cluster.strike()
            eventually("Stores work again", FAILOVER, lambda: any(
                each.reached and each.sent > struck for each in list(stores.samples)), step=0.1)
            time.sleep(5)
        finally:
            stores.stop()
            warm.stop()
        works = min(each.answered for each in stores.samples if each.reached and each.sent > struck)
        self.assertEqual(counted([each for each in stores.samples if each.answered < struck and not each.reached]), [])
        self.assertEqual(counted([each for each in stores.samples if each.sent > works + 3 and not each.reached]), [])
        self.assertEqual(counted([each for each in warm.samples if each.status != Status.OK]), [])
        with self.host(cluster.section, env=cluster.env).client() as client:
            for each in stores.samples:
                if each.reached:
                    self.assertEqual(client.get(*each.key.split("/")).credential, each.credential, each)
        failed = sum(not each.reached for each in stores.samples)
        return f"Stores {works - struck:.1f} s after, {failed} of {len(stores.samples)} failed"

    # Faults of the way

    @row("no fault, beside the others", "network")
    def test_no_fault(self) -> None:
        lane = self.ways.lanes["none"]
        samples = lane.warm.samples + lane.calls.samples
        self.assertGreater(len(samples), 100)
        self.assertEqual(counted([each for each in samples if not each.reached]), [])
        self.assert_kept(lane)

    @row("latency of 2 s", "network")
    def test_latency(self) -> str:
        lane = self.ways.lanes["latency of 2 s"]
        self.assert_unhurt(lane)
        self.assert_kept(lane)
        during = [each for each in lane.calls.samples if lane.broken + 1 <= each.sent < lane.mended - 1]
        self.assertGreater(len(during), 10)
        self.assertEqual(counted([each for each in during if not each.reached]), [])
        self.assertGreater(lane.tap.met, 0)
        return f"all answered, {max(each.seconds for each in during):.1f} s at most"

    @row("resets", "network")
    def test_resets(self) -> str:
        return self.see_fault("resets")

    @row("hangs", "network")
    def test_hangs(self) -> str:
        return self.see_fault("hangs")

    @row("cut answers", "network")
    def test_cut_answers(self) -> str:
        return self.see_fault("cut answers")

    @row("429 with advice", "network", "http")
    def test_429_with_advice(self) -> str:
        return self.see_fault("429 with advice")

    @row("429 without advice", "network", "http")
    def test_429_without_advice(self) -> str:
        return self.see_fault("429 without advice")

    @row("500", "network", "http")
    def test_500(self) -> str:
        return self.see_fault("500")

    @row("503", "network", "http")
    def test_503(self) -> str:
        return self.see_fault("503")

    @row("a proxy's page", "network", "http")
    def test_a_proxys_page(self) -> str:
        return self.see_fault("a proxy's page")

    @row("outage", "network")
    def test_outage(self) -> str:
        cell = self.see_fault("outage")
        lane = self.ways.lanes["outage"]
        warm = [each for each in lane.warm.samples if lane.broken <= each.sent]
        HardLife.figures = {
            "seconds": lane.mended - lane.broken, "first_store": lane.recovered - lane.mended,
            "cached": len(warm), "cached_failures": sum(each.status != Status.OK for each in warm),
            "first_error": lane.first.status.name, "first_error_after": lane.first.answered - lane.broken}
        return cell

    def see_fault(self, name: str) -> str:
        lane = self.ways.lanes[name]
        self.assert_unhurt(lane)
        self.assert_kept(lane)
        during = [each for each in lane.asking if lane.broken <= each.sent and each.answered < lane.mended]
        self.assertEqual([each for each in during if each.reached and each.sent > lane.broken + 0.5], [], "it was not broken")
        self.assertGreater(len(during), 5)
        expected = self.entry.statuses.get(name, lane.fault.statuses)
        for each in lane.failures:
            self.assertIn(each.status, self.allowed(each, expected, lane.fault.timeout / 1_000), each)
            self.assertLess(each.seconds, lane.fault.timeout / 1_000 + SLACK, each)
            if each.status == Status.RESOURCE_EXHAUSTED:
                self.assertGreaterEqual(each.retry_ms, lane.fault.advice, each)
        self.assertTrue(any(each.status in expected for each in lane.failures), counted(lane.failures))
        self.assert_recovered(lane)
        names = Counter(each.status.name for each in lane.failures)
        goes_on = "reads go on; " if lane.local_reads else ""
        return f"{', '.join(sorted(names))}; {goes_on}Stores {lane.recovered - lane.mended:.1f} s after"

    @staticmethod
    def allowed(sample: Sample, expected: frozenset[Status], seconds: float) -> set[Status]:
        """What a call may be told that has so many seconds, and is to fail as expected: at its end, that it is over."""
        if any(words in sample.message for words in RESTING):
            return {Status.UNAVAILABLE}
        return {*expected, Status.DEADLINE_EXCEEDED} if sample.seconds > 0.85 * seconds else {*expected}

    def assert_unhurt(self, lane: Lane) -> None:
        """It worked before, and what is cached never fails."""
        before = [each for each in lane.calls.samples if each.answered < lane.broken]
        self.assertTrue(any(each.reached for each in before), counted(before))
        warm = lane.warm.samples
        self.assertEqual(counted([each for each in warm if each.status != Status.OK]), [], "cached records")
        self.assertLess(max(each.seconds for each in warm), PATIENCE + SLACK)
        wrong = [each for each in warm if each.credential != lane.value(int(each.key.rpartition("-")[2]))]
        self.assertEqual(wrong, [])
        if lane.local_reads:
            self.assertEqual([each for each in warm if each.stale], [], "the vault's copy was not asked")
            self.assertGreater(len(lane.reads), 10)
            self.assertEqual(counted([each for each in lane.reads if each.status != Status.NOT_FOUND]), [])
            self.assertLess(max(each.seconds for each in lane.reads), PATIENCE + SLACK)
        elif lane.fault.statuses:
            self.assertTrue(any(each.stale for each in warm), "the vault was asked all the time")

    def assert_kept(self, lane: Lane) -> None:
        """What was reported as stored is there, and nothing that was reported as surely not stored."""
        self.assertGreater(len(lane.stores), 10)
        for each in lane.stores:
            found = self.ways.kept[each.key]
            value = lane.value(int(each.key.rpartition("-")[2]))
            if each.status == Status.OK:
                self.assertEqual(found, value, each)
            elif "may have happened" not in each.message:
                self.assertIsNone(found, each)
            else:
                self.assertIn(found, (value, None), each)

    def assert_recovered(self, lane: Lane) -> None:
        self.assertGreater(lane.recovered, 0, f"not within {options.sized(lanes.RECOVERY, lanes.RECOVERY_LONG)} s")
        late = [each for each in lane.warm.samples + lane.calls.samples if each.sent > lane.recovered + 1]
        self.assertGreater(len(late), 2)
        # A call of a few seconds may run out of them on a busy machine; it is not refused.
        failed = [each for each in late if not each.reached and each.status != Status.DEADLINE_EXCEEDED]
        self.assertEqual(counted(failed), [], "after it")
