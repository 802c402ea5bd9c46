"""The secrets of an app at Fly.io: what a Machine hands to the daemon in its environment, and what becomes of a Store.

The API is the stand-in of the live tests, `Tests/Live/fake_fly.py`.
"""

import json
import sys
import threading
from pathlib import Path

from harness import Daemon, Place, Status, SystemTest, eventually, run

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Live"))
import fake_fly  # noqa: E402

#: As the guide has it: `fly secrets set CONNECTOR_USER123_CONN456='…'`.
GUIDE = '{"apiKey":"sk_123","secret":"sec_456"}'


class Reading(SystemTest):
    def test_the_guides_variables_are_records_and_leave_the_environment(self) -> None:
        daemon = self.daemon(env={
            "VAULT_TYPE": "fly", "CONNECTOR_USER123_CONN456": GUIDE, "CONNECTOR_a__5Fb_c": '{"n":1}', "CONNECTOR_a_b_c": "x",
            "CONNECTOR_empty_c": ""})
        self.assertEqual(daemon.coffer("get", "USER123", "CONN456").stdout.decode(), GUIDE)
        self.assertEqual(daemon.coffer("get", "a_b", "c").stdout.decode(), '{"n":1}')
        for user, connection in (("user123", "conn456"), ("a", "b_c"), ("empty", "c")):
            self.assertEqual(daemon.coffer("get", user, connection).returncode, Status.NOT_FOUND)
        self.assertEqual(len(daemon.coffer("list").stdout.splitlines()), 2)
        self.assert_wiped(daemon, "VAULT_TYPE=fly")

    def test_they_are_wiped_whatever_vault_there_is(self) -> None:
        daemon = self.daemon(env={"CONNECTOR_USER123_CONN456": GUIDE, "FLY_API_TOKEN": "fm2_token"})
        self.assertEqual(daemon.coffer("get", "USER123", "CONN456").returncode, Status.NOT_FOUND)
        self.assert_wiped(daemon, "LANG=")
        self.assertNotIn(b"fm2_token", Path(f"/proc/{daemon.pid}/environ").read_bytes())

    def assert_wiped(self, daemon: Daemon, kept: str) -> None:
        shown = Path(f"/proc/{daemon.pid}/environ").read_bytes()
        self.assertIn(kept.encode(), shown, "the environment can be read")
        for word in (b"CONNECTOR", b"USER123", b"sk_123", b"sec_456"):
            self.assertNotIn(word, shown)

    def test_without_a_token_it_reads_and_says_so(self) -> None:
        daemon = self.daemon(env={"VAULT_TYPE": "fly", "CONNECTOR_u_c": "{}"})
        ended = daemon.coffer("store", "u", "d", stdin=b"{}")
        self.assertEqual(ended.returncode, Status.FAILED_PRECONDITION)
        self.assertIn(b"only reads: there is no API token: set FLY_API_TOKEN", ended.stderr)
        self.assertIn("there is no API token", daemon.log_text())
        self.assertEqual(daemon.coffer("health").returncode, 0)

    def test_check_finds_what_the_start_refuses(self) -> None:
        for env, words in (
            ({"FLY_API_TOKEN": "fm2_x"}, b"FLY_APP_NAME: is not set"),
            ({"FLY_API_TOKEN": "two words", "FLY_APP_NAME": "a"}, b"expected one API token"),
        ):
            place = Place()
            self.addCleanup(place.remove)
            ended = run("cofferd", "--check", "--data", place.data, env={"VAULT_TYPE": "fly"} | env)
            self.assertEqual(ended.returncode, 78, ended.stderr)
            self.assertIn(words, ended.stderr)
            self.assertNotIn(b"two words", ended.stderr)


