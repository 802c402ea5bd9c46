"""The programs `coffer` and `coffer-load`."""

import json
import os
import subprocess

from harness import Status, SystemTest, options, run
from harness.daemon import environment


class CommandLine(SystemTest):
    def test_exit_code_is_the_status(self) -> None:
        daemon = self.daemon()
        self.assertEqual(daemon.coffer("get", "nobody", "nothing").returncode, Status.NOT_FOUND)
        self.assertEqual(daemon.coffer("get", "\x01", "c").returncode, Status.INVALID_ARGUMENT)
        self.assertEqual(daemon.coffer("store", "user", "c", stdin=b"").returncode, Status.INVALID_ARGUMENT)

    def test_no_daemon_is_unavailable(self) -> None:
        daemon = self.daemon()
        daemon.terminate()
        ended = daemon.coffer("get", "user", "c")
        self.assertEqual(ended.returncode, Status.UNAVAILABLE, ended.stderr)
        self.assertEqual(ended.stdout, b"")
        self.assertIn(str(daemon.place.socket).encode(), ended.stderr)

    def test_command_that_the_daemon_says_to_try_works(self) -> None:
        daemon = self.daemon()
        (line,) = [line for line in daemon.log_text().splitlines() if line.startswith("try ")]
        command = line.removeprefix("try ").strip()
        env = environment({"PATH": f"{options.bin}:{os.environ['PATH']}"})
        ended = subprocess.run(["sh", "-c", f"set -e; {command}"], env=env, capture_output=True, timeout=20)
        self.assertEqual(ended.returncode, 0, f"{command}: {ended.stderr.decode()}")
        self.assertEqual(daemon.coffer("get", "user1", "conn1").stdout, b"s3cret")

    def test_wrong_command_line(self) -> None:
        daemon = self.daemon()
        for arguments in (["get", "user"], ["frobnicate"], ["store", "user", "c", "--ttl", "soon"]):
            with self.subTest(arguments=arguments):
                self.assertEqual(daemon.coffer(*arguments).returncode, 64)

    def test_wrong_command_line_names_what_was_meant(self) -> None:
        ended = run("coffer", "stor", "user", "c")
        self.assertEqual(ended.returncode, 64)
        self.assertIn(b"did you mean store?", ended.stderr)
        for word in ("hunter2", "list2secret"):
            self.assertNotIn(b"did you mean", run("coffer", word).stderr)
        ended = run("coffer", "get", "user", "c", "--timeout", "-1s")
        self.assertEqual(ended.returncode, 64)
        self.assertIn(b"--timeout", ended.stderr.splitlines()[0])
        self.assertIn(b"Usage: coffer get", ended.stderr)
        self.assertIn(b"Usage: coffer get", run("coffer", "get", "user", "c", "-hunter2").stderr)
        self.assertNotIn(b"hunter2", run("coffer", "get", "user", "c", "-hunter2").stderr)

    def test_a_lifetime_has_no_default_and_is_rounded_up(self) -> None:
        text = b" ".join(run("coffer", "store", "--help").stdout.split())
        self.assertIn(b"Rounded up to whole seconds", text)
        self.assertIn(b"(default: none)", text)
        self.assertNotIn(b"0ms", text)
        daemon = self.daemon()
        stored = json.loads(daemon.coffer("store", "user", "c", "--ttl", "1500ms", "--json", stdin=b"value").stdout)
        self.assertEqual(stored["expiresAtMs"] - stored["updatedAtMs"], 2000)

    def test_settings_for_programs_have_no_markdown(self) -> None:
        rows = json.loads(run("cofferd", "--print-settings", "--form", "json").stdout)
        for row in rows:
            for name in ("default", "summary", "risk"):
                self.assertNotIn("`", row[name])
                self.assertNotIn("](", row[name])

    def test_form_belongs_to_print_settings(self) -> None:
        ended = run("cofferd", "--form", "json")
        self.assertEqual((ended.returncode, ended.stdout), (64, b""))
        self.assertIn(b"give both", ended.stderr)

    def test_settings_are_printed_for_a_reader_without_the_manual(self) -> None:
        text = run("cofferd", "--print-settings").stdout.decode()
        for word in ("see below", "below configure", "Files with secrets", "](", "bounds instead, below"):
            self.assertNotIn(word, text)
        self.assertEqual(text.count("["), text.count("]"), "half a list, or half a link")

    def test_list_health_and_stats_are_json(self) -> None:
        daemon = self.daemon()
        daemon.coffer("store", "user", "c", "--label", "team=payments", stdin=b"value")
        listed = daemon.coffer("list", "--json", "user")
        self.assertIn(b"payments", listed.stdout)
        for arguments in (["list", "user"], ["health"], ["stats"]):
            ended = daemon.coffer(*arguments, "--json")
            self.assertEqual(ended.returncode, 0, ended.stderr)
            json.loads(ended.stdout)

    def test_load_generator_finds_no_wrong_answer(self) -> None:
        daemon = self.daemon()
        ended = run(
            "coffer-load", "--socket", daemon.place.socket, "--connections", 8, "--depth", 4, "--seconds",
            options.sized(2, 60), "--warmup", 0, "--keys", 500, "--mix", "0.2", "--prepare", "--check-every", 1,
            "--json", seconds=options.sized(60, 180))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        report = json.loads(ended.stdout)
        self.assertEqual((report["errors"], report["wrongAnswers"]), (0, 0), report)

    def test_load_generator_plays_a_trace(self) -> None:
        """Every figure can be counted: 0 is read from the vault once, what is stored is cached at once."""
        daemon = self.daemon()
        trace = daemon.place.folder / "trace"
        trace.write_text("coffer-trace 1\nrecords 2\n0 G 0\n0 G 0\n1 S 2\n1 G 2\n2 down\n3 up\n3 D 2\n4 G 2\n")
        arguments = ("coffer-load", "--socket", daemon.place.socket, "--trace", trace, "--check-every", 1)
        ended = run(*arguments, "--prepare", "--json", seconds=60)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        report = json.loads(ended.stdout)
        self.assertEqual((report["errors"], report["absent"], report["skippedOutages"]), (0, 1, 1), report)
        cache = report["cache"]
        self.assertEqual((cache["hits"], cache["misses"], cache["vaultReads"]), (3, 1, 1), report)
        trace.write_text("coffer-trace 1\nrecords 2\n0 G 0\n0 G\n")
        ended = run(*arguments, seconds=60)
        self.assertEqual(ended.returncode, 1, ended.stdout)
        self.assertIn(b"line 4: expected G, S or D", ended.stderr)
