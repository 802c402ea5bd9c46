"""The policy: workers of several users on one daemon, each with what is its own.

Needs root, to become other users.
"""

import bisect
import ctypes
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

from harness import CallFailed, Client, Daemon, Place, Status, SystemTest, eventually, options, run
from harness.client import encode
from harness.daemon import environment

FORK = get_context("fork")
WORKERS = 5_000

#: Root may do everything: so the tests see that the daemon serves.
ROOT = """
- name: root
  who: {user: 0}
  verbs: [get, store, delete, list, invalidate, health, stats, doctor]
  keys: {user_id: '*', connection_id: '*'}
"""

OWN = """
- name: own
  who: {group: 5000}
  verbs: [get, store, delete, list]
  keys: {user_id: '${caller.uid}', connection_id: '*'}
"""


class As:
    """A process of another user, that runs a function and sends what that returns."""

    def __init__(self, uid: int, gid: int, groups: list[int], function: Callable, *arguments: object):
        self.ours, theirs = FORK.Pipe()

        def become() -> None:
            try:
                # What the tester waits for is not this process's.
                signal.alarm(0)
                os.setgroups(groups)
                os.setgid(gid)
                os.setuid(uid)
                theirs.send(("is", function(theirs, *arguments)))
            except BaseException:
                theirs.send(("failed", traceback.format_exc()))

        self.process = FORK.Process(target=become)
        self.process.start()
        theirs.close()

    def result(self, seconds: float = 60):
        try:
            assert self.ours.poll(seconds), "the other user does not end"
            kind, value = self.ours.recv()
            assert kind == "is", value
            return value
        finally:
            self.end()

    def end(self) -> None:
        self.process.kill()
        self.process.join(10)


def outcome(call: Callable, *arguments: object, **fields: object):
    """What it returns, or the name and text of its status."""
    try:
        return call(*arguments, **fields)
    except CallFailed as error:
        return error.status.name, error.failure.message


def status(call: Callable, *arguments: object, **fields: object) -> str:
    """OK, or the name of its status."""
    result = outcome(call, *arguments, **fields)
    return result[0] if isinstance(result, tuple) else "OK"


class PolicyTest(SystemTest):
    def setUp(self) -> None:
        self.assertEqual(os.geteuid(), 0, "run the tests as root: these become other users")

    def write(self, place: Place, allow: str, deny: str = "") -> Path:
        """Puts a policy there, whole."""
        path = place.folder / "policy.yaml"
        new = path.with_suffix(".new")
        new.write_text(f"allow:{allow}" + (f"deny:{deny}" if deny else ""))
        new.chmod(0o644)
        new.rename(path)
        return path

    def with_policy(self, allow: str, deny: str = "", config: str = "", **fields: object) -> Daemon:
        place = Place()
        self.addCleanup(place.remove)
        place.folder.chmod(0o711)
        path = self.write(place, ROOT + allow, deny)
        return self.daemon(config=f"socket_mode: 0666\npolicy_file: {path}\n{config}", place=place, **fields)

    def reload(self, daemon: Daemon, allow: str, deny: str = "") -> str:
        """What the log says after SIGHUP."""
        self.write(daemon.place, allow, deny)
        before = len(daemon.log_text())
        os.kill(daemon.pid, signal.SIGHUP)
        said = [""]

        def is_told() -> bool:
            said.append(daemon.log_text()[before:])
            return "reloaded" in said[-1] and said[-1] == said[-2]

        eventually("the log tells of the reload", 10, is_told, step=0.02)
        return said[-1]

    def as_user(self, uid: int, function: Callable, *arguments: object, gid: int | None = None, groups: list[int] = ()):
        other = As(uid, uid if gid is None else gid, list(groups), function, *arguments)
        self.addCleanup(other.end)
        return other


