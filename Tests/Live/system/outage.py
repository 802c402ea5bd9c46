"""OpenBao is sealed, hangs, or is killed, under load, and comes back."""

import signal
import time
from collections import Counter

from harness import Client, Daemon, Status, SystemTest, eventually, messages
from harness.options import options
from load import Sample, Traffic, get, store
from openbao import Server
from stage import Audit, Stage, configuration, new_daemon, peak
from wire import Wire

KEYS, TTL = 50, 2
STEADY, OUTAGE, AFTER = 12, 15, 12
#: The outage with --soak: longer than a breaker rests the first time.
LONG_OUTAGE = 120
#: All is well again within so many seconds: the last pause of the breaker, and a slow start.
RECOVERY = 60
#: What calls for a vault have, in milliseconds, and how long after it the answer may come on a busy machine.
TIMEOUT, SLACK = 3_000, 1.5
#: A vault whose breaker is open is asked after the first pause, then after twice as long each time, up to the last one;
#: all a fifth shorter at most. What was under way when it opened ends within CALL, and what belongs to one call comes
#: within TOGETHER.
FIRST_PAUSE, LAST_PAUSE, CALL, TOGETHER = 0.08, 30, 6, 0.3
#: Whoever waits for a vault gets what is stale after 1.5 s.
PATIENCE = 1.5


class Scenario:
    """One OpenBao, one daemon in front of it, and their load; when what happened."""

    def __init__(self, name: str, words: str, stage: Stage) -> None:
        self.name, self.words = name, words
        self.bao = stage.bao(name, "raft")
        self.daemon = new_daemon(configuration(
            {"main": stage.vault(self.bao)},
            f"cache: {{ttl_seconds: {TTL}, negative_seconds: 0, stale_seconds: 3600}}"))
        self.broken = self.returning = self.returned = self.fresh = self.ended = 0.0

    def begin(self) -> None:
        with self.daemon.client() as client:
            for number in range(KEYS):
                client.store("warm", f"key-{number}", f"value-{number}".encode())
        self.warm = [Traffic(self.daemon, lambda n, half=half: get("warm", f"key-{(2 * n + half) % KEYS}"), 50)
                     for half in (0, 1)]
        self.cold = Traffic(self.daemon, lambda n: get("cold", f"key-{n}"), 15, TIMEOUT, insists=True)
        # Those who ask come back with all that failed. A Store is two requests to the vault, and counts as one in what
        # is let through: many of them at once would be another load than before.
        self.stores = Traffic(
            self.daemon, lambda n: store("stored", f"key-{n % 10}", f"value-{n}".encode()), 4, TIMEOUT)
        # All keys were stored in the same moment, and are first read anew in the same moment.
        self.steady = time.time() + 2 * TTL
        for traffic in self.traffic:
            traffic.start()

    @property
    def traffic(self) -> list[Traffic]:
        return [*self.warm, self.cold, self.stores]

    # What happens to the vault

    def damage(self) -> None:
        if self.name == "sealed":
            self.bao.seal()
        elif self.name == "hung":
            self.bao.process.freeze()
        else:
            self.bao.process.kill()
        self.broken = time.time()

    def repair(self) -> None:
        self.returning = time.time()
        if self.name == "hung":
            self.bao.process.send(signal.SIGCONT)
        else:
            self.bao.process.stop()
            self.bao.start()
        eventually("OpenBao is back", 20, lambda: self.bao.status("GET", "sys/health") == 200)
        self.returned = time.time()

    @property
    def calm(self) -> float:
        """What lay in the sockets of one that hung was sent before, and is done with then."""
        return self.returned + (2 if self.name == "hung" else 0)

    def is_fresh(self) -> bool:
        """Every key was answered from the vault since, and calls for the vault work."""
        seen = {sample.key for sample in self.warm_samples(self.returned) if not sample.stale}
        works = all(any(sample.reached for sample in traffic.samples[-3:]) for traffic in (self.cold, self.stores))
        if not self.fresh and len(seen) == KEYS and works:
            self.fresh = time.time()
        return self.fresh > 0

    def end(self) -> None:
        self.ended = time.time()
        for traffic in self.traffic:
            traffic.stop()
        self.vault_calls = Audit(self.bao).requests()

    # What was seen

    def warm_samples(self, start: float, end: float = float("inf")) -> list[Sample]:
        return [sample for traffic in self.warm for sample in list(traffic.samples) if start <= sample.sent < end]

    def vault_samples(self, start: float, end: float = float("inf")) -> list[Sample]:
        return [sample for traffic in (self.cold, self.stores) for sample in list(traffic.samples)
                if start <= sample.sent < end]

    @property
    def port(self) -> int:
        return int(self.bao.address.rpartition(":")[2])

    @property
    def opened(self) -> float:
        """When a caller was first told that the vault is not asked any more."""
        answers = [sample.answered for sample in self.vault_samples(self.broken, self.returning)
                   if "is not asked for another" in sample.message]
        assert answers, f"{self.name}: the breaker did not open"
        return min(answers)


