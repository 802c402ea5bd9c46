"""What programs read and write: terminals, pipes, full disks, closed ends, and arguments of any bytes."""

import array
import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import termios
import threading

from harness import Daemon, Place, Status, SystemTest, binary, eventually, messages
from harness.client import HEADER, Kind
from harness.daemon import environment
from harness.terminal import Terminal

PROMPT = b"credential (not shown; Enter ends it): "
SECRET = b"hunter2"
#: In arguments: a file that has a policy.
POLICY = "POLICY"
#: Every command of coffer, and what it prints on a pipe; but for `run`, whose streams are its command's: running.py.
COMMANDS = {
    "store": (["store", "ann", "github"], rb""),
    "get": (["get", "ann", "github"], rb"hunter2"),
    "list": (["list"], rb"ann\tgithub\t\S+\t-\tOK\n([^\n]+\n)*"),
    "list of a user": (["list", "ann"], rb"ann\tgithub\t\S+\t-\tOK\n([^\n]+\n)*"),
    "health": (["health"], rb"cofferd \S+ serving, up \S+\nvault embedded [^\n]*\n(warning: [^\n]*\n)*"),
    "vaults": (["vaults"], rb"NAME  +KIND [^\n]*\nembedded [^\n]*\n"),
    "doctor": (["doctor"], rb"vault embedded \(embedded\): works\n(  ok: [a-z]+, \S+\n){4}"),
    "stats": (["stats"], rb"([a-z_]+ \d+\n)+"),
    "invalidate": (["invalidate", "--all"], rb"\d+ dropped\n"),
    "delete": (["delete", "ann", "github"], rb"deleted\n"),
    "policy check": (["policy", "check", POLICY], rb"[^\n]+: valid, 1 rule, 0 findings\n"),
    "policy test": (["policy", "test", POLICY, "--as", "root", "health"], rb"health: allowed by \S+ \(line 2\)\n  allow [^\n]+\n"),
    "--version": (["--version"], rb"\d+\.\d+\.\d+\n"),
    "--help": (["--help"], rb"OVERVIEW: [\s\S]*"),
    "help": (["help", "get"], rb"OVERVIEW: [\s\S]*"),
}
#: What other programs print, and the exit code when they cannot.
OTHERS = [
    ("cofferd", "--check"), ("cofferd", "--help"), ("cofferd", "--version"), ("coffer-load", "--help"),
    ("coffer-load", "--floor", "--requests", "10", "--connections", "1"),
    ("coffer-load", "--floor", "--requests", "10", "--connections", "1", "--json"),
]


def ended(command: list, stdout=subprocess.PIPE, stdin: bytes = b"", **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, input=stdin, stdout=stdout, stderr=subprocess.PIPE, env=options.pop("env", environment()), timeout=30,
        **options)


