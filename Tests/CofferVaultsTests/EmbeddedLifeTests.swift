import CofferCore
import CofferVault
import CofferVaultConformance
import CofferVaults
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