def all_calls(_: object, path: str, own: str, others: list[str]) -> dict:
    """What a worker sees of its own records, and of those of others, which are there."""
    with Client(path, 20) as client:
        seen: dict = {"absent": outcome(client.get, own, "none")}
        seen["again"] = outcome(client.get, own, "none")
        seen["store"] = status(client.store, own, "mine", own.encode())
        seen["get"] = client.get(own, "mine").credential
        seen["fresh"] = client.get(own, "mine", max_age_ms=0).credential
        keys = [(own, "mine"), (own, "none")] + [(other, "c") for other in others]
        for fresh in ({}, {"max_age_ms": 0}):
            results = client.get_many(keys, **fresh)
            seen[f"many {bool(fresh)}"] = [
                (Status(result.status).name, result.record.credential, result.failure.message) for result in results]
        seen["list"] = [(entry.user_id, entry.connection_id) for entry in client.list(own)]
        seen["list all"] = [(entry.user_id, entry.connection_id) for entry in client.list("")]
        seen["list all, by ones"] = [(entry.user_id, entry.connection_id) for entry in client.list("", page_size=1)]
        for other in others:
            seen[f"get {other}"] = outcome(client.get, other, "c")
            seen[f"fresh {other}"] = outcome(client.get, other, "c", max_age_ms=0)
            seen[f"delete {other}"] = outcome(client.delete, other, "c")
            seen[f"store {other}"] = status(client.store, other, "c", b"taken")
            seen[f"store new {other}"] = status(client.store, other, "new", b"taken", if_absent=True)
            seen[f"list {other}"] = client.list(other)
            seen[f"invalidate {other}"] = status(client.invalidate, user_id=other)
        seen["health"], seen["stats"] = status(client.health), status(client.stats)
        seen["invalidate"] = status(client.invalidate, all=True)
        seen["ping"] = status(client.ping)
        seen["delete"] = client.delete(own, "mine")
        return seen


class Workers(PolicyTest):
    def test_workers_of_three_users_see_their_own_records_only(self) -> None:
        """One is in the group by its supplementary groups, one by its effective group, one has two."""
        daemon = self.with_policy(OWN)
        uids = {1001: (1001, [7, WORKERS]), 1002: (WORKERS, []), 1003: (1003, [WORKERS, 9])}
        with daemon.client() as root:
            for uid in uids:
                root.store(str(uid), "c", b"of %d" % uid)
                root.get(str(uid), "c")
            workers = {
                uid: self.as_user(
                    uid, all_calls, str(daemon.place.socket), str(uid), [str(other) for other in uids if other != uid] + ["root"],
                    gid=gid, groups=groups)
                for uid, (gid, groups) in uids.items()}
            root.store("root", "c", b"of root")
            for uid, worker in workers.items():
                with self.subTest(uid=uid):
                    self.check(uid, worker.result(), [other for other in uids if other != uid] + ["root"])
            for uid in uids:
                self.assertEqual(root.get(str(uid), "c", max_age_ms=0).credential, b"of %d" % uid)
                self.assertEqual([entry.connection_id for entry in root.list(str(uid))], ["c"])
            self.assertGreater(root.stats()["calls_denied_total"], 3 * 3 * 6)

    def check(self, uid: int, seen: dict, others: list) -> None:
        own = str(uid)
        absent = seen["absent"]
        self.assertEqual(absent[0], "NOT_FOUND")
        self.assertEqual(seen["again"], absent)
        self.assertEqual((seen["store"], seen["get"], seen["fresh"], seen["ping"]), ("OK", own.encode(), own.encode(), "OK"))
        missing = ("NOT_FOUND", b"", absent[1])
        for name in ("many False", "many True"):
            self.assertEqual(seen[name], [("OK", own.encode(), "")] + [missing] * (1 + len(others)), name)
        records = [(own, "c"), (own, "mine")]
        for name in ("list", "list all", "list all, by ones"):
            self.assertEqual(sorted(seen[name]), records, name)
        for other in others:
            for name in ("get", "fresh", "delete"):
                self.assertEqual(seen[f"{name} {other}"], absent, name)
            for name in ("store", "store new", "invalidate"):
                self.assertEqual(seen[f"{name} {other}"], "PERMISSION_DENIED", name)
            self.assertEqual(seen[f"list {other}"], [])
        for name in ("health", "stats", "invalidate"):
            self.assertEqual(seen[name], "PERMISSION_DENIED", name)
        self.assertTrue(seen["delete"])

    def test_the_callers_name_is_a_variable(self) -> None:
        """The names of Debian's system users."""
        daemon = self.with_policy("""
- name: named
  who: anyone
  verbs: [get]
  keys: {user_id: '${caller.user}', connection_id: '*'}
""")

        def ask(_: object, path: str) -> list[str]:
            with Client(path) as client:
                return [status(client.get, user, "c") for user in ("daemon", "bin", "4242", "")]

        with daemon.client() as root:
            for user in ("daemon", "bin", "4242"):
                root.store(user, "c", b"value")
        path = str(daemon.place.socket)
        refused = "INVALID_ARGUMENT"
        self.assertEqual(self.as_user(1, ask, path).result(), ["OK", "NOT_FOUND", "NOT_FOUND", refused])
        self.assertEqual(self.as_user(2, ask, path).result(), ["NOT_FOUND", "OK", "NOT_FOUND", refused])

        def connect(_: object, path: str) -> str:
            with Client(path) as client:
                return status(client.ping)

        # A user without a name may do nothing.
        self.assertEqual(self.as_user(4242, connect, path).result(), "PERMISSION_DENIED")

    def test_rate_and_calls_in_flight_are_limited(self) -> None:
        daemon = self.with_policy("""
- name: slowly
  who: {user: 1001}
  verbs: [get]
  keys: {user_id: u, connection_id: '*'}
  rate: 1/h
  burst: 3
""")

        def ask(_: object, path: str) -> list[str]:
            asked = []
            for _ in range(2):
                with Client(path) as client:
                    asked += [status(client.get, "u", "c") for _ in range(2)]
            with Client(path) as client:
                asked += [Status(result.status).name for result in client.get_many([("u", "c"), ("v", "c")])]
            return asked

        with daemon.client() as root:
            root.store("u", "c", b"value")
        path = str(daemon.place.socket)
        # Over all of its connections.
        self.assertEqual(
            self.as_user(1001, ask, path).result(), ["OK"] * 3 + ["RESOURCE_EXHAUSTED"] + ["RESOURCE_EXHAUSTED", "NOT_FOUND"])

    def test_control_groups_are_proven(self) -> None:
        groups = {line.split(":", 2)[1]: line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines()}
        own = groups.get("name=systemd", groups.get(""))
        daemon = self.with_policy(f"""
- name: here
  who: {{cgroup: '{own}', user: 1001}}
  verbs: [stats]
- name: elsewhere
  who: {{cgroup: /no/such/group, user: 1002}}
  verbs: [stats]
- name: no-unit
  who: {{unit: 'no-such-*.service', user: 1003}}
  verbs: [stats]
""")

        def ask(_: object, path: str) -> str:
            with Client(path) as client:
                return status(client.stats)

        answers = [self.as_user(uid, ask, str(daemon.place.socket)).result() for uid in (1001, 1002, 1003)]
        self.assertEqual(answers, ["OK", "PERMISSION_DENIED", "PERMISSION_DENIED"])


