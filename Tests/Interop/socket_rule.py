#!/usr/bin/env python3
"""One rule for the socket: daemon and clients in every environment, as root and as an ordinary user.

    python3 Tests/Interop/socket_rule.py BIN C-BUILD

BIN holds cofferd, coffer and coffer-interop-swift, C-BUILD is the build folder of clients/c. Needs root: it acts for a
user of its own and makes that user's folder in /run/user and /tmp.
"""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

USER, STRANGER = 54323, 54324
RUNTIME, TEMPORARY = Path(f"/run/user/{USER}"), Path(f"/tmp/coffer-{USER}")


class Programs:
    def __init__(self, bin_folder: str, c_build: str):
        self.daemon = [f"{bin_folder}/cofferd"]
        self.clients = {
            "C": [f"{c_build}/interop/find_daemon"],
            "Swift": [f"{bin_folder}/coffer-interop-swift", "find"],
            "Node": ["node", os.path.abspath("Tests/Interop/node/find.mjs")],
            "coffer": [f"{bin_folder}/coffer", "get", "nobody", "nothing"],
            "Python": [sys.executable, str(Path(__file__).resolve().parent / "python/find_daemon.py")],
        }


def run(command, uid, variables, home):
    """Exit code and what it printed, both streams."""
    def become():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)

    if command[0] == sys.executable:
        # It may be where that user cannot reach it, so the script becomes the user itself.
        command, become = [*command, str(uid)], None
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    ended = subprocess.run(
        command, env={**kept, "HOME": home, **variables}, cwd=home, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, preexec_fn=become)
    return ended.returncode, ended.stdout.strip()


def remove(path):
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


def make_folder(path, state):
    """`state`: absent, own, foreign, open (others may write), link."""
    remove(path)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if state == "link":
        path.symlink_to("/run")
    elif state != "absent":
        path.mkdir()
        os.chown(path, STRANGER if state == "foreign" else USER, -1)
        path.chmod(0o777 if state == "open" else 0o700)


def expected_path(uid, variables, runtime_state):
    """The rule of PROTOCOL.md, once more."""
    if variables.get("COFFER_SOCKET"):
        return variables["COFFER_SOCKET"]
    if variables.get("XDG_RUNTIME_DIR", "").startswith("/"):
        return variables["XDG_RUNTIME_DIR"] + "/coffer/coffer.sock"
    if uid == 0:
        return "/run/coffer/coffer.sock"
    return f"{RUNTIME}/coffer/coffer.sock" if runtime_state == "own" else f"{TEMPORARY}/coffer.sock"


