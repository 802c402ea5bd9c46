#!/usr/bin/env python3
"""Plants bugs, one at a time, and sees whether the tests find each.

    planted-bugs.py [--group cache|service] [--only PART-OF-A-NAME]

Works on a copy of the tree; takes some minutes, so it belongs to the soak. Ends
0 if every bug is found, and those survive that another guard makes harmless.
"""

import argparse
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRATCH = ROOT / ".build-planted"

SHARD = "Sources/CofferCache/CacheShard.swift"
TABLE = "Sources/CofferCache/EntryTable.swift"
SCANNER = "Sources/CofferWire/Scan/MessageScanner.swift"
UTF8 = "Sources/CofferWire/Scan/UTF8Check.swift"
PARSER = "Sources/CofferWire/Frame/FrameParser.swift"
BUFFER = "Sources/CofferWire/Memory/ByteBuffer.swift"
ARENA = "Sources/CofferWire/Memory/Arena.swift"
DEADLINES = "Sources/CofferServer/Reactor/DeadlineQueue.swift"
READING = "Sources/CofferServer/Reactor/Reactor+Reading.swift"
CALLS = "Sources/CofferServer/Reactor/Reactor+Calls.swift"
WRITING = "Sources/CofferServer/Reactor/Reactor+Writing.swift"
KEY = "Sources/CofferCore/RecordKey.swift"

# What is built and run for bugs in these places.
GROUPS = {
    "cache": (["CLinux", "CofferCore", "CofferCache", "CofferCacheTests"], "CofferCacheTests"),
    "service": (
        ["CLinux", "CofferCore", "CofferCache", "CofferAccess", "CofferCrypto", "COpenSSL", "CProtobufC",
         "CofferMessages", "CofferWire", "CofferVault", "CSQLiteShims", "CofferSQLite", "CofferVaults",
         "CofferServer", "CofferDaemon", "CofferWireTests", "CofferFuzzReplayTests"],
        "CofferWireTests|CofferFuzzReplayTests"),
}


@dataclasses.dataclass
class Bug:
    """Edits, each a text that occurs once in its file and what takes its place."""

    name: str
    group: str
    edits: list
    # Why nobody can notice; such a bug is to survive.
    harmless: str = ""


def one(name, group, file, old, new, harmless=""):
    return Bug(name, group, [(file, old, new)], harmless)


BEGIN_FENCE = ("        fences[stripe] += 1\n        writers[stripe] += 1\n", "        writers[stripe] += 1\n")
END_FENCE = ("        writers[stripe] -= 1\n        fences[stripe] += 1\n", "        writers[stripe] -= 1\n")
END_GUARD = ("fences[stripe] == ticket.fence + 1 else", "fences[stripe] == ticket.fence else")
ALONE = ("if !ticket.isAlone, writers", "if writers")

