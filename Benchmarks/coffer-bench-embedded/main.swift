// How close EmbeddedVault comes to SQLite itself.
//
// The baseline: one thread, SQLite's C API, the same file layout and settings,
// transactions of 16 rows. Measured: 16 tasks, each with one write at a time.
// Both in one run, in turn, a tenth of a round each time; medians of five rounds.
//
//     swift run -c release coffer-bench-embedded [folder]

import CofferCore
import CofferEmbedded
import CofferVault
import Foundation

let rounds = 5
let itemsPerRound = 8000
let folder =
    (CommandLine.arguments.dropFirst().first ?? FileManager.default.temporaryDirectory.path)
    + "/coffer-bench-\(getpid())"

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

func openVault(_ file: String) throws -> EmbeddedVault {
    try EmbeddedVault.open(
        path: "\(folder)/\(file)", name: "bench", clock: SystemClock(), random: SystemRandom(),
        keyCheck: { _, _ in [1] })
}

/// A sealed record of 256 bytes: 184 bytes of envelope about it.
let payload = SystemRandom().bytes(256 + 184)

func makeKeys(_ count: Int) throws -> [VaultKey] {
    let random = SystemRandom()
    let key = try RecordKey(user: "user", connection: "connection")
    return (0..<count / 4).flatMap { _ in
        let userTag = random.bytes(32)
        return (0..<4).map { _ in VaultKey(key: key, tag: random.bytes(32), userTag: userTag) }
    }
}

func makeItem(_ index: Int) -> VaultItem {
    let now = SystemClock().wall
    return VaultItem(
        payload: .sealed(payload), version: "0123456789abcdef01234567" + String(10_000_000 + index),
        createdAt: now, updatedAt: now, expiresAt: 0)
}

/// Records per second.
func measureVault(_ vault: EmbeddedVault, _ keys: ArraySlice<VaultKey>, tasks: Int) async throws -> Double {
    let clock = SystemClock()
    let start = clock.boot
    try await withThrowingTaskGroup(of: Void.self) { group in
        for task in 0..<tasks {
            group.addTask {
                for index in stride(from: keys.startIndex + task, to: keys.endIndex, by: tasks) {
                    _ = try await vault.write(
                        keys[index], makeItem(index), condition: .none,
                        deadline: clock.boot + .seconds(10))
                }
            }
        }
        try await group.waitForAll()
    }
    return Double(keys.count) * 1e9 / Double(clock.boot.nanoseconds - start.nanoseconds)
}

func readLatencies(_ vault: EmbeddedVault, _ keys: [VaultKey], count: Int) async throws -> String {
    let clock = SystemClock()
    var latencies: [UInt64] = []
    for index in 0..<count {
        let start = clock.boot
        _ = try await vault.read(keys[index * 7919 % keys.count], deadline: start + .seconds(10))
        latencies.append(clock.boot.nanoseconds - start.nanoseconds)
    }
    latencies.sort()
    return "p50 \(latencies[count / 2] / 1000), p99 \(latencies[count * 99 / 100] / 1000)"
}

func report(_ name: String, _ ours: [Double], _ theirs: [Double]) {
    let ratios = zip(ours, theirs).map { $0 / $1 }
    print(
        "\(name): vault \(Int(median(ours))) records/s, SQLite in groups \(Int(median(theirs))), ratio",
        String(format: "%.2f (rounds %.2f to %.2f)", median(ratios), ratios.min()!, ratios.max()!))
}

/// Lets both write the keys of a round, slice by slice in turn, so that what
/// else the machine does meets both alike.
///
/// - Returns: records per second of each.
func compare(
    _ keys: ArraySlice<VaultKey>, slice: Int, vault: EmbeddedVault, sqlite: SQLiteBaseline, writers: Int
) async throws -> (ours: Double, theirs: Double) {
    var seconds = (ours: 0.0, theirs: 0.0)
    for start in stride(from: keys.startIndex, to: keys.endIndex, by: slice) {
        let part = keys[start..<min(start + slice, keys.endIndex)]
        seconds.theirs += Double(part.count) / sqlite.measure(part, group: writers)
        seconds.ours += Double(part.count) / (try await measureVault(vault, part, tasks: writers))
    }
    let count = Double(keys.count)
    return (count / seconds.ours, count / seconds.theirs)
}

defer { try? FileManager.default.removeItem(atPath: folder) }
let keys = try makeKeys(itemsPerRound * rounds)
for file in ["vault.db", "sqlite.db"] { await (try openVault(file)).close() }
let vault = try openVault("vault.db")
let sqlite = SQLiteBaseline(path: "\(folder)/sqlite.db")

let workloads = [
    (name: "16 writers, new records", writers: 16, count: itemsPerRound),
    (name: "16 writers, replaced records", writers: 16, count: itemsPerRound),
    (name: "1 writer, replaced records", writers: 1, count: 1000),
]
for (name, writers, count) in workloads {
    var ours: [Double] = []
    var theirs: [Double] = []
    for round in 0..<rounds {
        let part = keys[round * itemsPerRound..<round * itemsPerRound + count]
        let rates = try await compare(part, slice: count / 10, vault: vault, sqlite: sqlite, writers: writers)
        ours.append(rates.ours)
        theirs.append(rates.theirs)
    }
    report(name, ours, theirs)
}

// Reads, alone and beside 16 writers: they must not wait for commits.
let alone = try await readLatencies(vault, keys, count: 4000)
async let writing = measureVault(vault, keys[..<itemsPerRound], tasks: 16)
let beside = try await readLatencies(vault, keys, count: 2000)
_ = try await writing
print("reads, µs: alone \(alone), beside 16 writers \(beside)")
await vault.close()

let start = ContinuousClock.now
let reopened = try openVault("vault.db")
print("opening and checking \(keys.count) records: \(ContinuousClock.now - start)")
await reopened.close()
