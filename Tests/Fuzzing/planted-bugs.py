#!/usr/bin/env python3
"""Plants bugs, one at a time, and sees whether the tests find each.

    planted-bugs.py [--group cache|policy|service] [--only PART-OF-A-NAME] [--check]

--check only sees whether every bug still has its place in the sources.
Works on a copy of the tree; takes some minutes, so it belongs to the soak. Ends
0 if every bug is found, and those survive that another guard makes harmless.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRATCH = ROOT / ".build-planted"

SHARD = "Sources/CofferCache/CacheShard.swift"
JOINING = "Sources/CofferCache/CacheShard+Joining.swift"
FLIGHT = "Sources/CofferCache/Flight.swift"
SLOT = "Sources/CofferCache/Slot.swift"
INDEX = "Sources/CofferCache/SlotIndex.swift"
TABLE = "Sources/CofferCache/EntryTable.swift"
SCANNER = "Sources/CofferWire/Scan/MessageScanner.swift"
UTF8 = "Sources/CofferWire/Scan/UTF8Check.swift"
PARSER = "Sources/CofferWire/Frame/FrameParser.swift"
BUFFER = "Sources/CofferWire/Memory/ByteBuffer.swift"
ARENA = "Sources/CofferWire/Memory/Arena.swift"
DEADLINES = "Sources/CofferServer/Reactor/DeadlineQueue.swift"
READING = "Sources/CofferServer/Reactor/Reactor+Reading.swift"
CALLS = "Sources/CofferServer/Reactor/Reactor+Calls.swift"
COMPLETION = "Sources/CofferServer/Reactor/Reactor+Completion.swift"
SLICES = "Sources/CofferServer/Reactor/Quantum.swift"
WRITING = "Sources/CofferServer/Reactor/Reactor+Writing.swift"
WORK = "Sources/CofferServer/Services/CallWork.swift"
ACCESS = "Sources/CofferServer/Access/Reactor+Access.swift"
DECISIONS = "Sources/CofferServer/Services/Endpoint+Access.swift"
CREDENTIALS = "Sources/CofferServer/Services/Endpoint+Credentials.swift"
ADMIN = "Sources/CofferServer/Services/Endpoint+Admin.swift"
CHANGES = "Sources/CofferServer/Services/CredentialService+Changes.swift"
LISTS = "Sources/CofferServer/Services/CredentialService+List.swift"
KEY = "Sources/CofferCore/RecordKey.swift"
RULES = "Sources/CofferAccess/Grants/RuleTable.swift"
PACKED = "Sources/CofferAccess/Grants/PackedPattern.swift"
GRANTS = "Sources/CofferAccess/Grants/CallerGrants.swift"
BOUND = "Sources/CofferAccess/Grants/BoundPolicy.swift"
COVERAGE = "Sources/CofferAccess/Grants/Coverage.swift"
USAGE = "Sources/CofferAccess/Grants/GrantUsage.swift"
COMPILED = "Sources/CofferAccess/Grants/CompiledPolicy.swift"
PATTERN = "Sources/CofferAccess/Policy/PolicyPattern.swift"
PATTERN_READER = "Sources/CofferAccess/Policy/PolicyPatternReader.swift"
SELECTOR = "Sources/CofferAccess/Policy/Selector.swift"
RATE = "Sources/CofferAccess/Policy/RateLimit.swift"
CGROUP = "Sources/CofferAccess/Caller/ControlGroup.swift"
EVIDENCE = "Sources/CofferAccess/Caller/Evidence.swift"
EFFECT = "Sources/CofferAccess/Analysis/EffectCheck.swift"
USERS = "Sources/CofferProcess/UserDatabase.swift"
DESCRIPTION = "Sources/CofferPolicy/CallerDescription.swift"
ANSWER = "Sources/CofferPolicy/PolicyAnswer.swift"
READER = "Sources/CofferPolicy/PolicyReader.swift"
READER_WHO = "Sources/CofferPolicy/PolicyReader+Who.swift"
READER_KEYS = "Sources/CofferPolicy/PolicyReader+Keys.swift"

# What is built and run for bugs in these places.
GROUPS = {
    "cache": (
        ["CLinux", "CofferCore", "CofferCache", "CofferWorkload", "CofferCacheSimulation", "CofferCacheTests"],
        "CofferCacheTests"),
    "policy": (
        ["CLinux", "CofferCore", "CofferProcess", "CofferAccess", "CYAML", "CofferYAML", "CofferPolicy", "CofferPolicyProbe",
         "CofferAccessTests", "CofferPolicyTests"],
        "CofferAccessTests|CofferPolicyTests"),
    "service": (
        ["CLinux", "CCurl", "CofferCore", "CofferCache", "CofferAccess", "CofferCrypto", "COpenSSL", "CProtobufC",
         "CofferMessages", "CofferWire", "CofferHTTP", "CofferVault", "CSQLite", "CSQLiteLog", "CYAML", "CofferYAML", "CofferProcess", "CofferPolicy", "CofferSQLite", "CofferVaultKit",
         "CofferEmbedded", "CofferMemory", "CofferHashiCorp", "CofferAWS", "CofferCloudflare", "CofferGoogle", "CofferAzure", "CPostgres",
         "CofferPostgres", "CofferEtcd", "CofferFly", "CofferVaultCatalogue",
         "CofferServer", "CofferDaemon", "CofferPolicy", "CofferPolicyProbe", "CofferWireTests", "CofferFuzzReplayTests"],
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


BEGIN_FENCE = ("        fences[stripe(hash)] += 1\n        let wasAlone", "        let wasAlone")
END_FENCE = ("        fences[stripe(hash)] += 1\n        switch", "        switch")
END_GUARD = ("fence(hash) == ticket.fence + 1 else", "fence(hash) == ticket.fence else")
SHARED = ("        if writing[hash] == nil { current[hash] = ticket.id }\n", "        current[hash] = ticket.id\n")

BUGS = [
    # The cache: fences.
    one("no fence when a write begins", "cache", SHARD, *BEGIN_FENCE),
    one("no fence when a write ends, so nothing written is cached", "cache", SHARD, *END_FENCE),
    Bug("a flight during a write is shared, and no fence when it ends", "cache",
        [(SHARD, *SHARED), (SHARD, *END_FENCE), (SHARD, *END_GUARD)]),
    one("joining ignores the fence", "cache", SHARD,
        "flight.ticket.fence == fence(hash), flight.ticket.key == key", "flight.ticket.key == key"),
    one("completing ignores the fence", "cache", SHARD, " && fence(ticket.hash) == ticket.fence\n", "\n"),
    one("completing ignores later flights", "cache", SHARD,
        "let isUnfenced = isNewest && fence", "let isUnfenced = fence"),
    one("the epoch is not checked", "cache", SHARD, "fences[stripe(hash)] &+ epoch }", "fences[stripe(hash)] }"),
    one("invalidating a key sets no fence", "cache", SHARD,
        "        fences[stripe(hash)] += 1\n        return table", "        return table"),
    one("invalidating a user sets no fence", "cache", SHARD, "        epoch += 1\n        return", "        return"),
    one("a change of everything sets no fence", "cache", SHARD, "        epoch += 1\n        // A write", "        // A write"),
    one("a change of everything doubts nothing", "cache", TABLE, "isConcerned(key) { _ =", "!isConcerned(key) { _ ="),
    one("a write in vain ends the doubt of a change", "cache", SHARD,
        "writing[hash]!.mayHaveChanged = true }\n        table", "writing[hash]!.mayHaveChanged = false }\n        table"),
    one("invalidating a user drops nothing of it", "cache", TABLE,
        "slots[slot].bytes.starts(with: user) else", "!slots[slot].bytes.starts(with: user) else"),
    one("a write leaves the old value", "cache", SHARD, "Writing(before: table.doubt(hash: hash))", "Writing(before: nil)"),
    one("a write that may have happened leaves no doubt", "cache", SHARD,
        "            table.removeAbsence(hash: hash)\n",
        "            table.removeAbsence(hash: hash)\n"
        "            if let before = writes.before { table.restore(hash: hash, before) }\n"),
    one("a write in vain ends the doubt that another left", "cache", SHARD,
        "writes.count == 0, !writes.mayHaveChanged, let", "writes.count == 0, let"),
    one("a write in vain leaves doubt", "cache", SLOT,
        "= (trust.askAt, trust.hasFailed, trust.isDoubted)", "= (trust.askAt, trust.hasFailed, true)"),
    one("what is in doubt is not marked as stale", "cache", SHARD,
        "age >= lifetimes.fresh || table.slots[slot].isDoubted", "age >= lifetimes.fresh"),
    one("what is in doubt is given where nothing stale may be", "cache", SHARD,
        "!table.slots[slot].isDoubted || lifetimes.usable > lifetimes.fresh", "true"),
    one("an acknowledged write leaves what it replaced", "cache", SHARD,
        "                table.remove(hash: hash)\n                return\n", "                return\n"),
    one("two writes at once are cached", "cache", SHARD, "guard ticket.wasAlone, fence", "guard fence"),
    one("a write hides what is cached of other keys", "cache", SHARD,
        "guard let slot = find(key, hash), !table", "guard writing.isEmpty, let slot = find(key, hash), !table"),
    one("an ambiguous write is taken for done", "cache", SHARD,
        "            table.removeAbsence(hash: hash)\n", "            cache(nil, ticket, now: now, wall: wall)\n"),

    # The cache: time.
    one("the record's expiry is ignored", "cache", SHARD,
        "state.expiresAt == 0 || wall < state.expiresAt", "state.expiresAt == 0 || wall < .max"),
    one("the record's expiry comes a millisecond late", "cache", SHARD,
        "wall < state.expiresAt", "wall <= state.expiresAt"),
    one("a stale value outlives its expiry", "cache", SLOT,
        "if expiresAt != 0 && wall >= expiresAt { return true }", "if expiresAt != 0 && wall >= .max { return true }"),
    one("the wrong clock: ages by the wall's", "cache", SHARD,
        "let age = now.milliseconds(since: state.fetchedAt)\n        guard state",
        "let age = wall > state.fetchedAt.nanoseconds / 1_000_000 ? wall - state.fetchedAt.nanoseconds / 1_000_000 : 0\n"
        "        guard state"),
    one("the TTL is ignored", "cache", SHARD, "if age < lifetimes.fresh && ", "if age < lifetimes.usable && "),
    one("the TTL is a millisecond long", "cache", SHARD, "if age < lifetimes.fresh && ", "if age <= lifetimes.fresh && "),
    one("maximum age is ignored", "cache", SHARD, "guard age <= maximumAge else", "guard age <= maximumAge || true else"),
    one("a fresh read joins", "cache", JOINING, "if maximumAge > 0, let id = joinable", "if let id = joinable"),
    one("a flight from before the maximum age is joined", "cache", JOINING,
        "            now.milliseconds(since: flight.ticket.startedAt) <= maximumAge\n", "            true\n"),
    one("joining does not look again", "cache", JOINING, "if maximumAge > 0, let answer", "if maximumAge == 1, let answer"),

    # The cache: stale, absent, refreshed.
    one("stale after a definite no", "cache", SHARD, "            table.remove(hash: ticket.hash)\n            // Nor", "            // Nor"),
    one("a flight from before a definite no is cached", "cache", SHARD, "            current[ticket.hash] = nil\n            if writing", "            if writing"),
    one("a write from before a definite no is cached", "cache", SHARD,
        "            if writing[ticket.hash] != nil { fences[stripe(ticket.hash)] += 1 }\n", ""),
    one("the stale cap is ignored", "cache", SLOT,
        "(isAbsent ? lifetimes.absent : lifetimes.usable)", "(isAbsent ? lifetimes.absent : .max)"),
    one("the recheck is ignored", "cache", SHARD,
        "age + milliseconds, earliest", "age, earliest"),
    one("stale without a failure", "cache", SHARD, "guard !mustAsk, state.hasFailed,", "guard !mustAsk || true,"),
    one("a stale answer is not marked", "cache", SHARD,
        "value: table.value(slot), ageMilliseconds: age, isStale: isStale", "value: table.value(slot), ageMilliseconds: age, isStale: false"),
    one("who asked for younger gets stale", "cache", FLIGHT,
        "waiters.compactMap { age <= $0.maximumAge ? $0.token : nil }", "waiters.compactMap { age <= $0.maximumAge || true ? $0.token : nil }"),
    one("patience is without end", "cache", JOINING, "now >= flight.outOfPatience,\n", "now.nanoseconds == .max,\n"),
    one("absence is not cleared by a Store", "cache", SHARD,
        "age < lifetimes.absent && !state.isDoubted ? .absent", "age < lifetimes.absent ? .absent"),
    one("absence lasts for the TTL", "cache", SHARD, "age < lifetimes.absent && ", "age < lifetimes.fresh && "),
    one("a refusal is taken for absence", "cache", SHARD, "if case .absent = outcome, isUnfenced", "if isUnfenced"),
    one("absence has no quota", "cache", TABLE, "            while absentBytes + entry.cost > quota", "            while absentBytes < 0"),
    one("a refresh is told twice", "cache", SHARD, "            if wantsRefresh { table.ask(slot, atAge: .max) }\n", ""),
    one("a refresh sets out beside a flight", "cache", JOINING, ", joinable(key, hash) == nil else", " else"),
    one("all are refreshed at once", "cache", SHARD,
        "UInt32(clamping: lifetimes.fresh - jitter.below(lifetimes.fresh / 5 + 1))", "UInt32(clamping: lifetimes.fresh * 4 / 5)"),

    # The cache: flights and waiters.
    one("a waiter is lost", "cache", SHARD, "delivery.waiters = flight.waiters.map(\\.token)", "delivery.waiters = flight.waiters.dropLast(flight.waiters.count / 2).map(\\.token)"),
    one("one waiter too many", "cache", JOINING,
        "flight.waiters.count < configuration", "flight.waiters.count <= configuration"),
    one("one flight too many", "cache", SHARD, "flights.count < maximumFlights", "flights.count <= maximumFlights"),
    one("a flight for a key with the same hash is joined", "cache", SHARD, ", flight.ticket.key == key\n", "\n"),

    # The cache: entries.
    one("a key with the same hash is taken for the right one", "cache", TABLE,
        "            connection.isEqual(to: slots[slot].bytes, at: user.byteCount)\n", "            true\n"),
    one("bytes only grow", "cache", TABLE, "        bytes -= slots[slot].cost\n        index", "        index"),
    one("a value in place of another is not counted", "cache", TABLE, "        bytes += growth\n", ""),
    one("an entry too large is kept", "cache", TABLE,
        "guard entry.cost <= largestCost, makeRoom", "guard entry.cost <= 2 * largestCost, makeRoom"),
    one("a uid above its share makes others pay", "cache", TABLE,
        "if !entry.isAbsent && bytes(of: uid) + entry.cost > share {", "if !entry.isAbsent && bytes(of: uid) + entry.cost < 0 {"),
    one("what is replaced is counted for the wrong uid", "cache", TABLE,
        "accounts[uid] == account(of: queue),", "accounts[uid] != nil,"),
    one("what is read is not spared", "cache", TABLE,
        "slots[slot].frequency &+= 1", "slots[slot].frequency &+= 0"),
    one("nobody is remembered", "cache", TABLE, "let isRemembered = ghost.take(hash)", "let isRemembered = ghost.take(~hash)"),
    one("what is expired stays", "cache", TABLE, "            if sweep(now: now, wall: wall) { continue }\n", ""),
    one("a gap in the index stays open", "cache", INDEX, "                gap = place\n", ""),

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
        "        if start == end {\n            start = 0\n            end = 0\n        }\n    }\n\n    /// Overwrites bytes",
        "        if start == end { end = 0 }\n    }\n\n    /// Overwrites bytes"),
    one("making room loses the last byte", "service", BUFFER, "memmove(base, base + start, held)", "memmove(base, base + start, max(0, held - 1))"),
    one("a larger buffer starts in the wrong place", "service", BUFFER, "fresh.copyMemory(from: base + start, byteCount: held)", "fresh.copyMemory(from: base, byteCount: held)"),
    one("the arena never runs full", "service", ARENA, "rounded <= state.pointee.capacity - state.pointee.used else", "rounded <= state.pointee.capacity else"),
    one("the heap looks at one child", "service", DEADLINES, "for child in [2 * parent + 1, 2 * parent + 2]", "for child in [2 * parent + 1]"),
    one("a deadline expires late", "service", DEADLINES, "first.deadline <= now else", "first.deadline < now else"),
    one("ids that Unicode holds equivalent are equal", "service", KEY,
        "a.user.utf8.elementsEqual(b.user.utf8)", "a.user == b.user"),

    # The reactor.
    one("what a pause held back is lost at the end of input", "service", READING,
        "guard let input = connection.input, !connection.isBehind, !isPaused(connection) else { return }",
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
    one("a cancelled call is answered twice", "service", COMPLETION,
        "guard let call = endCall(connection, callID) else", "guard let call = connection.calls[callID].flatMap({ calls[$0] }) else"),
    one("work that is done counts on", "service", WORK, "deinit { ledger.endWork(uid: uid, weight: weight) }", "deinit {}"),
    one("work that is stopped goes on", "service", COMPLETION, "        call.work.stop()\n        refuse(", "        refuse("),
    one("a connection may have one call too many", "service", CALLS,
        "connection.calls.count < kind.limit", "connection.calls.count <= kind.limit"),
    one("an expired call is not answered", "service", CALLS,
        "giveUp(connection, call.context.callID, .expired(call.kind.mayWrite ? failure : failure.ofRead))",
        "endCall(connection, call.context.callID)?.work.stop(); _ = failure"),
    one("a call that is lost with its connection does not end", "service", SLICES, "                complete(call.context, .lost)\n", ""),
    one("an open connection keeps its old grants", "service", ACCESS,
        "access.policy.isCurrent(connection.grants) || renewGrants(connection)", "connection.isAdmitted || renewGrants(connection)"),
    one("frames do not wait until the caller is known", "service", READING,
        "                guard hasCurrentGrants(connection) else { return position }\n", ""),
    one("an identifier that hangs is waited for", "service", ACCESS, "in giveUpIdentifying(token, number) }", "in _ = (token, number) }"),
    one("whoever may do nothing stays", "service", ACCESS, "if !connection.isAdmitted, connection.grants.isEmpty { return sendAway(connection) }", ""),
    one("a denied record is said to be denied", "service", CREDENTIALS,
        "{ return pretendAbsence(of: user.bytes, connection.bytes) }", "{ throw .denied(call.caller.uid, .get) }"),
    one("a denied Delete is said to be denied", "service", CREDENTIALS,
        "guard mayRead else { return key.withBytes { pretendAbsence(of: $0, $1) } }", ""),
    one("a denied key of a GetMany is read", "service", CREDENTIALS, "case .denied: .notFound", "case .denied: nil"),
    one("a condition tells what is there", "service", CREDENTIALS,
        "        if command.condition != .none && !mayRead { throw deniedCondition(call) }\n", ""),
    one("a Delete's condition tells what is there", "service", CREDENTIALS,
        "            if !mayRead { throw deniedCondition(call) }\n", ""),
    one("a Store tells when the record came to be", "service", CHANGES, "guard !tellsHistory else", "guard tellsHistory else"),
    one("an Invalidate tells that a record was cached", "service", ADMIN, "mayKnow ? UInt64(dropped) : 0", "UInt64(dropped)"),
    one("a listing shows all records", "service", LISTS, " where listed.contains(user: record.key.user, record.key.connection) {", " {"),
    one("a denial is not counted", "service", DECISIONS, "            call.reactor.counters.denied.increment()\n            return false", "            return false"),
    one("calls in flight are not counted", "service", CALLS, "            claims.append(claim)\n", ""),
    one("what waits by a rule is not noted", "service", DECISIONS, "            call.usage = call.grants.usage(ofRule: rule)\n", ""),
    one("a late answer goes to the call that has its id now", "service", CALLS,
        "lastSerial += 1", "lastSerial = call.context.callID"),

    # The policy: what decides.
    one("what a rule denies is allowed", "policy", GRANTS,
        "length: length) >= 0 { return .denied }", "length: length) >= 0 && verb != .get { return .denied }"),
    one("an empty id is an id", "policy", GRANTS, "UInt(bitPattern: id.byteCount &- 1) < UInt(bitPattern: RecordKey.maximumIDBytes)",
        "id.byteCount <= RecordKey.maximumIDBytes"),
    one("an id may have a byte too many", "policy", GRANTS, "< UInt(bitPattern: RecordKey.maximumIDBytes)",
        "<= UInt(bitPattern: RecordKey.maximumIDBytes)"),
    one("who is not proven is not denied", "policy", BOUND, "$0.element.who.truth(for: caller) != .no }", "$0.element.who.truth(for: caller) == .yes }"),
    one("who is not proven is allowed", "policy", BOUND, "$0.element.who.truth(for: caller) == .yes }", "$0.element.who.truth(for: caller) != .no }"),
    one("an unknown variable denies nothing", "policy", BOUND, "user: key.user.widened(to: caller), connection",
        "user: key.user.bound(to: caller) ?? BoundPattern(prefix: [], suffix: [], hasStar: false), connection"),
    one("a denied verb about no record is allowed", "policy", BOUND, ".subtracting(.aboutRecords).subtracting(denied)", ".subtracting(.aboutRecords)"),
    one("a rule with limits is taken for one without", "policy", BOUND, "free = grants.filter { $0.rule.limits == .none }.map", "free = grants.map"),
    one("a key of one record has all verbs", "policy", RULES,
        "for index in found where entries[index].verbs.contains(verb) { return", "for index in found { return"),
    one("a key of one user has all connections", "policy", RULES,
        "entries[index].verbs.contains(verb) && entries[index].connection.matches(connection, bytes) {", "entries[index].verbs.contains(verb) {"),
    one("a record is found by its user alone", "policy", RULES,
        "entries[first].user.isEqual(to: user, bytes) && entries[first].connection.isEqual(to: connection, bytes)",
        "entries[first].user.isEqual(to: user, bytes)"),
    one("a pattern of users has all connections", "policy", RULES,
        "isHeadKnown: true) && entry.connection.matches(connection, bytes)", "isHeadKnown: true)"),
    one("all users is taken for all records", "policy", RULES, "$0.user.isAny && $0.connection.isAny }", "$0.user.isAny }"),
    one("all records is taken for all verbs", "policy", RULES, "ofPatterns.first { $0.verbs.contains(verb) && ", "ofPatterns.first { "),
    one("a head is compared without its last byte", "policy", PACKED, "min(8, pattern.prefix.count)", "min(7, pattern.prefix.count)"),
    one("a prefix of nine bytes is taken for known", "policy", PACKED, "isHeadKnown && first <= 8", "isHeadKnown && first <= 9"),
    one("the star may take less than nothing", "policy", PACKED, "guard id.byteCount >= first &+ last else", "guard id.byteCount >= max(first, last) else"),
    one("the suffix is not compared", "policy", PACKED, "return last == 0 || id", "return true || id"),
    one("a verb is not compared with a head", "policy", PACKED, " && self.verbs & verbs != 0 }", " }"),
    one("of a reversed variable the bytes are as they were", "policy", PATTERN, "isReversed ? value.reversed() : value", "value"),
    one("a pattern covers longer ones without a star", "policy", PATTERN,
        "guard hasStar else { return !other.hasStar && prefix == other.prefix }", "guard hasStar else { return prefix == other.prefix }"),
    one("prefix and suffix may share bytes", "policy", PATTERN, "other.prefix.count >= minimumBytes && other.prefix", "other.prefix"),
    one("a second star is taken", "policy", PATTERN_READER, "guard star == nil else { throw .secondStar }", ""),
    one("a backslash before a letter is dropped", "policy", PATTERN_READER, "Self.isSign(scalar) else { throw .escape }", "true else { throw .escape }"),
    one("variables are taken where there are none", "policy", PATTERN_READER, "guard hasVariables else { throw .noVariables }", ""),
    one("one condition is enough", "policy", SELECTOR, "return truth < worst.truth ? (truth, condition) : worst", "return worst"),
    one("the effective group does not count", "policy", SELECTOR, "if groups.contains(where: { $0.id == caller.gid }) { return .yes }", ""),
    one("of several descriptions the worst counts", "policy", SELECTOR, ".max() ?? .no", ".min() ?? .no"),
    one("a digest that is not proven fits", "policy", SELECTOR, "case .unproven: .unknown", "case .unproven: .yes"),
    one("what is unproven is surely not so", "policy", EVIDENCE, "case .unproven: .unknown", "case .unproven: .no"),
    one("a cgroup has those whose names begin like it", "policy", CGROUP,
        "return group.count == path.count || group.last == slash || path.dropFirst(group.count).first == slash", "return true"),
    one("a user's own unit is taken for the system's", "policy", CGROUP, "parts.first(where: {", "parts.last(where: {"),
    one("a cgroup outside of the namespace is taken", "policy", CGROUP, '.elementsEqual("..".utf8)', '.elementsEqual("...".utf8)'),
    one("a removed cgroup is taken", "policy", CGROUP, "!path.reversed().starts(with: \" (deleted)\".utf8.reversed()),", "!path.isEmpty,"),
    one("a denial of some is none for the whole", "policy", COVERAGE, "guard let whole, !denials.contains(where: { Self.isAbout($0, verb, user) }) else", "guard let whole else"),
    one("all connections of one user are everything", "policy", COVERAGE,
        "grants.first { ($0.user.isAny || user != nil) && $0.connection.isAny }", "grants.first { $0.connection.isAny }"),
    one("a denial of one user denies all users", "policy", COVERAGE,
        "verb, user) && ($0.user.isAny || user != nil) && $0.connection.isAny }", "verb, user) && $0.connection.isAny }"),
    one("a bucket holds one token too many", "policy", RATE, "interval &* UInt64(burst)", "interval &* UInt64(burst + 1)"),
    one("an empty bucket gives a token", "policy", RATE, "return next <= latest", "return next <= latest &+ interval"),
    one("a connection of its own has limits of its own", "policy", USAGE, "if let usage = book.usages[key] {\n                usage.hold()", "if let usage = book.usages[key], false {\n                usage.hold()"),
    one("usage that is held is swept", "policy", USAGE, "holders.load(ordering: .acquiring) == 0 && ", ""),
    one("usage that is spent is swept", "policy", USAGE, "\n            && fullAt.load(ordering: .relaxed) <= now.nanoseconds", ""),
    one("a call more than the limit waits", "policy", USAGE, "limits.inFlight.map({ waiting < $0 })", "limits.inFlight.map({ waiting <= $0 })"),
    one("the overflow uid is somebody", "policy", COMPILED, "guard caller.uid != overflow.uid, overflow.gid", "guard overflow.gid"),
    one("the overflow group is a group", "policy", COMPILED, ".proven(groups.filter { $0 != gid })", ".proven(groups)"),
    one("a new policy leaves old grants in force", "policy", COMPILED, "            generation.store(current.generation, ordering: .releasing)\n", ""),
    one("what others cover with limits is superfluous", "policy", EFFECT, "wide.limits == .none && wide.who", "wide.who"),
    one("of two equal rules both are superfluous", "policy", EFFECT, "index != own && covers(others[index]) && (index < own", "index != own && covers(others[index]) && (true"),
    one("a condition that is left empty is none", "policy", READER_WHO, "guard !pair.value.isNull, !elements(pair.value).isEmpty else {", "guard !pair.value.isNull else {"),
    one("a user that is not there is root", "policy", READER_WHO, "        if id == nil {", "        if id == nil && isNumber {"),
    one("the overflow user is described", "policy", READER_WHO, "} else if id == overflow {", "} else if id == overflow && kind == \"group\" {"),
    one("a digest without a path is taken", "policy", READER_WHO, "if selector.digests != nil && selector.executables == nil {", "if false {"),
    one("a pattern that is missing is all", "policy", READER_KEYS,
        "            note(node, \"\\(field) is missing; write \\(field): '*' for all of them\")\n            return []", "            return [.any]"),
    one("what is denied has limits", "policy", READER_KEYS, "        if isDeny {", "        if false {"),
    one("two rules share a name", "policy", READER, "if let first = names[name] {", "if let first = names[name], first.line == 0 {"),
    one("an empty policy is taken", "policy", READER, "let isComplete = mapping.contains", "let isComplete = mapping.isEmpty || mapping.contains", harmless="an empty mapping was refused before"),
    one("a tested user ends at a zero byte", "policy", USERS, "!name.isEmpty && !name.utf8.contains(0)", "!name.isEmpty"),
    one("a tested user has only the groups that are given", "policy", DESCRIPTION,
        "var groups = entry.map { UserDatabase.groups(of: $0) } ?? []", "var groups: [UInt32] = []"),
    one("a tested user without a unit is in none", "policy", DESCRIPTION, "?? .unproven, .unproven)", "?? .absent, .unproven)"),
    one("a tested user's cgroup is in no unit", "policy", DESCRIPTION, "let own = ControlGroup.unit(ofPath: cgroup)", "let own: String? = nil"),
    one("a tested user may have the overflow uid", "policy", ANSWER, "isHidden = caller.uid == overflow.uid || ", "isHidden = "),
    one("a tested user is asked for what changes nothing", "policy", ANSWER,
        "guard !policy.explain(question, by: lackingAll).steps.contains(where: \\.denies) else { return [] }", ""),
]


def package(folder, targets):
    """The manifest, cut down to some targets."""
    text = (ROOT / "Package.swift").read_text()
    names = ", ".join(f'"{name}"' for name in targets)
    (folder / "Package.swift").write_text(
        f"{text}\npackage.targets.removeAll {{ ![{names}].contains($0.name) }}\n")


def descendants(pid):
    """All processes that it started, and those that these did."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            child, _, rest = stat.read_text().partition(" ")
            children.setdefault(int(rest.rpartition(")")[2].split()[1]), []).append(int(child))
    found = children.get(pid, [])
    for child in found:
        found += children.get(child, [])
    return found


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
            # The tests are in a group of their own, and a hung one would go on for ever.
            for pid in [*descendants(process.pid), process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
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


def check():
    """Code that changed may have left a bug without a place, and so a soak without an end."""
    lost = 0
    for bug in BUGS:
        for file, old, _ in bug.edits:
            count = (ROOT / file).read_text().count(old)
            if count != 1:
                lost += 1
                print(f"FAIL {bug.name}: {file} has this {count} times, expected once:\n{old}")
    print(f"{len(BUGS) - lost} passed, {lost} failed")
    return 1 if lost else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--group", choices=GROUPS, default="")
    parser.add_argument("--only", default="")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        return check()
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
