"""`coffer policy`: a policy is checked and tested without a daemon."""

import json
import os
import pwd
import subprocess
from pathlib import Path

from harness import Place, Status, SystemTest, binary, run
from harness.daemon import environment

PAGE = Path(__file__).resolve().parents[2] / "docs" / "policy.md"
PROGRAMS = """
allow:
- name: unit
  who: {unit: mail.service}
  verbs: [get]
  keys: {user_id: '*', connection_id: '*'}
- name: program
  who: {executable: /usr/bin/mail-sync, sha256: %s, user: 0}
  verbs: [stats]
deny:
- name: batch
  who: {cgroup: /batch.slice}
  verbs: [get]
  keys: {user_id: root, connection_id: '*'}
""" % ("0a" * 32)


def blocks(language: str) -> list[str]:
    """The blocks of code of one language in the manual's page."""
    return [part.partition("\n```")[0] + "\n" for part in PAGE.read_text().split(f"\n```{language}\n")[1:]]


class Policies(SystemTest):
    def setUp(self) -> None:
        self.place = Place()
        self.addCleanup(self.place.remove)
        self.file = self.place.folder / "policy.yaml"

    def coffer(self, *arguments: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [binary("coffer"), "policy", *map(str, arguments)], env=environment(), cwd=self.place.folder, capture_output=True, timeout=30)

    def checked(self, text: str, *options: str) -> tuple[int, list[str], str]:
        self.file.write_text(text)
        ended = self.coffer("check", "policy.yaml", *options)
        return ended.returncode, ended.stdout.decode().splitlines(), ended.stderr.decode()

    def outcome(self, text: str, *arguments: object) -> tuple[int, list[str], str]:
        self.file.write_text(text)
        ended = self.coffer("test", "policy.yaml", *arguments)
        return ended.returncode, ended.stdout.decode().splitlines(), ended.stderr.decode()

    # The manual's page

    def test_what_the_page_shows_is_what_is_printed(self) -> None:
        shown, (draft,) = blocks("console"), blocks("yaml draft")
        self.assertEqual(len(shown), 3)
        for block in shown:
            command, *expected = block.splitlines()
            self.assertTrue(command.startswith("$ coffer policy "), command)
            with self.subTest(command=command):
                self.file.write_text(blocks("yaml")[0])
                (self.place.folder / "draft.yaml").write_text(draft)
                (self.place.folder / "mended.yaml").write_text(draft.replace("grup", "group").replace("lst", "list"))
                ended = self.coffer(*command.split()[3:])
                self.assertEqual(ended.stdout.decode().splitlines(), expected, ended.stderr)

    # check

    def test_a_policy_without_a_mistake(self) -> None:
        policy = "allow:\n- {name: a, who: {user: root}, verbs: health}\n"
        self.assertEqual(self.checked(policy), (0, ["policy.yaml: valid, 1 rule, 0 findings"], ""))
        self.assertEqual(json.loads("".join(self.checked(policy, "--json")[1])),
                         {"file": "policy.yaml", "valid": True, "rules": 1, "mistakes": [], "findings": []})

    def test_findings_are_no_mistakes(self) -> None:
        code, lines, _ = self.checked("allow:\n- {name: a, who: anyone, verbs: health}\n")
        self.assertEqual((code, lines[1]), (0, "policy.yaml: valid, 1 rule, 1 finding"))
        self.assertTrue(lines[0].startswith("policy.yaml:2: rule a: anyone who can connect"), lines)

    def test_every_mistake_has_its_place(self) -> None:
        policy = "allow:\n- name: a\n  who: {usr: root}\n  verbs: [gte]\n  keys: {user_id: '**', connection_id: x}\n"
        code, lines, error = self.checked(policy)
        self.assertEqual((code, error), (Status.INVALID_ARGUMENT, ""))
        self.assertEqual(lines, [
            "policy.yaml:3:9: unknown setting usr; did you mean user?",
            "policy.yaml:4:11: verbs: expected one of get, store, delete, list, invalidate, health, stats, doctor; did you mean get?",
            "policy.yaml:5:19: user_id: expected one * at most; write \\* for a star that stands for itself",
            "policy.yaml: refused, 3 mistakes"])
        ended = self.coffer("check", self.file, "--json")
        found = json.loads(ended.stdout)
        self.assertEqual((ended.returncode, ended.stderr), (Status.INVALID_ARGUMENT, b""))
        self.assertEqual((found["valid"], found["findings"], "rules" in found), (False, [], False))
        self.assertEqual([(mistake["line"], mistake["column"]) for mistake in found["mistakes"]], [(3, 9), (4, 11), (5, 19)])

    def test_names_of_another_host(self) -> None:
        policy = "allow:\n- {name: a, who: {user: no-such-user, group: no-such-group}, verbs: health}\n"
        code, lines, error = self.checked(policy)
        self.assertEqual((code, lines[-1]), (Status.INVALID_ARGUMENT, "policy.yaml: refused, 2 mistakes"))
        self.assertEqual(error, "coffer: with --other-host, users and groups need not exist on this host\n")
        self.assertEqual(self.checked(policy, "--other-host"), (0, ["policy.yaml: valid, 1 rule, 0 findings"], ""))
        self.assertEqual(self.checked("allow: 5")[2], "")
        self.assertEqual(self.outcome(policy, "--other-host", "--as", "no-such-user", "--group", "no-such-group", "health")[0], 0)

    def test_what_cannot_be_read(self) -> None:
        self.file.write_bytes(b"allow:\n- \xe9\n")
        (self.place.folder / "large").write_bytes(b"#" * ((1 << 20) + 1))
        for file, message in (
            ("none", "cannot read none: No such file or directory"), (".", "cannot read .: Is a directory"),
            ("policy.yaml", "policy.yaml:2: expected UTF-8, got other bytes; save the file as UTF-8"),
            ("large", "large: expected at most 1MiB, got more"),
        ):
            for command in (["check", file], ["test", file, "--as", "0", "health"]):
                with self.subTest(command=command):
                    ended = self.coffer(*command)
                    self.assertEqual((ended.returncode, ended.stdout), (Status.INVALID_ARGUMENT, b""))
                    self.assertEqual(ended.stderr.decode(), f"coffer: INVALID_ARGUMENT: {message}\n")
                    error = json.loads(self.coffer(*command, "--json").stderr)["error"]
                    self.assertEqual((error["status"], error["message"]), ("INVALID_ARGUMENT", message))

    def test_a_file_name_moves_no_cursor(self) -> None:
        name = "p\x1b[2J\n.yaml"
        (self.place.folder / name).write_text("allow: []")
        self.assertEqual(self.coffer("check", name).stdout, b"p\\u{1b}[2J\\u{a}.yaml: valid, 0 rules, 0 findings\n")

    # test

    def test_exit_code_says_whether_it_is_allowed(self) -> None:
        policy = "allow:\n- {name: a, who: {user: root}, verbs: [get, health], keys: {user_id: '${caller.user}', connection_id: '*'}, rate: 1/h}\n"
        for arguments, code, line in (
            (["--as", "root", "get", "root", "c"], 0, "get of user_id 'root', connection_id 'c': allowed by a (line 2)"),
            (["--as", "0", "health"], 0, "health: allowed by a (line 2)"),
            (["--as", "root", "get", "ann", "c"], 7, "get of user_id 'ann', connection_id 'c': denied: no rule allows it"),
            (["--as", "1", "health"], 7, "health: denied: no rule allows it"),
            (["--as", "root", "get", "--", "root", "--json"], 0, "get of user_id 'root', connection_id '--json': allowed by a (line 2)"),
            (["--as", "65534", "health"], 7, "health: denied: whoever has no number of its own looks like this caller, so it is allowed nothing"),
        ):
            with self.subTest(arguments=arguments):
                got = self.outcome(policy, *arguments)
                self.assertEqual((got[0], got[1][0], got[2]), (code, line, ""))

    def test_groups_are_those_of_the_user_database(self) -> None:
        members = [(user.pw_name, gid) for user in pwd.getpwall() if user.pw_uid not in (0, 65534) and user.pw_gid != 65534
                   for gid in os.getgrouplist(user.pw_name, user.pw_gid) if gid != 65534]
        self.assertGreater(len(members), 3)
        for name, gid in members:
            policy = f"allow:\n- {{name: a, who: {{group: {gid}}}, verbs: health}}\n"
            with self.subTest(user=name, group=gid):
                self.assertEqual(self.outcome(policy, "--as", name, "health")[0], 0)
        policy = "allow:\n- {name: a, who: {group: 4000000017}, verbs: health}\n"
        self.assertEqual(self.outcome(policy, "--as", members[0][0], "health")[0], 7)
        self.assertEqual(self.outcome(policy, "--as", members[0][0], "--group", "4000000017", "health")[0], 0)

    def test_what_is_not_given_is_not_proven(self) -> None:
        advice = "coffer: not given, so not proven: {}; rules that ask for it do not allow, and do deny\n"
        digest = ["--sha256", "0a" * 32]
        for arguments, code, error in (
            (["get", "ann", "c"], 7, advice.format("--unit")),
            (["--unit", "mail.service", "get", "ann", "c"], 0, ""),
            (["--unit", "mail.service", "get", "root", "c"], 7, advice.format("--cgroup")),
            (["--cgroup", "/system.slice/mail.service", "get", "root", "c"], 0, ""),
            (["--cgroup", "/batch.slice/mail.service", "get", "root", "c"], 7, ""),
            (["stats"], 7, advice.format("--executable")),
            (["--executable", "/usr/bin/mail-sync", "stats"], 7, advice.format("--sha256")),
            (["--executable", "/usr/bin/mail-sync", *digest, "stats"], 0, ""),
        ):
            with self.subTest(arguments=arguments):
                got = self.outcome(PROGRAMS, "--as", "0", *arguments)
                self.assertEqual((got[0], got[2]), (code, error), got[1])
                ended = self.coffer("test", self.file, "--json", "--as", "0", *arguments)
                found = json.loads(ended.stdout)
                self.assertEqual((ended.returncode, ended.stderr), (code, b""))
                self.assertEqual(found["allowed"], code == 0)
                self.assertEqual([f"--{name}" for name in found["notProven"]], [error.split()[6].strip(";")] if error else [])

    def test_json_says_what_each_rule_says(self) -> None:
        self.file.write_text(PROGRAMS)
        ended = self.coffer("test", self.file, "--as", "root", "--cgroup", "/system.slice/mail.service", "--json", "get", "ann", "c")
        found = json.loads(ended.stdout)
        self.assertEqual((found["allowed"], found["rule"]), (True, "unit"))
        self.assertEqual({name: found["caller"][name] for name in ("uid", "gid", "name", "unit", "cgroup")},
                         {"uid": 0, "gid": 0, "name": "root", "unit": "mail.service", "cgroup": "/system.slice/mail.service"})
        self.assertEqual([(rule["kind"], rule["name"], rule["decides"], rule["message"]) for rule in found["rules"]], [
            ("deny", "batch", False, "is about other callers (cgroup)"), ("allow", "unit", True, "decides"),
            ("allow", "program", False, "is about other verbs")])

    def test_a_caller_that_cannot_be(self) -> None:
        for arguments, message in (
            (["--as", "no-such-user"], "--as: there is no user no-such-user on this host; give a number, or --other-host for a policy of another host"),
            (["--as", "0", "--group", "no-such-group"],
             "--group: there is no group no-such-group on this host; give a number, or --other-host for a policy of another host"),
            (["--as", "0", "--unit", "mail"], "--unit: expected the whole name of a unit, such as mail.service"),
            (["--as", "0", "--unit", "a.service", "--cgroup", "/b.service"], "--unit: --cgroup is in the unit b.service; leave one of the two out"),
            (["--as", "0", "--executable", "x"], "--executable: expected a path from the root, such as /usr/bin/mail-sync"),
        ):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.outcome("allow: []", *arguments, "health"), (Status.INVALID_ARGUMENT, [], f"coffer: INVALID_ARGUMENT: {message}\n"))
        self.assertEqual(self.outcome("allow: []", "--as", "0", "get", "", "c"), (
            Status.INVALID_ARGUMENT, [], "coffer: INVALID_ARGUMENT: user_id: expected 1 to 256 bytes, got 0\n"))

    def test_a_policy_with_mistakes_is_not_tested(self) -> None:
        for policy, message in (
            ("alow: []", "policy.yaml:1:1: unknown setting alow; did you mean allow?"),
            ("allow: 5\ndeny: 5", "policy.yaml:1:8: expected a list of rules; write [] for none (1 more; coffer policy check shows all)"),
        ):
            got = self.outcome(policy, "--as", "0", "health")
            self.assertEqual(got, (Status.INVALID_ARGUMENT, [], f"coffer: INVALID_ARGUMENT: {message}\n"))

    def test_a_wrong_command_line_says_what_is_right(self) -> None:
        for arguments, words in (
            (["chek", "p"], b"did you mean check?"), (["test", "p", "--as", "0", "gte", "a", "b"], b"expected one of get, store, delete, "
             b"list, invalidate, health, stats, doctor; did you mean get?"),
            (["test", "p", "--as", "0", "get", "ann"], b"get is about a record: give <user-id> and <connection-id> behind it"),
            (["test", "p", "--as", "0", "health", "ann"], b"health is about no record: leave out what follows it"),
            (["test", "p", "get", "ann", "c"], b"--as <user>"), (["test", "p", "--as", "0"], b"<verb>"), (["check"], b"<file>"),
        ):
            with self.subTest(arguments=arguments):
                ended = run("coffer", "policy", *arguments)
                self.assertEqual((ended.returncode, ended.stdout), (64, b""))
                self.assertIn(words, ended.stderr.splitlines()[0])
                self.assertIn(b"Usage: coffer policy", ended.stderr)
