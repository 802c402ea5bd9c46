"""A vault that cannot be reached for a moment: Stores work again about as soon as it is back."""

import time

from harness import SystemTest
from harness.options import options
from load import Traffic, store
from stage import Stage, configuration, new_daemon
from tap import Tap

ROUNDS, SOAK_ROUNDS = 3, 20
AWAY = 0.6
#: Stores a second.
RATE = 20
#: A Store works at most so many seconds after the return, and none fails later than that.
RECOVERY = 1
#: Longer than the breaker needs to take the next blip for a new outage.
BETWEEN = 6


class Blip(SystemTest):
    time_limit = 300

    def test_a_blip_costs_about_what_it_lasts(self) -> None:
        stage = Stage()
        self.addCleanup(stage.dispose)
        bao = stage.bao("bao")
        tap = Tap(int(bao.address.rpartition(":")[2]))
        self.addCleanup(tap.close)
        daemon = new_daemon(configuration({"main": stage.vault(bao, address=f"https://127.0.0.1:{tap.port}")}))
        self.addCleanup(daemon.dispose)
        with daemon.client() as client:
            client.store("user", "first", b"value")
        traffic = Traffic(daemon, lambda n: store("user", f"key-{n % 20}", f"value-{n}".encode()), RATE, 3_000).start()
        try:
            times = [self.away(tap) for _ in range(options.sized(ROUNDS, SOAK_ROUNDS))]
        finally:
            traffic.stop()
        samples = traffic.samples
        for gone, back in times:
            failed = [each for each in samples if gone <= each.answered < back + BETWEEN and not each.reached]
            works = min(each.answered for each in samples if each.reached and each.answered >= back) - back
            last = max((each.answered for each in failed), default=back) - back
            print(f"  away for {back - gone:.2f} s: a Store works {works:.2f} s after, the last that failed {last:.2f} s "
                  f"after; {len(failed)} failed", flush=True)
            with self.subTest(gone=gone - times[0][0]):
                self.assertGreater(len(failed), 0, "it was not away")
                self.assertLess(works, RECOVERY)
                self.assertLess(last, RECOVERY)
        self.assertTrue(any("is not asked for another" in each.message for each in samples), "the breaker did not open")
        first = times[0][0]
        self.assertEqual([each for each in samples if each.answered < first and not each.reached], [])

    def away(self, tap: Tap) -> tuple[float, float]:
        """When it was gone, and when it was back."""
        time.sleep(BETWEEN)
        gone = time.time()
        tap.cut()
        time.sleep(max(0, gone + AWAY - time.time()))
        tap.mend()
        back = time.time()
        time.sleep(RECOVERY + 1)
        return gone, back