class Denied(PolicyTest):
    def test_no_call_that_is_not_allowed_succeeds(self) -> None:
        """100,000 of them with --soak; of users, groups and keys that are not allowed."""
        daemon = self.with_policy("""
- name: one-key
  who: {user: [1001, 1002], group: 5000}
  verbs: [get, store, delete, list, invalidate]
  keys: {user_id: '${caller.uid}', connection_id: mine}
- name: other-group
  who: {group: 6000}
  verbs: [get]
  keys: {user_id: nobody, connection_id: nothing}
""", """
- name: never
  who: {user: 1002}
  verbs: [get, store, delete, list, invalidate]
  keys: {user_id: '*', connection_id: '*'}
""")
        count = options.sized(6_000, 100_000) // 4
        callers = {(1001, WORKERS): 1, (1002, WORKERS): 2, (1003, 6000): 3, (1001, 6000): 4}
        with daemon.client() as root:
            for user in ("1001", "1002", "1003", "root", "*"):
                for connection in ("c", "mine2"):
                    root.store(user, connection, b"value")
                    root.get(user, connection)
            others = [
                self.as_user(uid, try_everything, str(daemon.place.socket), count, seed, gid=gid)
                for (uid, gid), seed in callers.items()]
            told: dict[str, int] = {}
            denied = 0
            for other in others:
                answers, expected = other.result(options.sized(100, 900))
                denied += expected
                for name, number in answers.items():
                    told[name] = told.get(name, 0) + number
            self.assertEqual(sum(told.values()), 4 * count)
            self.assertEqual(set(told), {"NOT_FOUND", "PERMISSION_DENIED", "nothing"}, told)
            self.assertEqual(root.stats()["calls_denied_total"], denied)
            for user in ("1001", "1002", "1003", "root", "*"):
                self.assertEqual(sorted(entry.connection_id for entry in root.list(user)), ["c", "mine2"])

    def test_denied_and_absent_take_the_same_time(self) -> None:
        """The medians of ten runs of each, in turns: they differ by less than equal runs do among themselves."""
        daemon = self.with_policy(OWN)
        with daemon.client() as root:
            root.store("root", "c", b"value")
            root.get("root", "c")

        def measure(_: object, path: str, count: int) -> tuple[list[float], list[float]]:
            with Client(path) as client:
                outcome(client.get, "1001", "none")
                medians: dict[str, list[float]] = {"1001": [], "root": []}
                for turn in range(22):
                    user, connection = ("1001", "none") if turn % 2 else ("root", "c")
                    times = []
                    for _ in range(count):
                        begun = time.perf_counter_ns()
                        answer = outcome(client.get, user, connection)
                        times.append(time.perf_counter_ns() - begun)
                        assert answer[0] == "NOT_FOUND", answer
                    # The first of each is for warming up.
                    if turn > 1:
                        medians[user].append(statistics.median(times))
                return medians["1001"], medians["root"]

        worker = self.as_user(1001, measure, str(daemon.place.socket), options.sized(400, 4_000), gid=WORKERS)
        absent, denied = worker.result(100)
        noise = max(max(absent) - min(absent), max(denied) - min(denied))
        difference = abs(statistics.median(absent) - statistics.median(denied))
        print(f"       denied and absent: medians differ by {difference:.0f} ns, equal runs by {noise:.0f} ns", flush=True)
        self.assertLess(difference, noise)