class Writing(SystemTest):
    """A Machine of the app `live`, whose volume has the data folder."""

    def setUp(self) -> None:
        self.api = fake_fly.API()
        handler = type("Handler", (fake_fly.Handler,), {"api": self.api})
        self.server = fake_fly.Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.app = self.api.apps["live"] = fake_fly.App()
        self.machine = self.app.machines["m1"] = fake_fly.Machine("m1", {"image": "img"})
        self.app.update(self.machine)
        self.place = Place()
        self.addCleanup(self.place.remove)

    def start(self, **more: str) -> Daemon:
        """A start of the Machine: with the environment that its last update has fixed."""
        return self.daemon(place=self.place, env=self.machine.environment | {
            "VAULT_TYPE": "fly", "COFFER_FORMAT": "json", "CREDENTIAL_ENCRYPTION_KEY": "a passphrase of the app",
            "FLY_APP_NAME": "live", "FLY_API_TOKEN": "FlyV1 fm2_app-token", "FLY_MACHINE_ID": "m1",
            "FLY_MACHINE_VERSION": self.machine.instance,
            "FLY_FLAPS_BASE_URL": f"http://127.0.0.1:{self.server.server_address[1]}"} | more)

    def text(self, daemon: Daemon) -> str | None:
        ended = daemon.coffer("get", "u", "c", "--max-age", "0")
        self.assertIn(ended.returncode, (0, Status.NOT_FOUND), ended.stderr)
        return ended.stdout.decode() if ended.returncode == 0 else None

    def store(self, daemon: Daemon, text: str) -> None:
        ended = daemon.coffer("store", "u", "c", stdin=text.encode())
        self.assertEqual(ended.returncode, 0, ended.stderr)

    def files(self) -> list[Path]:
        return sorted((self.place.data / "fly").glob("*.sealed"))

    def test_a_store_outlives_restarts_until_a_deployment_brings_it_in(self) -> None:
        daemon = self.start()
        self.store(daemon, '{"n":1}')
        self.assertEqual(self.app.secrets["CONNECTOR_u_c"].value, '{"n":1}')
        for end in (Daemon.terminate, Daemon.kill):
            self.assertEqual(self.text(daemon), '{"n":1}')
            end(daemon)
            daemon = self.start()
        self.assertEqual(self.text(daemon), '{"n":1}')
        (file,) = self.files()
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.assertNotIn(b'"n"', file.read_bytes())
        daemon.terminate()
        self.app.update(self.machine)
        daemon = self.start()
        self.assertEqual(self.text(daemon), '{"n":1}')
        self.assertEqual(daemon.coffer("health").returncode, 0)
        self.assertEqual(self.files(), [])
        self.assertEqual(daemon.coffer("delete", "u", "c").returncode, 0)
        daemon.kill()
        self.assertIn("CONNECTOR_u_c", self.machine.environment)
        self.assertIsNone(self.text(self.start()))

    def test_an_update_of_before_a_delete_does_not_bring_the_record_back(self) -> None:
        daemon = self.start()
        self.store(daemon, '{"n":1}')
        # It fixes the secrets now; the daemon runs on until the Machine stops.
        self.app.update(self.machine)
        self.assertEqual(daemon.coffer("delete", "u", "c").returncode, 0)
        daemon.terminate()
        self.assertIn("CONNECTOR_u_c", self.machine.environment)
        for _ in range(2):
            daemon = self.start()
            self.assertIsNone(self.text(daemon))
            daemon.kill()

    def test_what_the_operator_deploys_after_a_lost_store_is_served(self) -> None:
        daemon = self.start()
        self.api.plans.append(fake_fly.Plan(match="^POST", times=10, act="dropped"))
        self.assertNotEqual(daemon.coffer("store", "u", "c", "--timeout", "2s", stdin=b'{"n":1}').returncode, 0)
        daemon.kill()
        self.api.plans.clear()
        self.app.secrets["CONNECTOR_u_c"] = fake_fly.Secret('{"n":2}', fake_fly.now(), fake_fly.now())
        self.app.version += 1
        self.app.update(self.machine)
        for _ in range(2):
            daemon = self.start()
            self.assertEqual(self.text(daemon), '{"n":2}')
            daemon.kill()

    def test_kill_9_before_and_after_the_api_has_the_store(self) -> None:
        daemon = self.start()
        self.store(daemon, '{"n":1}')
        for number, act in ((2, "dropped"), (3, "lost")):
            with self.subTest(act=act):
                delay = {"dropped": "delay", "lost": "delay_answer"}[act]
                self.api.plans.append(fake_fly.Plan(match="^POST", times=1, act=act, **{delay: 30}))
                asked = len(self.api.requests)
                storing = threading.Thread(target=daemon.coffer, args=("store", "u", "c"), kwargs={"stdin": b'{"n":%d}' % number})
                storing.start()
                self.addCleanup(storing.join)
                eventually("the API has the Store", 10, lambda: any(each["method"] == "POST" for each in self.api.requests[asked:]))
                if act == "lost":
                    eventually("it has done it", 10, lambda: self.app.secrets["CONNECTOR_u_c"].value == '{"n":3}')
                daemon.kill()
                daemon = self.start()
                # The last that was acknowledged.
                self.assertEqual(self.text(daemon), '{"n":1}')
        daemon.kill()
        self.app.update(self.machine)
        self.assertEqual(self.text(self.start()), '{"n":3}')

    def test_reading_goes_on_while_the_api_is_away(self) -> None:
        self.app.secrets["CONNECTOR_u_c"] = fake_fly.Secret('{"n":1}', fake_fly.now(), fake_fly.now())
        self.app.update(self.machine)
        daemon = self.start()
        self.api.plans.append(fake_fly.Plan(match=".", times=10_000, status=503))
        # More than it takes to open the breaker.
        for _ in range(8):
            self.assertIn(
                daemon.coffer("store", "u", "d", stdin=b"{}").returncode, (Status.UNAVAILABLE, Status.RESOURCE_EXHAUSTED))
        (vault,) = json.loads(daemon.coffer("vaults", "--json").stdout)
        self.assertNotEqual(vault["breaker"], "closed")
        self.assertEqual(self.text(daemon), '{"n":1}')
        self.assertEqual(len(daemon.coffer("list").stdout.splitlines()), 1)
        ended = daemon.coffer("health")
        self.assertEqual(ended.returncode, Status.UNAVAILABLE)
        self.assertIn(b"reading needs no API, and goes on", ended.stdout)

    def test_deployed_updates_the_machine_itself(self) -> None:
        daemon = self.start(COFFER_VAULT_DEPLOYMENT="deployed", COFFER_VAULT_DEPLOY_DELAY_MS="10ms")
        before = self.machine.instance
        self.store(daemon, '{"n":1}')
        eventually("the Machine has the record", 10, lambda: self.machine.environment.get("CONNECTOR_u_c") == '{"n":1}')
        self.assertNotEqual(self.machine.instance, before)
        progress = self.place.data / "fly" / "deployed"
        self.assertEqual(progress.read_text(), f"live {self.app.version} {before}")
        daemon.kill()
        daemon = self.start()
        self.assertEqual(self.text(daemon), '{"n":1}')
        self.assertEqual(daemon.coffer("health").returncode, 0)
        self.assertEqual(self.files(), [])

    def test_another_key_is_told_and_serves_nothing_older(self) -> None:
        daemon = self.start(COFFER_FORMAT="sealed")
        self.store(daemon, '{"n":1}')
        daemon.terminate()
        (self.place.data / "keyring").unlink(missing_ok=True)
        daemon = self.start(CREDENTIAL_ENCRYPTION_KEY="another passphrase")
        self.assertIn("that do not open: 1; their records are DATA_LOSS", daemon.log_text())
        ended = daemon.coffer("get", "u", "c")
        self.assertEqual(ended.returncode, Status.DATA_LOSS, ended.stderr)