class Table:
    def __init__(self, programs, home):
        self.programs, self.home = programs, home
        self.passed = self.failed = 0

    def check(self, what, expected, actual):
        if expected == actual:
            self.passed += 1
        else:
            self.failed += 1
            print(f"{what}: expected {expected!r}, got {actual!r}")

    def clients(self, what, uid, variables, expected, without=()):
        for name, command in self.programs.clients.items():
            if name in without:
                continue
            _, text = run(command, uid, variables, self.home)
            self.check(f"{what}, {name}", expected, text.removeprefix("coffer: "))

    def paths(self):
        """Where each program looks if nobody is there."""
        variables = [
            {"COFFER_SOCKET": path, "XDG_RUNTIME_DIR": runtime}
            for path, runtime in itertools.product((None, "", f"{self.home}/s"), (None, "", "run", f"{self.home}/x"))]
        rows = [(uid, row, "absent") for uid in (0, USER) for row in variables]
        rows += [(USER, {}, state) for state in ("own", "foreign", "open", "link")]
        for uid, row, state in rows:
            row = {name: value for name, value in row.items() if value is not None}
            make_folder(RUNTIME, state)
            path = expected_path(uid, row, state)
            what = f"uid {uid}, {row}, /run/user folder {state}"
            self.clients(
                what, uid, row, f"UNAVAILABLE: cofferd is not running at {path}; start it, or set COFFER_SOCKET")
            _, text = run([*self.programs.daemon, "--check"], uid, row, self.home)
            lines = [line for line in text.splitlines() if line.startswith("socket:")]
            self.check(f"{what}, cofferd", [f"socket: {path}"], [line.replace('"', "") for line in lines])
        make_folder(RUNTIME, "absent")

    def temporary_folder(self):
        """The folder in /tmp, if somebody else has made it."""
        text = f"{TEMPORARY} must be a folder of uid {USER} with mode 0700, not a link; remove it, or set COFFER_SOCKET"
        for state in ("foreign", "open", "link"):
            make_folder(TEMPORARY, state)
            self.clients(f"{TEMPORARY} {state}", USER, {}, f"FAILED_PRECONDITION: {text}")
            self.check(
                f"{TEMPORARY} {state}, cofferd", (78, f"cofferd: {text}"),
                run([*self.programs.daemon, "--data", f"{self.home}/data-{state}"], USER, {}, self.home))
        make_folder(TEMPORARY, "absent")

    def foreign_program(self):
        """A socket of root's that a program of another user listens at. Node cannot ask who listens."""
        blind = {"Node"}
        path = f"{self.home}/foreign"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            os.seteuid(STRANGER)
            try:
                listener.listen(8)
            finally:
                os.seteuid(0)
            self.clients(
                "a program of another user", 0, {"COFFER_SOCKET": path},
                f"FAILED_PRECONDITION: the program that listens at {path} runs as uid {STRANGER}, expected 0 (root); if "
                f"that uid is trusted with credentials, set COFFER_SERVER_UID={STRANGER}", without=blind)
            for name in self.programs.clients.keys() - blind:
                with listener.accept()[0] as connection:
                    self.check(f"what {name} sent to it", b"", connection.recv(1))

    def wrong_uids(self):
        """What is no decimal number of at most ten digits, or no uid, is trusted by nobody."""
        for text in ("+5", "-0", " 5", "5x", "0x5", "4294967295", "00000000005"):
            self.clients(
                f"COFFER_SERVER_UID={text}", 0, {"COFFER_SOCKET": f"{self.home}/s", "COFFER_SERVER_UID": text},
                f"INVALID_ARGUMENT: COFFER_SERVER_UID: expected the number of a uid, got {len(text)} bytes that are none; "
                "correct or unset it")

    def meet(self):
        """A daemon and clients with the same environment find each other."""
        make_folder(RUNTIME, "own")
        rows = [
            (USER, {}), (USER, {"XDG_RUNTIME_DIR": f"{self.home}/x"}), (0, {"XDG_RUNTIME_DIR": f"{self.home}/root"}),
            (USER, {"COFFER_SOCKET": f"{self.home}/s"}),
        ]
        for uid, row in rows:
            self.serve(uid, row)
        make_folder(RUNTIME, "absent")
        self.serve(USER, {})
        self.check("mode of the folder in /tmp", 0o700, TEMPORARY.stat().st_mode & 0o777)

    def serve(self, uid, row):
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        runtime = row.get("XDG_RUNTIME_DIR")
        if runtime:
            os.makedirs(runtime, exist_ok=True)
            os.chown(runtime, uid, -1)
        data = tempfile.mkdtemp(dir=self.home)
        os.chown(data, uid, -1)
        with open(f"{data}.log", "wb") as log:
            daemon = subprocess.Popen(
                [*self.programs.daemon, "--data", data], env={**kept, "HOME": self.home, **row}, cwd=self.home,
                user=uid, group=uid, extra_groups=[], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            state = "own" if RUNTIME.exists() else "absent"
            path = expected_path(uid, row, state)
            limit = time.monotonic() + 20
            while not os.path.exists(path) and daemon.poll() is None and time.monotonic() < limit:
                time.sleep(0.01)
            self.clients(f"a daemon of uid {uid}, {row}", uid, row, NOT_FOUND)
            if uid == USER:
                # Another user's daemon, for root: refused, and trusted when that is said.
                told = {**row, "COFFER_SOCKET": path}
                self.clients(
                    f"root, at {path}", 0, told,
                    f"FAILED_PRECONDITION: the socket {path} belongs to uid {USER}, expected 0 (root); if that uid is "
                    f"trusted with credentials, set COFFER_SERVER_UID={USER}")
        finally:
            daemon.terminate()
            self.check(f"the end of a daemon of uid {uid}, {row}", 0, daemon.wait(20))


NOT_FOUND = "NOT_FOUND: there is no record for this user and connection"


def main():
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} BIN C-BUILD")
    if os.geteuid() != 0:
        sys.exit("socket_rule.py acts as another user: run it as root")
    programs = Programs(*map(os.path.abspath, sys.argv[1:]))
    home = tempfile.mkdtemp(prefix="cf", dir="/tmp")
    os.chown(home, USER, -1)
    os.chmod(home, 0o755)
    table = Table(programs, home)
    try:
        remove(TEMPORARY)
        table.paths()
        table.temporary_folder()
        table.wrong_uids()
        table.foreign_program()
        table.meet()
    finally:
        remove(RUNTIME)
        remove(TEMPORARY)
        shutil.rmtree(home)
    print(f"{table.passed} passed, {table.failed} failed")
    sys.exit(0 if table.passed and not table.failed else 1)


main()