def try_everything(_: object, path: str, count: int, seed: int) -> tuple[dict[str, int], int]:
    """Calls that are not allowed, at random; what they were told, and how many denials the daemon counts."""
    choice = random.Random(seed).choice
    told: dict[str, int] = {}
    denied = 0
    with Client(path, 60) as client:
        for _ in range(count):
            user = choice(["1001", "1002", "1003", "root", "*", "10", "1001 ", "${caller.uid}"])
            connection = choice(["c", "mine2", "MINE", "min", "*", "mine "])
            call = choice(["get", "fresh", "many", "store", "if_absent", "delete", "list", "invalidate", "all", "health", "stats"])
            denied += 1
            if call == "many":
                results = client.get_many([(user, connection), (user, connection + "2")])
                assert all(not result.record.credential for result in results)
                assert len({(result.status, result.failure.message) for result in results}) == 1
                told_now, denied = Status(results[0].status).name, denied + 1
            elif call == "list":
                listed = client.list("" if connection == "*" else user)
                told_now = "nothing" if not listed else "OK"
                # Who may list a record that is not there is not denied.
                if os.getuid() == 1001 and os.getgid() == WORKERS and (connection == "*" or user == "1001"):
                    denied -= 1
            else:
                told_now = {
                    "get": lambda: status(client.get, user, connection),
                    "fresh": lambda: status(client.get, user, connection, max_age_ms=0),
                    "store": lambda: status(client.store, user, connection, b"taken"),
                    "if_absent": lambda: status(client.store, user, connection, b"taken", if_absent=True),
                    "delete": lambda: status(client.delete, user, connection),
                    "invalidate": lambda: status(client.invalidate, user_id=user),
                    "all": lambda: status(client.invalidate, all=True),
                    "health": lambda: status(client.health),
                    "stats": lambda: status(client.stats),
                }[call]()
            told[told_now] = told.get(told_now, 0) + 1
    return told, denied