class Outage(SystemTest):
    """All vaults break at the same time, each in its own way; then every test looks at what was seen."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.dispose)
        kinds = {"sealed": "is sealed", "hung": "check that it runs", "killed": "check that it runs"}
        cls.scenarios = [Scenario(name, words, cls.stage) for name, words in kinds.items()]
        for scenario in cls.scenarios:
            cls.addClassCleanup(scenario.daemon.dispose)
        cls.wire = Wire(*(scenario.port for scenario in cls.scenarios))
        cls.addClassCleanup(cls.wire.close)
        for scenario in cls.scenarios:
            scenario.begin()
        try:
            cls.play()
        finally:
            for scenario in cls.scenarios:
                scenario.end()
        for scenario in cls.scenarios:
            print(cls.summary(scenario), flush=True)

    @classmethod
    def play(cls) -> None:
        time.sleep(STEADY)
        for scenario in cls.scenarios:
            scenario.damage()
        time.sleep(options.sized(OUTAGE, LONG_OUTAGE))
        for scenario in cls.scenarios:
            scenario.repair()
        end = time.monotonic() + RECOVERY + 10
        while time.monotonic() < end and not all([scenario.is_fresh() for scenario in cls.scenarios]):
            time.sleep(0.1)
        time.sleep(AFTER)

    @staticmethod
    def summary(scenario: Scenario) -> str:
        times = [when for when, _, _ in scenario.vault_calls]
        steady = peak(times, scenario.steady, scenario.broken)
        after = peak(times, scenario.calm, scenario.ended)
        rate = sum(scenario.broken - 5 <= when < scenario.broken for when in times) / 5
        return (f"  {scenario.name}: breaker open after {scenario.opened - scenario.broken:.1f} s, fresh "
                f"{scenario.fresh - scenario.returned:.1f} s after the return; requests a second: {rate:.0f} steady, "
                f"peak {steady}, peak after the return {after}")

    def test_all_is_answered_before(self) -> None:
        for scenario in self.scenarios:
            with self.subTest(vault=scenario.name):
                samples = scenario.warm_samples(0, scenario.broken - 3) + scenario.vault_samples(0, scenario.broken - 3)
                self.assertGreater(len(samples), 500)
                self.assertEqual([sample for sample in samples if not sample.reached or sample.stale], [])

    def test_calls_for_the_vault_fail_within_their_deadline(self) -> None:
        for scenario in self.scenarios:
            with self.subTest(vault=scenario.name):
                samples = scenario.vault_samples(scenario.broken + 0.1, scenario.returning - TIMEOUT / 1_000)
                self.assertGreater(len(samples), 100)
                names = {sample.status.name for sample in samples}
                expected = {"UNAVAILABLE", "DEADLINE_EXCEEDED"} if scenario.name == "hung" else {"UNAVAILABLE"}
                self.assertLessEqual(names, expected)
                self.assertLess(max(sample.seconds for sample in samples), TIMEOUT / 1_000 + SLACK)

    def test_they_come_with_advice_once_the_breaker_is_open(self) -> None:
        for scenario in self.scenarios:
            with self.subTest(vault=scenario.name):
                self.assertLess(scenario.opened - scenario.broken, 6)
                # Who asks for the same as a call that is still on its way may wait for that one's end.
                samples = scenario.vault_samples(scenario.opened + 5, scenario.returning)
                self.assertGreater(len(samples), 50)
                resting = [sample for sample in samples if "is not asked for another" in sample.message]
                refused = resting + [sample for sample in samples if "one call is testing" in sample.message]
                # All but the calls that find out whether the vault is back, and those that wait for their ends.
                others = Counter(f"{sample.status.name}: {sample.message}" for sample in samples if sample not in refused)
                self.assertLessEqual(others.total(), 20, others.most_common(5))
                for sample in refused:
                    self.assertEqual(sample.status, Status.UNAVAILABLE)
                    self.assertGreater(sample.retry_ms, 0)
                    self.assertLess(sample.seconds, SLACK, "a refusal waits for nothing")
                for sample in resting:
                    self.assertIn("check that it runs", sample.message)
                self.assertIn(scenario.words, resting[-1].message)

    def test_cached_records_are_served_and_flagged(self) -> None:
        for scenario in self.scenarios:
            with self.subTest(vault=scenario.name):
                samples = scenario.warm_samples(scenario.broken + TTL + PATIENCE, scenario.returning - PATIENCE)
                self.assertGreater(len(samples), 500)
                source = messages.credentials.SOURCE_STALE_ON_ERROR
                wrong = [sample for sample in samples
                         if sample.status != Status.OK or not sample.stale or sample.source != source]
                self.assertEqual(wrong, [])
                mixed = [sample for sample in samples
                         if sample.credential.decode() != sample.key.replace("warm/key", "value")]
                self.assertEqual(mixed, [])

    def test_no_cached_record_is_missed_at_any_time(self) -> None:
        for scenario in self.scenarios:
            with self.subTest(vault=scenario.name):
                samples = scenario.warm_samples(0)
                self.assertEqual([sample for sample in samples if sample.status != Status.OK], [])
                self.assertLess(max(sample.seconds for sample in samples), PATIENCE + SLACK)

    def probes(self, scenario: Scenario) -> list[tuple[float, float]]:
        """When the vault was asked while its breaker was open, and all that it was sent then."""
        # What was under way when it opened has an end of its own.
        return self.wire.calls(scenario.port, scenario.opened + CALL, scenario.returning, TOGETHER)

    @staticmethod
    def most(start: float, end: float) -> int:
        """How often a vault may be asked between these times after its breaker opened."""
        count, when, pause = 0, 0.0, FIRST_PAUSE
        while (when := when + pause) < end:
            count += when >= start
            pause = min(2 * pause, LAST_PAUSE)
        return count

    def test_the_vault_is_seldom_asked_meanwhile(self) -> None:
        for scenario in self.scenarios:
            with self.subTest(vault=scenario.name):
                before = self.wire.calls(scenario.port, scenario.steady, scenario.broken, 0)
                self.assertGreater(len(before), 200, "the wire was not heard")
                probes = self.probes(scenario)
                # Each may be as much later as the shortest pauses allow: then one more falls into the time.
                allowed = self.most(CALL, scenario.returning - scenario.opened) + 1
                print(f"       {scenario.name}: asked {[round(first - scenario.opened, 1) for first, _ in probes]} s "
                      "after its breaker opened", flush=True)
                self.assertLessEqual(len(probes), allowed)
                for first, last in probes:
                    self.assertLess(last - first, CALL, "one call is no more than this")
                for (earlier, _), (later, _) in zip(probes, probes[1:]):
                    # A pause is never much shorter than all that went before it.
                    self.assertGreater(later - earlier, min(LAST_PAUSE, 0.6 * (earlier - scenario.opened)) - TOGETHER)

    def test_their_age_grows(self) -> None:
        for scenario in self.scenarios:
            with self.subTest(vault=scenario.name):
                by_key: dict[str, list[Sample]] = {}
                for sample in scenario.warm_samples(scenario.broken + TTL + PATIENCE, scenario.returning - PATIENCE):
                    by_key.setdefault(sample.key, []).append(sample)
                self.assertEqual(len(by_key), KEYS)
                for key, samples in by_key.items():
                    ages = [sample.age_ms for sample in samples]
                    self.assertEqual(ages, sorted(ages), key)
                    passed = samples[-1].answered - samples[0].answered
                    self.assertAlmostEqual((ages[-1] - ages[0]) / 1_000, passed, delta=1, msg=key)
                    self.assertGreater(passed, 5)

    def test_all_is_fresh_again_without_a_restart(self) -> None:
        for scenario in self.scenarios:
            with self.subTest(vault=scenario.name):
                self.assertGreater(scenario.fresh, 0, f"not within {RECOVERY + 10} s")
                self.assertLess(scenario.fresh - scenario.returned, RECOVERY)
                late = scenario.ended - AFTER + 5
                samples = scenario.warm_samples(late) + scenario.vault_samples(late)
                self.assertGreater(len(samples), 200)
                self.assertEqual([sample for sample in samples if not sample.reached or sample.stale], [])

    def test_no_herd_meets_the_vault(self) -> None:
        for scenario in self.scenarios:
            with self.subTest(vault=scenario.name):
                times = [when for when, _, _ in scenario.vault_calls]
                steady = peak(times, scenario.steady, scenario.broken)
                self.assertGreater(steady, 20)
                self.assertLessEqual(peak(times, scenario.calm, scenario.ended), 2 * steady)


class OneVaultInAnOutage(SystemTest):
    def setUp(self) -> None:
        self.stage = Stage()
        self.addCleanup(self.stage.dispose)

    def begin(self, name: str, keys: list[str], **settings: object) -> tuple[Server, Daemon]:
        """A vault, and a daemon that has these records in its cache."""
        bao = self.stage.bao(name)
        daemon = new_daemon(configuration(
            {"main": self.stage.vault(bao, **settings)}, f"cache: {{ttl_seconds: {TTL}, stale_seconds: 3600}}"))
        self.addCleanup(daemon.dispose)
        with daemon.client() as client:
            for key in keys:
                client.store("u", key, b'{"a":1}')
        return bao, daemon

    def assert_kept(self, client: Client, keys: list[str]) -> None:
        for key in keys:
            with self.subTest(key=key):
                answer = client.get("u", key)
                self.assertEqual((answer.credential, answer.stale), (b'{"a":1}', True))

    def test_what_was_not_written_does_not_cost_what_is_cached(self) -> None:
        keys = ["refused input", "condition", "sealed", "no way there", "breaker open"]
        bao, daemon = self.begin("away", keys, format="json")
        with daemon.client() as client:
            self.assert_fails(Status.INVALID_ARGUMENT, client.store, "u", "refused input", b"no JSON")
            self.assert_fails(
                Status.FAILED_PRECONDITION, client.store, "u", "refused input", b"{}", labels={"name": "value"})
            self.assert_fails(Status.ALREADY_EXISTS, client.store, "u", "condition", b"{}", if_absent=True)
            self.assertEqual(client.get("u", "condition").credential, b'{"a":1}')
            bao.seal()
            self.assert_fails(Status.UNAVAILABLE, client.store, "u", "sealed", b"{}")
            bao.process.kill()
            self.assert_fails(Status.UNAVAILABLE, client.store, "u", "no way there", b"{}")
            for number in range(6):
                self.assert_fails(Status.UNAVAILABLE, client.store, "u", f"other-{number}", b"{}")
            refused = self.assert_fails(Status.UNAVAILABLE, client.store, "u", "breaker open", b"{}")
            self.assertIn("is not asked", str(refused))
            time.sleep(TTL)
            self.assert_kept(client, keys)

    def test_what_may_have_been_written_serves_the_old_copy_marked(self) -> None:
        """While the Store waits, and after it has failed."""
        bao, daemon = self.begin("hung", ["key"])
        with daemon.client() as writer, daemon.client() as reader:
            bao.process.freeze()
            writer.begin(*store("u", "key", b'{"a":2}'), timeout=TIMEOUT)
            # The two connections may be served by two reactors: a Get may come before the Store.
            eventually("the Store is under way", 1, lambda: reader.get("u", "key").stale)
            self.assert_kept(reader, ["key"])
            self.assertEqual(writer.response().code, Status.DEADLINE_EXCEEDED)
            self.assert_kept(reader, ["key"])
            bao.process.send(signal.SIGCONT)
            eventually("the vault says what is so", 40, lambda: not reader.get("u", "key").stale, step=0.2)

    def test_a_batch_waits_once_for_a_vault_that_hangs(self) -> None:
        keys = [f"key-{number}" for number in range(200)]
        bao, daemon = self.begin("batch", keys)
        with daemon.client() as client:
            time.sleep(TTL)
            bao.process.freeze()
            started = time.monotonic()
            results = client.get_many([("u", key) for key in keys], timeout=5_000)
            seconds = time.monotonic() - started
            # With less time than a stale copy is held back, and with copies that are too old.
            hurried = client.get_many([("u", key) for key in keys[:50]], timeout=1_000)
            strict = client.get_many([("u", key) for key in keys[:50]], timeout=1_000, max_age_ms=1)
            bao.process.send(signal.SIGCONT)
        self.assertEqual({result.status for result in results}, {Status.OK})
        self.assertLess(seconds, PATIENCE + SLACK)
        self.assertEqual({result.status for result in hurried}, {Status.OK})
        self.assertEqual({result.status for result in strict}, {Status.DEADLINE_EXCEEDED})
