"""`coffer run`, and `coffer get --field`."""

import json
import os
import signal
import subprocess
from pathlib import Path

from harness import Status, SystemTest, options
from harness.daemon import environment
from harness.terminal import Terminal

SECRET = b"canary-7f3a91"
#: All that end a process and that the command can be sent.
SIGNALS = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
    "XCPU", "XFSZ", "VTALRM", "PROF",
]


class Running(SystemTest):
    def setUp(self) -> None:
        super().setUp()
        self.server = self.daemon()
        for connection, value in [
            ("plain", SECRET), ("json", b'{"key":"canary-7f3a91","port":5432,"gone":null}'), ("zero", b"a\x00b"), ("a/b#c%", b"odd"),
        ]:
            ended = self.server.coffer("store", "ann", connection, stdin=value)
            self.assertEqual(ended.returncode, 0, ended.stderr)

    def run_command(self, *arguments: object, **more: object) -> subprocess.CompletedProcess:
        return self.server.coffer("run", *arguments, **more)

    def started(self, *command: str, arguments: tuple[str, ...] = (), **options_of_process: object) -> subprocess.Popen:
        """With the credential in its environment; at its first line of output."""
        env = environment({"COFFER_SOCKET": str(self.server.place.socket), "PATH": os.environ["PATH"]})
        env |= options_of_process.pop("variables", {})
        process = subprocess.Popen(
            [options.bin / "coffer", "run", "-e", "TOKEN=ann/plain", *arguments, "--", *command], env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options_of_process)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait, 20)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def test_variables_and_fields(self) -> None:
        ended = self.run_command(
            "-e", "TOKEN=ann/plain", "-e", "KEY=ann/json#key", "-e", "PORT=ann/json#port", "--env", "ODD=ann/a%2Fb%23c%25", "--",
            "sh", "-c", 'printf "%s|%s|%s|%s" "$TOKEN" "$KEY" "$PORT" "$ODD"')
        self.assertEqual((ended.returncode, ended.stdout), (0, SECRET + b"|" + SECRET + b"|5432|odd"), ended.stderr)

    def test_files_are_in_memory_and_only_for_the_command(self) -> None:
        path = self.server.place.folder / "key"
        arguments = ("-f", f"{path}=ann/zero", "--", "sh", "-c")
        ended = self.run_command(*arguments, f'cat {path}; stat -Lc %a {path} >&2; cat {path} | od -c >/dev/null')
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr.strip()), (0, b"a\x00b", b"400"))
        # What is left is a link that leads nowhere, and the next run uses it again.
        self.assertTrue(path.is_symlink() and not path.exists())
        self.assertEqual(self.run_command(*arguments, f"cat {path}").stdout, b"a\x00b")

    def test_programs_with_one_path_each_read_their_own(self) -> None:
        folder = self.server.place.folder
        env = environment({"COFFER_SOCKET": str(self.server.place.socket), "PATH": os.environ["PATH"]})

        def begin(*files: str) -> subprocess.Popen:
            flags = [part for file in files for part in ("-f", file)]
            process = subprocess.Popen(
                [options.bin / "coffer", "run", *flags, "--", "sh", "-c", "echo ready; read x; cat one two"], env=env, cwd=folder,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), b"ready\n")
            return process

        first = begin("one=ann/plain", "two=ann/a%2Fb%23c%25")
        second = begin("two=ann/plain", "one=ann/a%2Fb%23c%25")
        # One that does not start, and one that names a file twice, leave the links alone.
        for flags, status in ((("-f", "one=ann/plain", "--", "./nowhere"), 127),
                              (("-f", "one=ann/plain", "-f", "./one=ann/zero", "--", "true"), Status.FAILED_PRECONDITION)):
            ended = subprocess.run([options.bin / "coffer", "run", *flags], env=env, cwd=folder, capture_output=True, timeout=20)
            self.assertEqual(ended.returncode, status, ended.stderr)
        self.assertEqual(second.communicate(b"\n", timeout=20)[0], b"odd" + SECRET)
        self.assertEqual(first.communicate(b"\n", timeout=20)[0], SECRET + b"odd")

    def test_programs_that_begin_together_share_one_new_path(self) -> None:
        env = environment({"COFFER_SOCKET": str(self.server.place.socket), "PATH": os.environ["PATH"]})
        for number in range(12):
            path = self.server.place.folder / f"shared-{number}"
            programs = [
                subprocess.Popen(
                    [options.bin / "coffer", "run", "-f", f"{path}=ann/{connection}", "--", "cat", path], env=env,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                for connection in ("plain", "a%2Fb%23c%25")]
            ended = [program.communicate(timeout=20) for program in programs]
            self.assertEqual(ended, [(SECRET, b""), (b"odd", b"")])

    def test_a_command_that_does_not_start_leaves_no_link(self) -> None:
        folder = self.server.place.folder / "links"
        folder.mkdir()
        path = folder / "key"
        (folder / "program").write_text("no program")
        for command, code in (("/nowhere", 127), ("no-such-thing-9", 127), (str(folder / "program"), 126)):
            before = folder.stat().st_mtime_ns
            self.assertEqual(self.run_command("-f", f"{path}=ann/plain", "--", command).returncode, code)
            self.assertFalse(path.is_symlink())
            # Nor is one made that another program may share until it is removed.
            self.assertEqual(folder.stat().st_mtime_ns, before, command)

    def test_a_variable_replaces_all_of_its_name(self) -> None:
        source = (
            "#include <unistd.h>\nint main(int c, char **v) { char *e[] = {\"TOKEN=OLD1\", \"TOKEN=OLD2\", v[2], 0};"
            "return execve(v[1], (char *[]){\"coffer\", \"run\", \"-e\", \"TOKEN=ann/plain\", \"--\", \"/usr/bin/env\", 0}, e); }")
        program = self.server.place.folder / "twice"
        subprocess.run(["cc", "-x", "c", "-", "-o", program], input=source, text=True, check=True, timeout=60)
        ended = subprocess.run(
            [program, options.bin / "coffer", f"COFFER_SOCKET={self.server.place.socket}"], capture_output=True, timeout=20)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual([line for line in ended.stdout.splitlines() if b"TOKEN" in line], [b"TOKEN=" + SECRET])

    def test_nobody_else_reads_the_file(self) -> None:
        path = self.server.place.folder / "key"
        env = environment({"COFFER_SOCKET": str(self.server.place.socket), "PATH": os.environ["PATH"]})
        with subprocess.Popen(
            [options.bin / "coffer", "run", "-f", f"{path}=ann/plain", "--", "sh", "-c", "echo ready; read x"], env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            self.assertEqual(process.stdout.readline(), b"ready\n")
            with self.assertRaises(OSError):
                path.read_bytes()
            process.communicate(b"\n", timeout=20)

    def test_what_is_at_the_path_stays(self) -> None:
        path = self.server.place.folder / "mine"
        other = self.server.place.folder / "other"
        path.write_text("mine")
        other.symlink_to(path)
        # Not as we write numbers: the command would find nothing there.
        odd = self.server.place.folder / "odd"
        odd.symlink_to("/proc/self/fd/0099")
        for taken in (path, other, odd):
            ended = self.run_command("-f", f"{taken}=ann/plain", "--", "true")
            self.assertEqual(ended.returncode, Status.FAILED_PRECONDITION, ended.stderr)
            self.assertIn(b"is there already", ended.stderr)
        self.assertEqual((path.read_text(), other.readlink()), ("mine", path))

    def test_the_secret_is_in_the_environment_of_the_command_alone(self) -> None:
        """And in no argument, log or file on a disk: neither the variable's nor the file's, while it runs and after."""
        place = self.server.place.folder / "used by run"
        place.mkdir()
        errors = place / "stderr"
        with errors.open("wb") as stderr:
            process = self.started(
                "sh", "-c", 'cat key >/dev/null && echo ready; read x; cat key', arguments=("-f", "key=ann/plain"), cwd=place,
                stderr=stderr, variables={name: str(place) for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR")})
        own = Path(f"/proc/{process.pid}")
        self.assertIn(SECRET, (own / "environ").read_bytes())
        self.assertNotIn(SECRET, (own / "cmdline").read_bytes())
        self.assertNotIn(SECRET, Path("/proc/self/environ").read_bytes())
        for other in Path("/proc").glob("[0-9]*"):
            try:
                seen = (other / "cmdline").read_bytes(), (other / "environ").read_bytes()
            except OSError:
                continue
            if other.name != str(process.pid):
                self.assertFalse(any(SECRET in text for text in seen), (other / "comm").read_text())
        self.assert_nowhere_on_disk()
        # It was there to be found.
        self.assertEqual(process.communicate(b"\n", timeout=20)[0], SECRET)
        self.assert_nowhere_on_disk()
        self.assertEqual(errors.read_bytes(), b"")
        self.assertNotIn(SECRET.decode(), self.server.log_text())

    def assert_nowhere_on_disk(self) -> None:
        files = [file for file in self.server.place.folder.rglob("*") if file.is_file() and not file.is_symlink()]
        self.assertGreater(len(files), 2)
        for file in files:
            self.assertNotIn(SECRET, file.read_bytes(), str(file))
        for link in (link for link in self.server.place.folder.rglob("*") if link.is_symlink()):
            self.assertRegex(str(link.readlink()), "^/proc/self/fd/[0-9]+$")

    def test_exit_codes_pass_through(self) -> None:
        for code in (0, 1, 2, 3, 5, 7, 9, 14, 42, 64, 77, 100, 125, 126, 127, 128, 129, 143, 200, 255):
            ended = self.run_command("-e", "T=ann/plain", "--", "sh", "-c", f"exit {code}")
            self.assertEqual(ended.returncode, code)

    def test_signals_pass_through(self) -> None:
        for name in SIGNALS:
            with self.subTest(signal=name):
                process = self.started("sh", "-c", "ulimit -c 0; echo ready; exec cat")
                # The shell may not be the one that is told: wait until it is not there any more.
                while Path(f"/proc/{process.pid}/comm").read_text() != "cat\n":
                    pass
                number = signal.Signals[f"SIG{name}"]
                process.send_signal(number)
                self.assertEqual(process.wait(20), -number)

    def test_the_command_gets_what_coffer_was_started_with(self) -> None:
        show = r"grep -E '^(Sig(Blk|Ign)|NoNewPrivs)' /proc/self/status; ulimit -Sc; ulimit -Hc; ls /proc/self/fd | sort -n | tr '\n' ' '"
        env = environment({"COFFER_SOCKET": str(self.server.place.socket), "PATH": os.environ["PATH"]})
        for before in ("", "trap '' PIPE QUIT; ", "ulimit -Sc 0; "):
            plain = subprocess.run(["sh", "-c", f"{before}exec sh -c \"$1\"", "sh", show], env=env, capture_output=True, timeout=20)
            through = subprocess.run(
                ["sh", "-c", f"{before}exec \"$2\" run -e T=ann/plain -- sh -c \"$1\"", "sh", show, options.bin / "coffer"], env=env,
                capture_output=True, timeout=20)
            self.assertEqual(through.stdout, plain.stdout, (before, through.stderr))

    def test_the_streams_are_those_of_the_command(self) -> None:
        """A terminal, a pipe, a full disk and a closed end are to it what they would be without coffer."""
        env = environment({"COFFER_SOCKET": str(self.server.place.socket), "PATH": os.environ["PATH"]})
        through = [str(options.bin / "coffer"), "run", "-e", "T=ann/plain"]
        for more in ([], ["--json"]):
            with Terminal([*through, *more, "--socket", str(self.server.place.socket), "--", "sh", "-c", "test -t 0 -a -t 1 && echo tty"]) as terminal:
                self.assertEqual((terminal.wait(), terminal.shown), (0, b"tty\r\n"))
            for stdout in ("| cat", ">/dev/full", ">&-", "| true"):
                results = []
                for command in ([], [*through, *more, "--"]):
                    script = f"set -o pipefail; \"$@\" sh -c 'sleep 0.2; cat; echo $? >&2' {stdout}"
                    ended = subprocess.run(
                        ["bash", "-c", script, "bash", *command], input=b"read by the command\n" * 9_000, env=env, capture_output=True,
                        timeout=20)
                    results.append((ended.returncode, ended.stdout, ended.stderr))
                self.assertEqual(*results, (more, stdout))

    def test_a_closed_stream_stays_closed(self) -> None:
        env = environment({"COFFER_SOCKET": str(self.server.place.socket), "PATH": os.environ["PATH"]})
        ended = subprocess.run(
            ["sh", "-c", '"$1" run -e T=ann/plain -- sh -c "ls /proc/\\$\\$/fd" <&-', "sh", options.bin / "coffer"], env=env,
            capture_output=True, timeout=20)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertNotIn(b"0", ended.stdout.split())

    def test_what_does_not_start(self) -> None:
        folder = self.server.place.folder
        (folder / "text").write_text("no program")
        for command, code in [("/no/such/thing", 127), ("no-such-thing-9", 127), (str(folder / "text"), 126), (str(folder), 126)]:
            with self.subTest(command=command):
                ended = self.run_command("-e", "T=ann/plain", "-f", f"{folder}/link=ann/plain", "--", command)
                self.assertEqual(ended.returncode, code, ended.stderr)
                self.assertIn(b"does not start", ended.stderr)
                self.assertFalse((folder / "link").is_symlink())

    def test_nothing_runs_without_its_credentials(self) -> None:
        mark = self.server.place.folder / "mark"
        for binding, status, text in [
            ("T=ann/absent", Status.NOT_FOUND, b"T: "), ("T=ann/json#none", Status.FAILED_PRECONDITION, b"no such field"),
            ("T=ann/json#gone", Status.FAILED_PRECONDITION, b"is null"), ("T=ann/plain#x", Status.FAILED_PRECONDITION, b"not a JSON object"),
            ("T=ann/zero", Status.FAILED_PRECONDITION, b"zero byte"),
        ]:
            with self.subTest(binding=binding):
                ended = self.run_command("-e", binding, "--", "touch", mark)
                self.assertEqual(ended.returncode, status, ended.stderr)
                self.assertIn(text, ended.stderr)
                self.assertNotIn(b"canary", ended.stderr)
        self.assertFalse(mark.exists())

    def test_wrong_command_lines_repeat_nothing(self) -> None:
        for arguments in (
            ["-e", "T=ann/plain"], ["--", "true"], ["-e", "hunter2", "--", "true"], ["-e", "hunter2=ann", "--", "true"],
            ["-e", "=ann/plain", "--", "true"], ["-e", "1T=ann/plain", "--", "true"], ["-e", "A B=ann/plain", "--", "true"],
            ["-e", "T=ann/%zz", "--", "true"], ["-e", "T=ann/a#", "--", "true"], ["-e", "T=/a", "--", "true"],
            ["-e", "T=ann/plain", "-e", "T=ann/json", "--", "true"], ["-e", "T=ann/plain", "true"],
        ):
            with self.subTest(arguments=arguments):
                ended = self.run_command(*arguments)
                self.assertEqual(ended.returncode, 64, ended.stderr)
                self.assertNotIn(b"hunter2", ended.stderr)

    def test_get_gives_a_field(self) -> None:
        for name, value in (("key", SECRET), ("port", b"5432")):
            ended = self.server.coffer("get", "ann", "json", "--field", name)
            self.assertEqual((ended.returncode, ended.stdout), (0, value), ended.stderr)
        ended = self.server.coffer("get", "ann", "json", "--field", "key", "--json")
        self.assertEqual(json.loads(ended.stdout)["credentialBase64"], "Y2FuYXJ5LTdmM2E5MQ==")
        ended = self.server.coffer("get", "ann", "plain", "--field", "key")
        self.assertEqual((ended.returncode, ended.stdout), (Status.FAILED_PRECONDITION, b""))
        self.assertNotIn(b"canary", ended.stderr)