class Reloads(PolicyTest):
    def test_a_new_policy_holds_within_100_ms_on_open_connections(self) -> None:
        """What both policies allow never fails meanwhile."""

        def rules(connection: str) -> str:
            return ROOT + f"""
- name: worker
  who: {{user: [1001, 1002, 1003]}}
  verbs: [get]
  keys: {{user_id: u, connection_id: [both, '{connection}']}}
"""

        daemon = self.with_policy(rules("one").removeprefix(ROOT))
        with daemon.client() as root:
            for connection in ("both", "one", "two"):
                root.store("u", connection, b"value")
        workers = [self.as_user(uid, keep_asking, str(daemon.place.socket)) for uid in (1001, 1002, 1003)]
        for worker in workers:
            self.assertTrue(worker.ours.poll(20), "a worker does not begin")
            worker.ours.recv()
        changes = []
        for number in range(options.sized(6, 60)):
            time.sleep(0.3)
            self.write(daemon.place, rules("two" if number % 2 == 0 else "one"))
            changes.append((time.monotonic(), "two" if number % 2 == 0 else "one"))
            os.kill(daemon.pid, signal.SIGHUP)
        time.sleep(0.3)
        slowest = 0.0
        for worker in workers:
            worker.ours.send("stop")
            calls = worker.result()
            self.assertGreater(len(calls), 100 * len(changes))
            self.assertEqual({answer for _, _, connection, answer in calls if connection == "both"}, {"OK"})
            slowest = max(slowest, self.check(calls, [(0.0, "one")] + changes))
        print(f"       a policy was in force {1000 * slowest:.1f} ms after SIGHUP, at the latest", flush=True)

    def check(self, calls: list, changes: list) -> float:
        """Seconds from a change to the last call that went by the policy before, at most."""
        slowest = 0.0
        for (changed, allowed), (end, _) in zip(changes, changes[1:] + [(time.monotonic(), "")]):
            # They are in the order in which they began.
            first, last = (bisect.bisect_left(calls, (moment,)) for moment in (changed, end))
            of_this = [call for call in calls[first:last] if call[1] < end and call[2] != "both"]
            self.assertTrue(of_this)
            for begun, _, connection, answer in of_this:
                expected = "OK" if connection == allowed else "NOT_FOUND"
                if answer != expected:
                    self.assertLess(begun - changed, 0.1, f"{connection} was still {answer}")
                    slowest = max(slowest, begun - changed)
        return slowest

    def test_a_mistake_keeps_the_policy_and_says_so(self) -> None:
        daemon = self.with_policy("""
- name: stats
  who: {user: 1001}
  verbs: [stats]
""")

        def ask(report, path: str) -> list[str]:
            with Client(path) as client:
                answers = [status(client.stats)]
                while report.recv() == "again":
                    answers.append(status(client.stats))
                    report.send("asked")
                return answers

        worker = self.as_user(1001, ask, str(daemon.place.socket))
        again: list[None] = []

        def next_answer() -> None:
            worker.ours.send("again")
            self.assertTrue(worker.ours.poll(20))
            worker.ours.recv()
            again.append(None)

        said = self.reload(daemon, ROOT + "- {name: stats, who: {user: no-such-user}, verbs: [statz]}\n")
        self.assertIn("not reloaded: what was read before stays in use", said)
        for words in (f"policy_file: {daemon.place.folder}/policy.yaml:6:", "no-such-user", "did you mean stats"):
            self.assertIn(words, daemon.log_text())
        next_answer()
        daemon.place.folder.joinpath("policy.yaml").unlink()
        os.kill(daemon.pid, signal.SIGHUP)
        eventually("the log tells of the file that is gone", 10, lambda: "policy.yaml: " in daemon.log_text().split("did you mean stats")[-1])
        next_answer()
        self.assertIn("policy_file", self.reload(daemon, ROOT + "- {name: health, who: {user: 1001}, verbs: health}\n"))
        next_answer()
        worker.ours.send("stop")
        self.assertEqual(worker.result(), ["OK", "OK", "OK", "PERMISSION_DENIED"])

    def test_a_policy_with_a_mistake_ends_the_start(self) -> None:
        place = Place()
        self.addCleanup(place.remove)
        path = self.write(place, "\n- {name: a, who: {usr: x}, verbs: get}\n")
        place.config.write_text(f"policy_file: {path}\n")
        for more in ([], ["--check"]):
            ended = run("cofferd", "--config", place.config, "--socket", place.socket, "--data", place.data, *more)
            self.assertEqual(ended.returncode, 78, ended.stderr)
            for line in ended.stderr.decode().splitlines():
                self.assertTrue(line.startswith(f"cofferd: policy_file: {path}:2:"), line)
            self.assertIn(b"usr", ended.stderr)
        path.chmod(0o666)
        ended = run("cofferd", "--config", place.config, "--socket", place.socket, "--data", place.data, "--check")
        self.assertEqual(ended.returncode, 78, ended.stderr)
        self.assertIn(b"others can write to it", ended.stderr)
        self.assertFalse(place.data.exists())


def keep_asking(report, path: str) -> list[tuple[float, float, str, str]]:
    """Until it is told to stop: when each call began and ended, its connection id and its answer."""
    calls = []
    with Client(path) as client:
        report.send("begun")
        while not report.poll():
            for connection in ("both", "one", "two"):
                begun = time.monotonic()
                answer = status(client.get, "u", connection)
                calls.append((begun, time.monotonic(), connection, answer))
    return calls


