import CFaultyVFS
import CofferCore
import CofferEmbedded
import CofferVault
import CofferVaultConformance
import Foundation
import Testing

/// The disk fails under an open vault.
@Suite(.timeLimit(.minutes(1))) struct EmbeddedFaultTests {
    let scratch = Scratch()
    private let clock = SystemClock()

    private func open(patience: Duration = .seconds(1)) throws -> EmbeddedVault {
        try #require(coffer_faulty_register() == 0)
        coffer_faulty_set(scratch.folder, COFFER_FAULT_NONE)
        var options = EmbeddedOptions()
        options.vfs = "coffer-faulty"
        options.patience = patience
        return try scratch.open(options: options)
    }

    private func set(_ fault: coffer_fault) { coffer_faulty_set(scratch.folder, fault) }

    private func checkFailure(_ vault: EmbeddedVault) async -> Failure? {
        await failure { () async throws(Failure) in try await vault.check(deadline: clock.boot + .seconds(5)) }
    }

    @Test func aFullDiskIsToldAndForgotten() async throws {
        let vault = try open()
        try await vault.put("before", "1")
        for round in 0..<20 {
            set(COFFER_FAULT_FULL)
            let failed = await failure { () async throws(Failure) in try await vault.put("during-\(round)", "2") }
            #expect(failed?.code == .resourceExhausted)
            #expect(failed?.reason == .disk)
            #expect(failed?.retryable == true)
            #expect(try await vault.get("before") == "1")
            #expect(try await vault.get("during-\(round)") == nil)
            #expect(await checkFailure(vault)?.reason == .disk)
            set(COFFER_FAULT_NONE)
            #expect(await checkFailure(vault) == nil)
            try await vault.put("after-\(round)", "3")
        }
        await vault.close()
    }

    /// 4 KiB is SQLite's own size, which databases made earlier have.
    @Test(arguments: [1024, 4096]) func theSizeLimitIsAFullDisk(pageBytes: Int) async throws {
        try await scratch.open().close()
        #expect(try scratch.pageBytes == 1024)
        try scratch.rebuild(pageBytes: pageBytes)
        var options = EmbeddedOptions()
        options.maximumBytes = 1 << 20
        let vault = try scratch.open(options: options)
        #expect(try scratch.pageBytes == pageBytes)
        let large = String(repeating: "x", count: 50_000)
        var kept = 0
        var failed: Failure?
        while failed == nil, kept < 100 {
            let number = kept
            failed = await failure { () async throws(Failure) in try await vault.put("record-\(number)", large) }
            if failed == nil { kept += 1 }
        }
        #expect(failed?.code == .resourceExhausted)
        #expect((10...21).contains(kept))
        for number in 0..<3 {
            let key = try testKey("record-\(number)")
            #expect(try await vault.remove(key, ifVersion: nil, deadline: clock.boot + .seconds(5)))
        }
        try await vault.put("again", large)
        #expect(try await vault.get("record-\(kept - 1)") == large)
        await vault.close()
    }

    @Test(.enabled(if: getuid() == 0, "only root can mount a small disk"))
    func aRealFullDiskIsToldAndForgotten() async throws {
        try scratch.makeFolder()
        try #require(mount("tmpfs", scratch.folder, "tmpfs", 0, "size=2m,mode=0700") == 0)
        defer { _ = umount2(scratch.folder, Int32(MNT_DETACH)) }
        let vault = try scratch.open()
        let ballast = scratch.folder + "/ballast"
        try Data(count: 1 << 20).write(to: URL(fileURLWithPath: ballast))
        let large = String(repeating: "x", count: 100_000)
        var kept: [Int] = []
        var codes: Set<StatusCode> = []
        for number in 0..<30 {
            let failed = await failure { () async throws(Failure) in try await vault.put("record-\(number)", large) }
            if let failed { codes.insert(failed.code) } else { kept.append(number) }
        }
        #expect(codes == [.resourceExhausted])
        #expect(!kept.isEmpty)
        try FileManager.default.removeItem(atPath: ballast)
        let works = try await eventually {
            await failure { () async throws(Failure) in try await vault.put("again", "1") } == nil
        }
        #expect(works)
        for number in kept { #expect(try await vault.get("record-\(number)") == large) }
        await vault.close()
    }

    @Test(arguments: [COFFER_FAULT_SYNC, COFFER_FAULT_WRITE])
    func afterAFailedWriteNothingIsAcknowledgedUntilChecked(fault: coffer_fault) async throws {
        let vault = try open()
        try await vault.put("before", "1")
        set(fault)
        let failed = await failure { () async throws(Failure) in try await vault.put("during", "2") }
        #expect(failed?.code == .unavailable)
        #expect(failed?.reason == .disk)
        #expect(failed?.retryable == true)
        // Still failing: writes are refused, and check says so.
        let second = await failure { () async throws(Failure) in try await vault.put("during-2", "2") }
        #expect(second?.code == .unavailable)
        #expect(await checkFailure(vault)?.code == .unavailable)

        set(COFFER_FAULT_NONE)
        #expect(try await eventually { await checkFailure(vault) == nil })
        try await vault.put("after", "3")
        #expect(try await vault.get("before") == "1")
        #expect(try await vault.get("after") == "3")
        await vault.close()

        let again = try scratch.open()
        #expect(try await again.get("before") == "1")
        #expect(try await again.get("after") == "3")
        await again.close()
    }

    /// A header of 32 bytes, and the 67 pages that a check writes, each behind 24 of its own.
    private static let checkedLog = 32 + 67 * (24 + 1_024)

    private func logBytes() throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: scratch.path + "-wal")[.size] as? Int)
    }

    /// Whoever asks for Health every second costs the disk a page each time, not 67.
    @Test func checksThatFollowEachOtherWriteLittle() async throws {
        let vault = try open()
        try await vault.put("record", "1")
        #expect(await checkFailure(vault) == nil)
        let before = try logBytes()
        for _ in 0..<5 { #expect(await checkFailure(vault) == nil) }
        // The first small row may need a page of its own.
        #expect(try logBytes() - before <= 7 * (24 + 1_024))
        await vault.close()
    }

    /// One failed fsync, after which the disk says yes to everything: the vault
    /// must not go on as if nothing was.
    @Test func recoveryLeavesNothingInTheOldLog() async throws {
        let vault = try open()
        for number in 0..<100 { try await vault.put("record-\(number)", "1") }
        #expect(try logBytes() > Self.checkedLog)
        set(COFFER_FAULT_SYNC)
        let failed = await failure { () async throws(Failure) in try await vault.put("during", "2") }
        #expect(failed?.code == .unavailable)
        set(COFFER_FAULT_NONE)
        #expect(try await eventually { await checkFailure(vault) == nil })
        #expect(try logBytes() == Self.checkedLog)
        for number in 0..<100 { #expect(try await vault.get("record-\(number)") == "1") }
        await vault.close()
    }

    @Test func aFailedReadIsToldAndPasses() async throws {
        let vault = try open()
        for number in 0..<300 { try await vault.put("record-\(number)", String(repeating: "x", count: 8000)) }
        set(COFFER_FAULT_READ)
        var codes: Set<StatusCode> = []
        for number in 0..<300 {
            let failed = await failure { () async throws(Failure) in try await vault.get("record-\(number)") }
            if let failed { codes.insert(failed.code) }
        }
        #expect(codes == [.unavailable])
        set(COFFER_FAULT_NONE)
        let reads = try await eventually {
            await failure { () async throws(Failure) in try await vault.get("record-0") } == nil
        }
        #expect(reads)
        // Nobody writes, and yet the vault puts itself right.
        #expect(try await eventually { await checkFailure(vault) == nil })
        try await vault.put("after", "1")
        await vault.close()
    }

    /// Callers get their answer in time, however long the disk takes; who was
    /// not begun is surely not written.
    @Test func deadlinesHoldWhileTheDiskHangs() async throws {
        let vault = try open()
        try await vault.put("before", "1")
        set(COFFER_FAULT_SLOW)
        let start = ContinuousClock.now
        async let first = failure { () async throws(Failure) in
            try await Self.write(vault, "begun", clock.boot + .milliseconds(100))
        }
        try await Task.sleep(for: .milliseconds(50))
        async let second = failure { () async throws(Failure) in
            try await Self.write(vault, "waiting", clock.boot + .milliseconds(50))
        }
        let read = try await vault.get("before")
        let (begun, waiting) = await (first, second)
        let took = ContinuousClock.now - start
        #expect(read == "1")
        #expect(begun?.code == .deadlineExceeded)
        #expect(waiting?.code == .deadlineExceeded)
        #expect(waiting?.message.contains("nothing was done") == true)
        #expect(took < .milliseconds(1900), "answered after \(took), the disk took 2 s")
        set(COFFER_FAULT_NONE)
        try await vault.put("after", "2")
        #expect(try await vault.get("waiting") == nil)
        #expect(coffer_faulty_hits(scratch.folder) >= 1)
        await vault.close()
    }

    /// Callers in a hurry say nothing about the disk; a daemon whose calls are all short learns that it hangs.
    @Test(arguments: [(1_000, VaultOutcome.silent), (200, .transient)])
    func aDiskThatHangsIsAnOutageForCallsThatHadTheirTime(patience: Int, outcome: VaultOutcome) async throws {
        let vault = try open(patience: .milliseconds(patience))
        set(COFFER_FAULT_SLOW)
        let failed = await failure { () async throws(Failure) in
            try await Self.write(vault, "begun", clock.boot + .milliseconds(400))
        }
        #expect(failed?.code == .deadlineExceeded)
        #expect(failed?.effects.vault == outcome)
        set(COFFER_FAULT_NONE)
        await vault.close()
    }

    private static func write(
        _ vault: EmbeddedVault, _ name: String, _ deadline: BootInstant
    ) async throws(Failure) {
        let item = makeItem("v")
        _ = try await vault.write(try testKey(name), item, condition: .none, deadline: deadline)
    }
}