BUGS = [
    # The cache.
    one("no fence when a write begins", "cache", SHARD, *BEGIN_FENCE),
    one("no fence when a write ends, so nothing written is cached", "cache", SHARD, *END_FENCE),
    Bug("no fence when a write ends", "cache", [(SHARD, *END_FENCE), (SHARD, *END_GUARD)],
        harmless="a flight that sets out during a write is alone, and those from before see the first fence"),
    one("a flight that is alone is cached", "cache", SHARD, *ALONE,
        harmless="the fence at the write's end keeps it out too"),
    Bug("a flight that is alone is cached, and no fence when a write ends", "cache",
        [(SHARD, *ALONE), (SHARD, *END_FENCE), (SHARD, *END_GUARD)]),
    one("joining ignores the fence", "cache", SHARD,
        "flight.ticket.fence == fences[stripe], flight.ticket.key == key", "flight.ticket.key == key"),
    one("completing ignores the fence", "cache", SHARD, ", fences[stripe] == ticket.fence {", " {"),
    one("the record's expiry is ignored", "cache", SHARD,
        "value.expiresAt == 0 || wall < value.expiresAt", "value.expiresAt == 0 || wall < .max"),
    one("the record's expiry comes a millisecond late", "cache", SHARD,
        "wall < value.expiresAt", "wall <= value.expiresAt"),
    one("the TTL is a millisecond long", "cache", SHARD,
        "age < configuration.ttlMilliseconds", "age <= configuration.ttlMilliseconds"),
    one("the TTL is ignored", "cache", SHARD, "guard age < configuration.ttlMilliseconds, age", "guard age"),
    one("maximum age is ignored", "cache", SHARD, ", age <= maximumAge else", " else"),
    one("maximum age is a millisecond short", "cache", SHARD, "age <= maximumAge", "age < maximumAge"),
    one("invalidating a user sets no fence", "cache", SHARD,
        "        for stripe in fences.indices { fences[stripe] += 1 }\n", ""),
    one("invalidating a key sets no fence", "cache", SHARD,
        "        fences[stripe(hash)] += 1\n        return table", "        return table"),
    one("invalidating a user drops everything", "cache", SHARD,
        "user == nil || $0.user == user!", "true || $0.user == user!"),
    one("a write leaves the old value", "cache", SHARD,
        "        table.remove(hash)\n        return WriteTicket", "        return WriteTicket"),
    one("two writes at once are cached", "cache", SHARD, "guard ticket.wasAlone, fences[stripe]", "guard fences[stripe]"),
    one("a definite no does not evict", "cache", SHARD, " else if definite { table.remove(ticket.hash) }", ""),
    one("a transient no evicts", "cache", SHARD, "else if definite {", "else {"),
    one("one waiter too many", "cache", SHARD,
        "flight.waiters.count < configuration", "flight.waiters.count <= configuration"),
    one("one flight too many", "cache", SHARD, "flights.count < maximumFlights", "flights.count <= maximumFlights"),
    one("a fresh read joins", "cache", SHARD, "if !fresh, !writing, let id", "if !writing, let id"),
    one("joining does not look again", "cache", SHARD, "if !fresh, let (value, age)", "if false, let (value, age)"),
    one("a key with the same hash is taken for the right one", "cache", TABLE,
        "guard user.isEqual(to: entries[index]!.user), connection.isEqual(to: entries[index]!.connection) else {\n"
        "            return nil\n        }\n", ""),
    one("a flight for a key with the same hash is joined", "cache", SHARD, ", flight.ticket.key == key\n", "\n"),
    one("what is read is not spared", "cache", TABLE, "entries[index]!.visited = true", "entries[index]!.visited = false"),
    one("bytes only grow", "cache", TABLE, "        bytes -= entry.cost\n", ""),
    one("an entry too large is kept", "cache", TABLE, "        guard entry.cost <= maximumBytes else { return }\n",
        "        guard entry.cost <= 2 * maximumBytes else { return }\n"),
    one("the hand stays on what is removed", "cache", TABLE, "        if hand == slot { hand = entry.newer }\n", ""),

    # Frames, messages and buffers.
    one("a frame one byte too long", "service", PARSER, "guard length <= maximumLength else", "guard length <= maximumLength + 1 else"),
    one("a length below the header's", "service", PARSER,
        "length < UInt32(FrameHeader.countedBytes)", "length < UInt32(FrameHeader.countedBytes) - 1"),
    one("responses are taken for requests", "service", PARSER, "|| header.kind == FrameKind.cancel.rawValue", "|| header.kind <= FrameKind.cancel.rawValue"),
    one("padded varints", "service", SCANNER, "return byte == 0 ? nil : value", "return value"),
    one("a varint over 64 bits", "service", SCANNER, "if shift == 63 && byte > 1 { return nil }", "if shift == 63 && byte > 3 { return nil }"),
    one("a length one beyond the end", "service", SCANNER,
        "length <= UInt64(end - cursor) else", "length <= UInt64(end - cursor) + 1 else"),
    one("singular fields twice", "service", SCANNER, "guard seen & (1 << number) == 0 else", "guard seen & (1 << number) < .max else"),
    one("two members of a oneof", "service", SCANNER, "oneofs |= 1 << rule.oneof", "oneofs |= 0 << rule.oneof"),
    one("one unknown field too many", "service", SCANNER, "unknown <= maximumUnknownFields", "unknown <= maximumUnknownFields + 1"),
    one("one element too many", "service", SCANNER, "elements <= maximumElements", "elements <= maximumElements + 1"),
    one("a number beyond 32 bits", "service", SCANNER, "value >> 32 == 0 ? nil : .range", "value >> 33 == 0 ? nil : .range"),
    one("a bool of 2", "service", SCANNER, "value <= 1 ? nil : .range", "value <= 2 ? nil : .range"),
    one("groups are skipped", "service", SCANNER, "        default: return .wireType\n            }\n        }\n\n        private mutating func advance",
        "        case 3, 4: return nil\n            default: return .wireType\n            }\n        }\n\n        private mutating func advance"),
    one("a NUL in text", "service", UTF8, "if byte == 0 { return .nul }", "if byte == 0 && index > 64 { return .nul }"),
    one("a NUL among eight letters", "service", UTF8, "if word & highBits == 0 && (word &- lowBits) & ~word & highBits == 0 {", "if word & highBits == 0 {"),
    one("surrogates in text", "service", UTF8, "(3, 0x80...0x9F)", "(3, 0x80...0xBF)"),
    one("overlong text", "service", UTF8, "(3, 0xA0...0xBF)", "(3, 0x80...0xBF)"),
    one("consuming forgets to start anew", "service", BUFFER,
        "        if start == end {\n            start = 0\n            end = 0\n        }\n    }\n\n    /// Takes away what",
        "        if start == end { end = 0 }\n    }\n\n    /// Takes away what"),
    one("making room loses the last byte", "service", BUFFER, "memmove(base, base + start, held)", "memmove(base, base + start, max(0, held - 1))"),
    one("a larger buffer starts in the wrong place", "service", BUFFER, "fresh.copyMemory(from: base + start, byteCount: held)", "fresh.copyMemory(from: base, byteCount: held)"),
    one("truncating cuts from the front", "service", BUFFER, "        end = start + mark\n", "        start = end - mark\n"),
    one("the arena never runs full", "service", ARENA, "rounded <= state.pointee.capacity - state.pointee.used else", "rounded <= state.pointee.capacity else"),
    one("the heap looks at one child", "service", DEADLINES, "for child in [2 * parent + 1, 2 * parent + 2]", "for child in [2 * parent + 1]"),
    one("a deadline expires late", "service", DEADLINES, "first.deadline <= now else", "first.deadline < now else"),
    one("ids that Unicode holds equivalent are equal", "service", KEY,
        "a.user.utf8.elementsEqual(b.user.utf8)", "a.user == b.user"),

    # The reactor.
    one("what a pause held back is lost at the end of input", "service", READING,
        "guard let input = connection.input, !isPaused(connection) else { return }",
        "guard let input = connection.input else { return }"),
    one("the last bytes stay after a pause", "service", READING,
        "        if connection.readClosed { dropPartialFrame(connection) }\n", ""),
    one("the end of input comes between two pauses", "service", WRITING,
        "&& (connection.frameSince == nil || connection.readClosed)", "&& connection.frameSince == nil"),
    one("skipping an oversized frame ends a byte early", "service", READING,
        "connection.skip = frameBytes", "connection.skip = frameBytes - 1"),
    one("a call id in flight is taken again", "service", READING,
        "connection.calls.isEmpty || connection.calls[header.callID] == nil else",
        "connection.calls.isEmpty || connection.calls[header.callID] != nil || true else"),
    one("a cancelled call is answered twice", "service", READING, "        endCall(connection, callID)\n        refuse(\n", "        refuse(\n"),
    one("a call that ends is not counted", "service", CALLS, "        ledger.endCalls(uid: connection.peer.uid)\n", ""),
    one("an expired call is not answered", "service", CALLS, "            refuse(connection, item.callID, .deadlineExceeded())\n", ""),
]