class Streams(SystemTest):
    """Every command, with every kind of output."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.served = Daemon()
        cls.addClassCleanup(cls.served.dispose)
        cls.served.start()
        cls.policy = cls.served.place.folder / "policy.yaml"
        cls.policy.write_text("allow:\n- {name: root, who: {user: root}, verbs: [health]}\n")

    def command(self, arguments: list[str], *more: str) -> list:
        with self.served.client() as client:
            client.store("ann", "github", SECRET)
        asks = arguments[0][0] != "-" and arguments[0] not in ("help", "policy")
        arguments = [str(self.policy) if argument == POLICY else argument for argument in arguments]
        return [binary("coffer"), *arguments, *more, *(["--socket", self.served.place.socket] if asks else [])]

    def test_every_command_is_here(self) -> None:
        help_ = ended([binary("coffer"), "--help"]).stdout.decode()
        commands = re.findall(r"(?m)^  ([a-z]+) ", help_.partition("SUBCOMMANDS:")[2])
        self.assertGreater(len(commands), 8, help_)
        self.assertEqual(set(commands) - {"help", "run"}, {arguments[0] for arguments, _ in COMMANDS.values()} - {"help", "--help", "--version"})

    def test_pipe(self) -> None:
        for name, (arguments, printed) in COMMANDS.items():
            with self.subTest(command=name):
                result = ended(self.command(arguments), stdin=SECRET)
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                self.assertRegex(result.stdout, rb"\A" + printed + rb"\Z")

    def test_terminal(self) -> None:
        for name, (arguments, _) in COMMANDS.items():
            with self.subTest(command=name), Terminal(self.command(arguments)) as terminal:
                if name == "store":
                    terminal.wait_for(PROMPT)
                    terminal.type(SECRET + b"\n")
                self.assertEqual(terminal.wait(), 0, terminal.shown)
                self.assertTrue(terminal.shown.endswith(b"\r\n"), terminal.shown)
                self.assertNotRegex(terminal.shown.replace(b"\r\n", b""), rb"[\x00-\x1f\x7f]")
                self.assertEqual(SECRET in terminal.shown, name == "get", terminal.shown)

    def test_json(self) -> None:
        for name, (arguments, printed) in COMMANDS.items():
            if name.startswith("--") or name == "help":
                continue
            with self.subTest(command=name):
                result = ended(self.command(arguments, "--json"), stdin=SECRET)
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                json.loads(result.stdout)
                # A policy is read without a daemon; here there is none of this name.
                expected = (Status.UNAVAILABLE, None) if POLICY not in arguments else (Status.INVALID_ARGUMENT, "BAD_FIELD")
                nowhere = ["--socket", "/nowhere/s"] if POLICY not in arguments else []
                failed = ended([binary("coffer"), *arguments, "--json", *nowhere], stdin=SECRET, cwd="/")
                self.assertEqual((failed.returncode, failed.stdout), (expected[0], b""))
                error = json.loads(failed.stderr)["error"]
                self.assertEqual((error["status"], error["code"], error.get("reason")), (expected[0].name, *expected))

    def test_nothing_is_lost_in_silence(self) -> None:
        for kind, reason in (("full", b"No space left on device"), ("closed pipe", b"Broken pipe"),
                             ("closed", b"Bad file descriptor")):
            for name, (arguments, printed) in COMMANDS.items():
                for more in ([], ["--json"]):
                    if more and (name.startswith("--") or name == "help"):
                        continue
                    with self.subTest(output=kind, command=name, more=more):
                        result = self.failing(kind, self.command(arguments, *more))
                        if not printed and not more:
                            self.assertEqual((result.returncode, result.stderr), (0, b""))
                            continue
                        self.assertEqual(result.returncode, Status.FAILED_PRECONDITION, result.stderr)
                        message = b"cannot write to standard output: " + reason
                        if more:
                            self.assertEqual(json.loads(result.stderr)["error"]["message"], message.decode())
                        else:
                            self.assertEqual(result.stderr, b"coffer: FAILED_PRECONDITION: " + message + b"\n")

    def test_the_other_programs_lose_nothing_either(self) -> None:
        place = Place()
        self.addCleanup(place.remove)
        for name, *arguments in OTHERS:
            command = [binary(name), *arguments]
            if "--check" in arguments:
                command += ["--data", place.data, "--socket", place.socket]
            with self.subTest(command=command):
                self.assertEqual(ended(command).returncode, 0)
                with Terminal([str(part) for part in command]) as terminal:
                    self.assertEqual(terminal.wait(), 0, terminal.shown)
                    self.assertNotRegex(terminal.shown.replace(b"\r\n", b""), rb"[\x00-\x1f\x7f]")
                for kind in ("full", "closed pipe", "closed"):
                    result = self.failing(kind, command)
                    self.assertEqual(result.returncode, 1, result.stderr)
                    self.assertRegex(result.stderr, rb"^%s: cannot write to standard output: " % name.encode())

    def failing(self, kind: str, command: list) -> subprocess.CompletedProcess:
        if kind == "closed":
            return ended(["sh", "-c", 'exec "$0" "$@" >&-', *command], stdin=SECRET)
        if kind == "full":
            with open("/dev/full", "wb") as full:
                return ended(command, full, stdin=SECRET)
        reading, writing = os.pipe()
        os.close(reading)
        with open(writing, "wb") as pipe:
            return ended(command, pipe, stdin=SECRET)

    def test_slow_pipes_carry_all_of_it(self) -> None:
        value = os.urandom(60_000)
        for arguments, expected in ((["get", "big", "c"], lambda got: got == value), (["stats"], lambda got: b"uptime_ms" in got)):
            with self.subTest(arguments=arguments), self.served.client() as client:
                client.store("big", "c", value)
                reading, writing = os.pipe()
                fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
                os.set_blocking(writing, False)
                process = subprocess.Popen(
                    [binary("coffer"), *arguments, "--socket", self.served.place.socket], stdout=writing, env=environment())
                os.close(writing)
                with open(reading, "rb") as pipe:
                    got = pipe.read()
                self.assertEqual(process.wait(20), 0)
                self.assertTrue(expected(got), len(got))

    def test_a_slow_writer_is_waited_for(self) -> None:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        process = subprocess.Popen(
            [binary("coffer"), "store", "slow", "c", "--socket", self.served.place.socket], stdin=reading,
            stderr=subprocess.PIPE, env=environment())
        os.write(writing, b"first half,")
        eventually("the first half was read", 20, lambda: unread(reading) == 0)
        # A program that takes this for the end is done now; this one waits in poll(2).
        eventually("it waits or has ended", 20, lambda: process.poll() is not None or sleeps_in_poll(process.pid))
        self.assertIsNone(process.poll())
        with contextlib.suppress(BrokenPipeError):
            os.write(writing, b"second half")
        os.close(writing)
        os.close(reading)
        self.assertEqual((process.wait(20), process.communicate()[1]), (0, b""))
        with self.served.client() as client:
            self.assertEqual(client.get("slow", "c").credential, b"first half,second half")

    def test_what_cannot_be_read_is_an_error(self) -> None:
        folder = str(self.served.place.folder)
        for command, status, message in (
            (["--file", folder], Status.INVALID_ARGUMENT, f"--file: cannot read {folder}: Is a directory"),
            (["--file", folder + "/none"], Status.INVALID_ARGUMENT,
             f"--file: cannot read {folder}/none: No such file or directory"),
            (["<&-"], Status.FAILED_PRECONDITION, "cannot read standard input: Bad file descriptor"),
            ([f"<{folder}"], Status.FAILED_PRECONDITION, "cannot read standard input: Is a directory"),
            (["</dev/null"], Status.INVALID_ARGUMENT, "credential: expected at least 1 byte, got none"),
        ):
            with self.subTest(command=command):
                shell = f"exec {binary('coffer')} store user unread --socket {self.served.place.socket} {' '.join(command)}"
                result = ended(["sh", "-c", shell])
                self.assertEqual(result.stderr.decode(), f"coffer: {status.name}: {message}\n")
                self.assertEqual(result.returncode, status)

    def test_too_large_is_one_status_at_every_size(self) -> None:
        for size in (65_537, 1 << 20, (1 << 20) + 1, 3 << 20):
            with self.subTest(size=size):
                result = ended(self.command(["store", "ann", "large"], "--json"), stdin=b"x" * size)
                error = json.loads(result.stderr)["error"]
                self.assertEqual((result.returncode, error["status"], error["reason"]),
                                 (Status.INVALID_ARGUMENT, "INVALID_ARGUMENT", "CREDENTIAL_TOO_LARGE"))

    def test_units(self) -> None:
        for ttl, seconds in (("1h", 3600), ("90", 90), ("1m30s", 90), ("2d", 172_800)):
            result = ended(self.command(["store", "ann", "ttl"], "--json", "--ttl", ttl, "--timeout", "5s"), stdin=SECRET)
            stored = json.loads(result.stdout)
            self.assertEqual(round((stored["expiresAtMs"] - stored["updatedAtMs"]) / 1000), seconds)
        for age in ("250ms", "0", "1h"):
            self.assertEqual(ended(self.command(["get", "ann", "github"], "--max-age", age)).stdout, SECRET)
        for option in (["--ttl", "soon"], ["--ttl", "-1"], ["--timeout", "0"], ["--timeout", "11m"], ["--timeout", "5 s"]):
            result = ended(self.command(["store", "ann", "ttl"], *option), stdin=SECRET)
            self.assertEqual(result.returncode, 64)
            self.assertRegex(result.stderr, rb"^coffer: INVALID_ARGUMENT: .*%s" % option[0].encode())

    def test_nothing_found_is_said_on_standard_error(self) -> None:
        for arguments, words in ((["list", "nobody"], b"coffer: this user has no connections\n"),
                                 (["delete", "nobody", "c"], b"coffer: nothing to delete: there is no such record\n")):
            result = ended(self.command(arguments))
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, b"", words))
            self.assertEqual(ended(self.command(arguments, "--json")).stderr, b"")


def unread(descriptor: int) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def sleeps_in_poll(pid: int) -> bool:
    """Whether a thread of it waits in poll(2) or ppoll(2)."""
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/syscall") as file:
                if file.read().split()[0] in ("7", "271", "73"):
                    return True
    return False


class Typing(SystemTest):
    """A credential at the terminal."""

    def setUp(self) -> None:
        self.served = self.daemon()
        self.store = [binary("coffer"), "store", "ann", "typed", "--socket", str(self.served.place.socket)]

    def stored(self) -> bytes | None:
        result = self.served.coffer("get", "ann", "typed")
        return result.stdout if result.returncode == 0 else None

    def test_is_not_shown_and_ends_with_the_line(self) -> None:
        for keys, expected in ((b"hunter2\n", b"hunter2"), (b"hunter2\r", b"hunter2"), (b"hunter2\x04\x04", b"hunter2"),
                               (b"hunterx\x7f2\n", b"hunter2"), (b"\xc3\xbc \t!\n", b"\xc3\xbc \t!")):
            with self.subTest(keys=keys), Terminal(self.store) as terminal:
                terminal.wait_for(PROMPT)
                self.assertFalse(terminal.echoes)
                terminal.type(keys)
                self.assertEqual(terminal.wait(), 0, terminal.shown)
                self.assertEqual(terminal.shown, b"coffer: " + PROMPT + b"\r\n")
                self.assertTrue(terminal.echoes)
                self.assertEqual(self.stored(), expected)

    def test_what_is_not_whole_is_refused(self) -> None:
        for keys, words in ((b"one\ntwo\n", b"expected one line, got several"), (b"x" * 5000 + b"\n", b"at most 4094 bytes"),
                            (b"\n", b"expected at least 1 byte"), (b"\x04", b"expected at least 1 byte")):
            with self.subTest(keys=keys[:8]), Terminal(self.store) as terminal:
                terminal.wait_for(PROMPT)
                terminal.type(keys)
                self.assertEqual(terminal.wait(), Status.INVALID_ARGUMENT, terminal.shown)
                self.assertIn(words, terminal.shown)
                self.assertTrue(terminal.echoes)
                self.assertIsNone(self.stored())

    def test_signals_leave_the_terminal_as_it_was(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(signal=number), Terminal(self.store) as terminal:
                terminal.wait_for(PROMPT)
                self.assertFalse(terminal.echoes)
                terminal.process.send_signal(number)
                self.assertEqual(terminal.wait(), -number)
                self.assertTrue(terminal.echoes)
        with Terminal(self.store) as terminal:
            terminal.wait_for(PROMPT)
            terminal.type(b"hunter\x03")
            self.assertEqual(terminal.wait(), -signal.SIGINT)
            self.assertTrue(terminal.echoes)
        self.assertIsNone(self.stored())

    def test_a_stop_and_its_end(self) -> None:
        shell = 'set -m; "$@"; echo "stopped $?"; read line; fg >/dev/null'
        with Terminal(["bash", "-c", shell, "bash", *self.store]) as terminal:
            terminal.wait_for(PROMPT)
            terminal.type(b"\x1a")
            terminal.wait_for(b"stopped 148")
            self.assertTrue(terminal.echoes)
            terminal.type(b"\n")
            terminal.wait_for(PROMPT, 2)
            eventually("the terminal shows nothing again", 20, lambda: not terminal.echoes)
            terminal.type(b"hunter2\n")
            self.assertEqual(terminal.wait(), 0, terminal.shown)
        self.assertEqual(self.stored(), SECRET)

    def test_credential_that_would_steer_the_terminal_is_escaped_there(self) -> None:
        value = b"a\x1b]0;b\x07\xe9\n"
        with self.served.client() as client:
            client.store("ann", "typed", value)
        get = [binary("coffer"), "get", "ann", "typed", "--socket", str(self.served.place.socket)]
        with Terminal(get) as terminal:
            self.assertEqual(terminal.wait(), 0)
            self.assertIn(b"a\\u{1b}]0;b\\u{7}\\x{e9}\r\n", terminal.shown)
            self.assertIn(b"coffer: escaped what a terminal would not show", terminal.shown)
        self.assertEqual(self.stored(), value)


class Arguments(SystemTest):
    def test_bytes_that_are_not_utf8_are_refused(self) -> None:
        daemon = self.daemon()
        place = Place()
        self.addCleanup(place.remove)
        with daemon.client() as client:
            client.store("andr\ufffd", "c", SECRET)
        socket_ = ["--socket", str(daemon.place.socket)]
        for program, arguments, code in (
            ("coffer", [b"get", b"andr\xe9", b"c", *socket_], Status.INVALID_ARGUMENT),
            ("coffer", [b"store", b"ann", b"\xc0\x80", *socket_], Status.INVALID_ARGUMENT),
            ("coffer", [b"store", b"ann", b"c", b"--label", b"a=\xe9", *socket_], Status.INVALID_ARGUMENT),
            ("cofferd", [b"--check", b"--data", bytes(place.folder) + b"/\xe9"], 78),
            ("coffer-load", [b"--socket", b"/tmp/\xe9"], 64),
        ):
            with self.subTest(program=program, arguments=arguments):
                result = ended([binary(program), *arguments], stdin=SECRET)
                self.assertEqual((result.returncode, result.stdout), (code, b""))
                self.assertRegex(result.stderr, rb"^%s: INVALID_ARGUMENT: argument \d: expected UTF-8" % program.encode())
                self.assertNotIn(b"\xe9", result.stderr)
        for name in ("COFFER_SOCKET", "XDG_RUNTIME_DIR"):
            env = {key.encode(): value.encode() for key, value in environment().items()} | {name.encode(): b"/tmp/\xe9"}
            result = ended([binary("coffer"), "list"], env=env)
            self.assertEqual(result.returncode, Status.INVALID_ARGUMENT)
            self.assertRegex(result.stderr, rb"^coffer: INVALID_ARGUMENT: %s: expected UTF-8" % name.encode())

    def test_stray_arguments_are_never_repeated(self) -> None:
        lines = [("coffer", line) for line in (
            "store ann github hunter2", "store ann github -hunter2", "store ann github --hunter2", "store ann github --hunter2=x",
            "store ann github --json=hunter2", "store ann github --ttl hunter2", "store ann github --ttl=hunter2",
            "store ann github --label hunter2", "store ann github --label =hunter2", "store ann github --tt hunter2",
            "store ann github --label hunter2=1 --label hunter2=2", "store ann github --timeout hunter2", "get ann github hunter2",
            "get ann github hunter2 hunter2", "get ann github --max-age hunter2", "delete ann github hunter2", "list ann hunter2",
            "health hunter2", "vaults hunter2", "doctor hunter2", "stats hunter2", "invalidate ann github hunter2", "hunter2",
            "policy hunter2", "policy check p hunter2", "policy check --hunter2 p", "policy test p --as 0 hunter2 ann c",
            "policy test p --as 0 health hunter2", "policy test p --as 0 get ann c hunter2",
            "--hunter2", "-hunter2", "--generate-completion-script hunter2", "--generate-completion-script=hunter2",
        )]
        lines += [("cofferd", line) for line in ("hunter2", "--hunter2", "-hunter2", "--reactors hunter2", "--check=hunter2")]
        lines += [("coffer-load", line) for line in (
            "hunter2", "--floor --hunter2", "--floor --size hunter2", "--floor --mix hunter2", "--socket /s --peer hunter2",
            "--floor --seconds hunter2", "--floor --distribution hunter2", "--floor --json=hunter2", "--floor --seed hunter2")]
        for program, line in lines:
            for more in ([], ["--json"]) if program == "coffer" else ([],):
                with self.subTest(program=program, line=line, more=more):
                    result = ended([binary(program), *line.split(), *more], stdin=b"x")
                    self.assertEqual(result.returncode, 64, result.stderr)
                    self.assertNotIn(b"hunter2", result.stdout + result.stderr)
                    self.assertEqual(result.stdout, b"")
                    if more:
                        self.assertEqual(json.loads(result.stderr)["error"]["status"], "INVALID_ARGUMENT")
                    else:
                        self.assertRegex(result.stderr, rb"^%s: INVALID_ARGUMENT: \S[^\n]+\nUsage: " % program.encode())

    def test_every_reason_of_the_protocol_has_a_name(self) -> None:
        for reason in messages.credentials.Failure.Reason.items():
            if reason[0] == "REASON_DRAINING":
                continue  # The client connects again, and has no answer then.
            with self.subTest(reason=reason), Answering(reason[1], "refused") as path:
                result = ended([binary("coffer"), "get", "ann", "c", "--json", "--socket", path])
                name = reason[0].removeprefix("REASON_") if reason[1] else None
                self.assertEqual(json.loads(result.stderr)["error"].get("reason"), name)


class Texts(SystemTest):
    def test_table_on_a_terminal_and_fields_elsewhere(self) -> None:
        daemon = self.daemon()
        with daemon.client() as client:
            client.store("ann", "github", SECRET, labels={"team": "a\u202eb", "tier": "1"}, ttl_seconds=3600)
            client.store("bob", "a connection with a longer name", SECRET)
        listed = [binary("coffer"), "list", "--socket", str(daemon.place.socket)]
        first, second = ended(listed).stdout.decode().splitlines()
        time = r"\d{4}-\d\d-\d\dT[0-9:]+Z"
        self.assertRegex(first, rf"^ann\tgithub\t{time}\t{time}\tOK\tteam=a\\u\{{202e\}}b\ttier=1$")
        self.assertRegex(second, rf"^bob\ta connection with a longer name\t{time}\t-\tOK$")
        with Terminal(listed) as terminal:
            self.assertEqual(terminal.wait(), 0)
            heading, one, two = terminal.shown.decode().split("\r\n")[:3]
        self.assertEqual(heading.split(), ["USER", "CONNECTION", "UPDATED", "EXPIRES", "STATUS", "LABELS"])
        self.assertRegex(one, rf"^ann   github +{time}  {time}  OK      team=a\\u\{{202e\}}b, tier=1$")
        self.assertEqual(one.index("github"), heading.index("CONNECTION"))
        self.assertEqual(two.index("a connection"), heading.index("CONNECTION"))

    def test_texts_of_the_daemon_are_escaped(self) -> None:
        text = "a\x1b[2J\u202eb\nc\x9bd"
        escaped = b"a\\u{1b}[2J\\u{202e}b\\u{a}c\\u{9b}d"
        with Answering(62, text, vault="v\x07") as path:
            for command in ("get ann c", "list", "health", "vaults", "doctor", "stats", "invalidate --all"):
                with self.subTest(command=command):
                    result = ended([binary("coffer"), *command.split(), "--socket", path])
                    self.assertEqual(
                        result.stderr, b"coffer: UNAVAILABLE: " + escaped + b" (vault v\\u{7})\n")
            result = ended([binary("coffer"), "get", "ann", "c", "--json", "--socket", path])
            self.assertNotRegex(result.stderr.decode(), "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
            self.assertEqual(json.loads(result.stderr)["error"]["message"], text)

    def test_a_listing_in_which_a_page_token_comes_again_ends(self) -> None:
        for lead, circle in ((0, 1), (0, 2), (3, 5)):
            with self.subTest(lead=lead, circle=circle), Circling(lead, circle) as path:
                result = ended([binary("coffer"), "list", "ann", "--socket", path])
                self.assertEqual((result.returncode, result.stdout), (Status.INTERNAL, b""))
                self.assertEqual(
                    result.stderr, b"coffer: INTERNAL: the daemon answered List with the token of a page that it gave before\n")


class Answering:
    """A daemon that answers every call with one failure. Its path as a context manager."""

    def __init__(self, reason: int, message: str, vault: str = ""):
        failure = messages.credentials.Failure(reason=reason, message=message, vault=vault)
        self.payload = failure.SerializeToString()
        self.is_over = False
        self.place = Place()

    def __enter__(self) -> str:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.place.socket))
        self.listener.listen()
        self.listener.settimeout(30)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return str(self.place.socket)

    def __exit__(self, *_: object) -> None:
        self.is_over = True
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.place.socket))
        self.thread.join(30)
        self.listener.close()
        self.place.remove()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while not self.is_over:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError, struct.error):
                    connection.settimeout(30)
                    self.answer(connection)

    def answer(self, connection: socket.socket) -> None:
        header = connection.recv(HEADER.size, socket.MSG_WAITALL)
        length, _, _, _, call_id, _, _ = HEADER.unpack(header)
        connection.recv(length + 4 - HEADER.size, socket.MSG_WAITALL)
        connection.sendall(
            HEADER.pack(20 + len(self.payload), 1, Kind.RESPONSE, 0, call_id, Status.UNAVAILABLE, 0) + self.payload)
        connection.recv(1)


class Circling(Answering):
    """A daemon whose listings go on from `lead` again after `lead + circle` pages."""

    def __init__(self, lead: int, circle: int):
        super().__init__(0, "")
        self.lead, self.circle = lead, circle

    def answer(self, connection: socket.socket) -> None:
        while True:
            header = connection.recv(HEADER.size, socket.MSG_WAITALL)
            length, _, _, _, call_id, _, _ = HEADER.unpack(header)
            payload = connection.recv(length + 4 - HEADER.size, socket.MSG_WAITALL)
            page = int(messages.credentials.ListRequest.FromString(payload).page_token or -1) + 1
            page = page if page < self.lead + self.circle else self.lead
            payload = messages.credentials.ListResponse(
                next_page_token=str(page), entries=[{"user_id": "ann", "connection_id": str(page)}]).SerializeToString()
            connection.sendall(HEADER.pack(20 + len(payload), 1, Kind.RESPONSE, 0, call_id, Status.OK, 0) + payload)
