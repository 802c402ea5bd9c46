import CofferCore
import CofferEmbedded
import CofferSQLite
import CofferVault
import CofferVaultConformance
import Foundation
import Synchronization
import Testing

func makeItem(_ version: String, expiresAt: WallMilliseconds = 0) -> VaultItem {
    let now = SystemClock().wall
    return VaultItem(
        payload: .sealed(Array("sealed".utf8)), version: version, createdAt: now, updatedAt: now, expiresAt: expiresAt)
}

/// Crashes, sweeping, and what a full queue says.
@Suite(.timeLimit(.minutes(2))) struct EmbeddedLifeTests {
    let scratch = Scratch()

    /// The state of a power cut with a disk that keeps what it wrote: copies of
    /// the files, taken under load, hold every write acknowledged before.
    @Test func copiesTakenUnderLoadHoldEveryAcknowledgedWrite() async throws {
        let vault = try scratch.open()
        let progress = Progress()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    var number = 0
                    while !progress.isOver {
                        try await vault.put("\(writer)-\(number)", "value-\(number)")
                        progress.acknowledge(number, of: writer)
                        number += 1
                    }
                }
            }
            group.addTask {
                defer { progress.finish() }
                for round in 0..<15 {
                    try await Task.sleep(for: .milliseconds(Int.random(in: 5...60)))
                    let before = progress.acknowledged
                    try await examineCopy(holds: before, round)
                }
            }
            try await group.waitForAll()
        }
        await vault.close()
    }

    private final class Progress: Sendable {
        private let state = Mutex((acknowledged: [[Int]](repeating: [], count: 8), isOver: false))
        var isOver: Bool { state.withLock { $0.isOver } }
        var acknowledged: [[Int]] { state.withLock { $0.acknowledged } }
        func acknowledge(_ number: Int, of writer: Int) {
            state.withLock { $0.acknowledged[writer].append(number) }
        }
        func finish() { state.withLock { $0.isOver = true } }
    }

    private func examineCopy(holds acknowledged: [[Int]], _ round: Int) async throws {
        let copy = Scratch()
        try copy.makeFolder()
        // In a process of its own: closing the file in ours would drop the locks.
        // The log comes first: what a checkpoint moves meanwhile is then in both.
        for suffix in ["-wal", ""] {
            let process = try Process.run(
                URL(fileURLWithPath: "/bin/cp"), arguments: ["-p", scratch.path + suffix, copy.path + suffix])
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
        }
        let vault = try copy.open()
        for (writer, numbers) in acknowledged.enumerated() {
            for number in numbers.suffix(50) {
                #expect(
                    try await vault.get("\(writer)-\(number)") == "value-\(number)",
                    "round \(round): write \(number) of writer \(writer) is lost")
            }
        }
        await vault.close()
    }

    @Test func sweepsWhatExpired() async throws {
        let clock = ManualClock(wall: SystemClock().wall)
        var options = EmbeddedOptions()
        options.sweepInterval = .milliseconds(20)
        options.sweepPatience = .zero
        options.sweepBatch = 16
        let vault = try scratch.open(clock: clock, options: options)
        let deadline = clock.boot + .seconds(3600)
        for number in 0..<100 {
            let item = makeItem("v", expiresAt: clock.wall + (number < 60 ? 1000 : 100_000))
            _ = try await vault.write(
                try testKey("record-\(number)"), item, condition: .none, deadline: deadline)
        }
        clock.advance(milliseconds: 2000)
        let page = try await vault.list(user: nil, after: nil, limit: 1000, deadline: deadline)
        #expect(page.entries.count == 40)
        // A step of the clock for each of the sweeper's looks at it.
        for _ in 0..<50 {
            try await Task.sleep(for: .milliseconds(10))
            clock.advance(milliseconds: 30)
        }
        await vault.close()
        #expect(try countRows() == 40)
    }

    /// Ten years ahead for half a minute, as a wrong time server or a dead battery has it.
    @Test func aClockThatJumpsRemovesNothing() async throws {
        let clock = JumpingClock()
        var options = EmbeddedOptions()
        options.sweepInterval = .milliseconds(10)
        options.sweepPatience = .seconds(60)
        let vault = try scratch.open(clock: clock, options: options)
        let deadline = clock.boot + .seconds(36_000)
        for number in 0..<10 {
            let item = makeItem("v", expiresAt: clock.wall + 1_000_000)
            _ = try await vault.write(try testKey("record-\(number)"), item, condition: .none, deadline: deadline)
        }
        func run(seconds: Int) async throws {
            for _ in 0..<seconds {
                clock.advance(milliseconds: 1_000)
                // Each write wakes the sweeper, too.
                try await vault.check(deadline: deadline)
            }
        }
        try await run(seconds: 70)
        clock.jump(milliseconds: 315_360_000_000)
        try await run(seconds: 35)
        #expect(try await vault.list(user: nil, after: nil, limit: 100, deadline: deadline).entries.isEmpty)
        clock.jump(milliseconds: -315_360_000_000)
        try await run(seconds: 70)
        let page = try await vault.list(user: nil, after: nil, limit: 100, deadline: deadline)
        #expect(page.entries.count == 10)
        // By a clock that has kept pace for long enough they go.
        clock.advance(milliseconds: 2_000_000)
        try await run(seconds: 70)
        await vault.close()
        #expect(try countRows() == 0)
    }

    /// What is written to a file that has lost its name is gone with the process.
    @Test(arguments: ["", "-wal"])
    func aDatabaseThatWasRemovedAcknowledgesNothing(suffix: String) async throws {
        let vault = try scratch.open()
        try await vault.put("before", "1")
        try FileManager.default.removeItem(atPath: scratch.path + suffix)
        let failed = await failure { () async throws(Failure) in try await vault.put("after", "2") }
        #expect(failed?.code == .unavailable)
        #expect(failed?.reason == .disk)
        #expect(try await vault.get("before") == "1")
        let check = await failure { () async throws(Failure) in
            try await vault.check(deadline: SystemClock().boot + .seconds(5))
        }
        #expect(check?.message.contains(scratch.path) == true)
        await vault.close()
    }

    @Test func theFolderMayBeALinkOfOurs() async throws {
        let link = scratch.folder + "-link"
        try scratch.makeFolder()
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: scratch.folder)
        defer { try? FileManager.default.removeItem(atPath: link) }
        let name = URL(fileURLWithPath: scratch.path).lastPathComponent
        let file = try DataFile(path: "\(link)/\(name)")
        #expect(file.path == scratch.path)
        file.unlock()
    }

    /// Rows in the closed database, expired ones too.
    private func countRows() throws -> Int? {
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let script = """
            import sqlite3, sys
            print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM records').fetchone()[0])
            """
        process.arguments = ["python3", "-c", script, scratch.path]
        process.standardOutput = output
        try process.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        return Int(text.filter(\.isNumber))
    }

    @Test func aFullQueueRefuses() async throws {
        var options = EmbeddedOptions()
        options.queueCapacity = 4
        let vault = try scratch.open(options: options)
        let codes = await withTaskGroup(of: StatusCode?.self) { group in
            for number in 0..<200 {
                group.addTask {
                    await failure { () async throws(Failure) in try await vault.put("record-\(number)", "1") }?.code
                }
            }
            return await group.reduce(into: [StatusCode?]()) { $0.append($1) }
        }
        #expect(codes.contains(nil))
        #expect(Set(codes.compactMap { $0 }).isSubset(of: [.resourceExhausted]))
        await vault.close()
    }

    @Test func closingTwiceIsHarmless() async throws {
        let vault = try scratch.open()
        async let first: Void = vault.close()
        async let second: Void = vault.close()
        _ = await (first, second)
        await vault.close()
    }

    @Test func aForgottenVaultLetsGoOfItsFile() async throws {
        try await openAndForget()
        let isFree = try await eventually {
            guard let vault = try? scratch.open() else { return false }
            await vault.close()
            return true
        }
        #expect(isFree)
    }

    private func openAndForget() async throws {
        let vault = try scratch.open()
        try await vault.put("a", "1")
    }
}

/// Its wall clock can jump beside the one that counts from boot.
private final class JumpingClock: Clock {
    private let time = Mutex<(boot: UInt64, wall: UInt64)>((1_000_000_000, 1_800_000_000_000))

    var boot: BootInstant { BootInstant(nanoseconds: time.withLock { $0.boot }) }
    var wall: WallMilliseconds { time.withLock { $0.wall } }

    func advance(milliseconds: UInt64) {
        time.withLock { time in
            time.boot += milliseconds * 1_000_000
            time.wall += milliseconds
        }
    }

    func jump(milliseconds: Int64) { time.withLock { $0.wall = $0.wall &+ UInt64(bitPattern: milliseconds) } }
}