def package(folder, targets):
    """The manifest, cut down to some targets."""
    text = (ROOT / "Package.swift").read_text()
    names = ", ".join(f'"{name}"' for name in targets)
    (folder / "Package.swift").write_text(
        f"{text}\npackage.targets.removeAll {{ ![{names}].contains($0.name) }}\n")


def run(folder, group, *arguments, seconds):
    """The exit code and the end of the output; a run that takes too long has failed."""
    command = ["swift", *arguments, "--scratch-path", str(SCRATCH / group)]
    # A crash is to be reported by its exit code, without a debugger's half minute.
    environment = os.environ | {"SWIFT_BACKTRACE": "enable=no"}
    with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            subprocess.run(["kill", "-KILL", "--", f"-{process.pid}"], check=False)
            process.communicate()
            return 1, f"took over {seconds} s"
        return process.returncode, output


def test(folder, group):
    """What a test run says: None if it passes, else the first complaint."""
    code, output = run(folder, group, "build", "--build-tests", seconds=900)
    if code:
        sys.exit(f"does not build:\n{output[-3000:]}")
    code, output = run(folder, group, "test", "--skip-build", "--filter", GROUPS[group][1], seconds=180)
    if not code:
        return None
    complaints = [line for line in output.splitlines() if "recorded an issue" in line or "Fatal error" in line]
    return (complaints or output.splitlines()[-1:] or ["it ended at once"])[0].strip()[:110]


def plant(folder, bug):
    for file, old, new in bug.edits:
        path = folder / file
        text = path.read_text()
        if text.count(old) != 1:
            sys.exit(f"{bug.name}: {file} has this {text.count(old)} times, expected once:\n{old}")
        path.write_text(text.replace(old, new))


def restore(folder, bug):
    for file, _, _ in bug.edits:
        shutil.copyfile(ROOT / file, folder / file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--group", choices=GROUPS, default="")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    wrong = 0
    passed = 0
    # The same place each time, so that what is built can be used again.
    folder = pathlib.Path(tempfile.gettempdir()) / "coffer-planted-bugs"
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns(".build*", ".git", "build*")
    shutil.copytree(ROOT, folder, ignore=ignored)
    for group, (targets, _) in GROUPS.items():
        bugs = [bug for bug in BUGS if bug.group == group and options.only in bug.name]
        if options.group not in ("", group):
            continue
        if not bugs:
            continue
        package(folder, targets)
        complaint = test(folder, group)
        if complaint:
            sys.exit(f"{group}: fails without a bug: {complaint}")
        for bug in bugs:
            plant(folder, bug)
            complaint = test(folder, group)
            restore(folder, bug)
            ok = (complaint is None) == bool(bug.harmless)
            wrong += not ok
            passed += ok
            verdict = "survives" if complaint is None else "found"
            reason = complaint or bug.harmless or "no test fails"
            print(f"{'ok   ' if ok else 'WRONG'} {verdict:8} {bug.name}: {reason}", flush=True)
    shutil.rmtree(folder)
    print(f"{passed} passed, {wrong} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
