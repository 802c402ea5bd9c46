"""A vault that limits the rate of calls: it leaves the rate that it allows."""

import time

from harness import Status, SystemTest
from load import Traffic, get
from stage import Stage, configuration, new_daemon

LIMIT = 5
SECONDS = 8


class Quota(SystemTest):
    time_limit = 60

    def test_a_quota_leaves_what_it_allows(self) -> None:
        stage = Stage()
        self.addCleanup(stage.dispose)
        traffic = {}
        for advice in (True, False):
            bao = stage.bao("with-advice" if advice else "without")
            daemon = new_daemon(configuration({"main": stage.vault(bao)}))
            self.addCleanup(daemon.dispose)
            with daemon.client() as client:
                client.store("user", "first", b"value")
            bao.require("POST", "sys/quotas/config", {"enable_rate_limit_response_headers": advice})
            bao.require("POST", "sys/quotas/rate-limit/live", {"rate": LIMIT, "interval": "1s", "path": "secret"})
            traffic[advice] = Traffic(daemon, lambda n: get("user", f"key-{n}"), 20, 3_000).start()
        start = time.time()
        time.sleep(SECONDS)
        for advice, each in traffic.items():
            each.stop()
            reached = [sample for sample in each.samples if sample.reached and sample.answered < start + SECONDS]
            print(f"  a quota of {LIMIT} a second, {'with' if advice else 'without'} Retry-After: "
                  f"{len(reached) / SECONDS:.1f} calls a second", flush=True)
            with self.subTest(advice=advice):
                self.assertGreaterEqual(len(reached), 0.8 * LIMIT * SECONDS)
                refused = [sample for sample in each.samples if not sample.reached]
                self.assertGreater(len(refused), SECONDS, "the quota was not met")
                self.assertEqual({sample.status for sample in refused}, {Status.RESOURCE_EXHAUSTED})
                # In every second somebody is served.
                for second in range(SECONDS):
                    inside = [sample for sample in reached if start + second <= sample.answered < start + second + 1]
                    self.assertGreater(len(inside), 0, f"nobody in second {second}")