class CloneArguments(ctypes.Structure):
    """struct clone_args of linux/sched.h."""

    _fields_ = [(name, ctypes.c_uint64) for name in (
        "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls", "set_tid", "set_tid_size",
        "cgroup")]


def start_as(pid: int, program: Path, *arguments: str) -> bool:
    """Starts a program as the process of this number; False if another process has it."""
    number = ctypes.c_int32(pid)
    clone = CloneArguments(exit_signal=signal.SIGCHLD, set_tid=ctypes.addressof(number), set_tid_size=1)
    # Without letting go of Python's lock: the child goes on in the middle of this.
    child = ctypes.PyDLL(None, use_errno=True).syscall(435, ctypes.byref(clone), ctypes.sizeof(clone))
    if child == 0:
        os.execv(program, [str(program), *arguments])
    if child < 0 and ctypes.get_errno() != 17:
        raise OSError(ctypes.get_errno(), "clone3 with set_tid; run the tests as root")
    return child == pid


class Programs(PolicyTest):
    """Callers by the file that their program was started from."""

    time_limit = 200

    def setUp(self) -> None:
        super().setUp()
        place = Place()
        self.addCleanup(place.remove)
        place.folder.chmod(0o711)
        self.folder = place.folder

    def copy(self, program: str, name: str) -> Path:
        path = self.folder / name
        shutil.copy(os.path.realpath(program), path)
        path.chmod(0o755)
        return path

    def ask(self, daemon: Daemon, python: Path) -> str:
        """What a program is told that asks for Stats."""
        text = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); sys.dont_write_bytecode = True\n"
            "from harness.client import Client, Status, encode\n"
            f"with Client({str(daemon.place.socket)!r}, 10) as client:\n"
            "    client.send(encode('Admin/Stats', b'', 1))\n"
            "    print(Status(client.frame().code).name)\n")
        env = environment({"PYTHONHOME": sys.base_prefix, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        ended = subprocess.run([python, "-c", text], env=env, capture_output=True, text=True, timeout=30)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout.strip()

    def rule(self, path: Path, more: str = "") -> str:
        return f"\n- name: program\n  who: {{executable: '{path}', user: 0{more}}}\n  verbs: [stats]\n"

    def daemon_for(self, rules: str) -> Daemon:
        """Root has no other rule, but for Health: the tests are root, too."""
        place = Place()
        self.addCleanup(place.remove)
        path = self.write(place, "\n- {name: health, who: {user: 0}, verbs: health}" + rules)
        return self.daemon(config=f"policy_file: {path}\n", place=place)

    def test_a_program_is_known_by_its_file(self) -> None:
        python = self.copy(sys.executable, "python")
        digest = subprocess.run(["sha256sum", python], capture_output=True, text=True, check=True).stdout.split()[0]
        daemon = self.daemon_for(self.rule(python))
        self.assertEqual(self.ask(daemon, python), "OK")
        self.assertEqual(self.ask(daemon, Path(sys.executable)), "PERMISSION_DENIED")
        exact = self.daemon_for(self.rule(python, f", sha256: {digest}"))
        self.assertEqual(self.ask(exact, python), "OK")
        wrong = self.daemon_for(self.rule(python, f", sha256: {'0' * 64}"))
        self.assertEqual(self.ask(wrong, python), "PERMISSION_DENIED")

    def test_another_process_with_the_number_is_not_taken_for_the_caller(self) -> None:
        """1,000 times one connects and ends, and a program that is allowed gets its number before the daemon looks."""
        sleeper = self.copy("/bin/sleep", "sleep")
        daemon = self.daemon_for(self.rule(sleeper))
        done, wanted = 0, 1_000
        while done < wanted:
            done += self.reuse(daemon, sleeper, min(50, wanted - done))
        with daemon.client() as client:
            self.assertTrue(client.health().serving)
        print(f"       {done} numbers of processes were used again", flush=True)

    def reuse(self, daemon: Daemon, sleeper: Path, count: int) -> int:
        connections: list[socket.socket] = []
        pids: list[int] = []
        os.kill(daemon.pid, signal.SIGSTOP)
        try:
            for _ in range(count):
                connection, pid = connect_and_end(str(daemon.place.socket))
                if start_as(pid, sleeper, "100"):
                    connections.append(connection)
                    pids.append(pid)
                else:
                    connection.close()
            for pid in pids:
                eventually("it is the other program", 5, lambda: os.readlink(f"/proc/{pid}/exe") == str(sleeper), step=0.001)
            request = encode("Admin/Stats", b"", 1)
            for connection in connections:
                connection.sendall(request)
            os.kill(daemon.pid, signal.SIGCONT)
            for connection in connections:
                self.assertEqual(self.told(connection), "PERMISSION_DENIED")
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            for connection in connections:
                connection.close()
        return len(pids)

    def told(self, connection: socket.socket) -> str:
        client = Client.__new__(Client)
        client.socket, client._input, client._last_id, client.went_away = connection, bytearray(), 0, False
        frame = client.frame()
        assert frame is not None
        return Status(frame.code).name


def connect_and_end(path: str) -> tuple[socket.socket, int]:
    """A connection whose process has ended, and the number that it had."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(20)
    pid = os.fork()
    if pid == 0:
        # The socket is the parent's, too.
        try:
            connection.connect(path)
            os._exit(0)
        finally:
            os._exit(1)
    _, code = os.waitpid(pid, 0)
    assert code == 0, "it did not connect"
    return connection, pid


class Socket(PolicyTest):
    """How a worker of another user finds the socket, and trusts it."""

    def test_members_of_the_group_connect_and_others_do_not(self) -> None:
        place = Place()
        self.addCleanup(place.remove)
        place.folder.chmod(0o711)
        socket_path = place.folder / "run" / "s"
        place.socket = socket_path
        path = self.write(place, ROOT + OWN + "\n")
        daemon = self.daemon(config=f"socket_group: {WORKERS}\npolicy_file: {path}\n", place=place)
        self.assertEqual((socket_path.stat().st_gid, socket_path.stat().st_mode & 0o7777), (WORKERS, 0o660))
        self.assertEqual((socket_path.parent.stat().st_gid, socket_path.parent.stat().st_mode & 0o7777), (WORKERS, 0o750))

        def connect(_: object, path: str) -> str:
            try:
                with Client(path) as client:
                    return status(client.ping)
            except PermissionError:
                return "refused"

        for groups, answer in (([WORKERS], "OK"), ([], "refused")):
            self.assertEqual(self.as_user(1001, connect, str(daemon.place.socket), groups=groups).result(), answer)

    def test_a_worker_names_the_daemon_s_user(self) -> None:
        """The daemon is a user of its own, in the group that it gives the socket to."""
        place = Place()
        self.addCleanup(place.remove)
        place.folder.chmod(0o711)
        run_folder, data = place.folder / "run", place.folder / "data"
        for folder, mode in ((run_folder, 0o755), (data, 0o700)):
            folder.mkdir()
            folder.chmod(mode)
            os.chown(folder, 1500, 1500)
        place.socket = run_folder / "s"
        program = options.bin / "coffer"
        path = self.write(place, ROOT + OWN + "\n")
        daemon = self.daemon(
            config=f"socket_group: {WORKERS}\npolicy_file: {path}\n", place=place,
            through=["setpriv", "--reuid", "1500", "--regid", "1500", f"--groups={WORKERS}", "--"],
            program=self.public(options.bin / "cofferd"))
        program = self.public(program)

        def ask(_: object, variables: dict[str, str]) -> tuple[int, str]:
            env = environment({"COFFER_SOCKET": str(daemon.place.socket)} | variables)
            ended = subprocess.run(
                [program, "store", "1001", "c"], env=env, input=b"value", capture_output=True, timeout=20, cwd="/")
            return ended.returncode, ended.stderr.decode()

        code, said = self.as_user(1001, ask, {}, groups=[WORKERS]).result()
        self.assertNotEqual(code, 0)
        self.assertIn("set COFFER_SERVER_UID=1500", said)
        code, said = self.as_user(1001, ask, {"COFFER_SERVER_UID": "1500"}, groups=[WORKERS]).result()
        self.assertEqual(code, 0, said)

    def public(self, program: Path) -> Path:
        """A copy that every user can run."""
        place = Place()
        self.addCleanup(place.remove)
        place.folder.chmod(0o755)
        copy = place.folder / program.name
        shutil.copy(program, copy)
        copy.chmod(0o755)
        return copy
