internal import CofferCore
internal import CofferVault

/// Duties about time, closing and coming back.
extension Bench {
    func checks() async throws {
        try await vault.check(deadline: deadline)
        try require(vault.identity.count == 16, "the identity has \(vault.identity.count) bytes, expected 16")
        try require(!vault.name.isEmpty && !vault.kind.isEmpty, "the vault has no name or kind")
    }

    func obeysDeadlines() async throws {
        let key = try key("u", "c")
        let past = fixture.clock.boot
        try await refuses(.deadlineExceeded, "a write out of time") { () throws(Failure) in
            _ = try await vault.write(key, item("v1"), condition: .none, deadline: past)
        }
        try require(try await read(key) == nil, "a write that was out of time when it came was done")
        try await write(key, item("v2"))
        try await refuses(.deadlineExceeded, "a read out of time") { () throws(Failure) in
            _ = try await vault.read(key, deadline: past)
        }
        try await refuses(.deadlineExceeded, "a removal out of time") { () throws(Failure) in
            _ = try await vault.remove(key, ifVersion: nil, deadline: past)
        }
        try await refuses(.deadlineExceeded, "a check out of time") { () throws(Failure) in
            try await vault.check(deadline: past)
        }
        if hasListing {
            try await refuses(.deadlineExceeded, "a listing out of time") { () throws(Failure) in
                _ = try await vault.list(user: nil, after: nil, limit: 1, deadline: past)
            }
        }
        try require(try await read(key)?.version == "v2", "a removal that was out of time was done")
    }

    /// Closing ends every call, one way or the other, and later ones are refused.
    func closesUnderLoad() async throws {
        let acknowledged = try await withThrowingTaskGroup(of: [Int].self) { group in
            for task in 0..<8 {
                group.addTask { try await writeUntilClosed(task) }
            }
            group.addTask {
                for _ in 0..<20 { _ = try? await read(try key("load", "0-0")) }
                await vault.close()
                return []
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        try await refuses(.unavailable, "a read after closing") { () throws(Failure) in
            _ = try await vault.read(try key("u", "c"), deadline: deadline)
        }
        guard let again = try await fixture.reopen() else { return }
        let bench = Bench(vault: again, fixture: fixture)
        for number in acknowledged {
            let found = try await bench.read(try key("load", "\(number / 1000)-\(number % 1000)"))
            try require(found != nil, "an acknowledged write did not survive closing")
        }
        await again.close()
    }

    /// - Returns: task * 1000 + turn of each write acknowledged.
    private func writeUntilClosed(_ task: Int) async throws -> [Int] {
        var acknowledged: [Int] = []
        for turn in 0..<1000 {
            let key = try key("load", "\(task)-\(turn)")
            do throws(Failure) {
                try await write(key, item("v"))
                acknowledged.append(task * 1000 + turn)
            } catch {
                try require(error.code == .unavailable, "closing ended a write with \(error.code.name)")
                break
            }
        }
        return acknowledged
    }

    func survivesReopening() async throws {
        let (kept, gone, late) = (try key("u", "kept"), try key("u", "gone"), try key("u", "late"))
        try await write(kept, item("v1"))
        let created = try await write(kept, item("v2", payload: [0, 1, 2]))
        try await write(gone, item("v1"))
        _ = try await remove(gone)
        try await write(late, item("v1", expiresAt: now + 1000))
        let identity = vault.identity
        await vault.close()
        guard let again = try await fixture.reopen() else { return }
        let bench = Bench(vault: again, fixture: fixture)
        try require(again.identity == identity, "the identity changed")
        let found = try await bench.read(kept)
        try require(found?.version == "v2" && found?.payload == .sealed([0, 1, 2]), "a record did not survive")
        try require(found?.createdAt == created, "the creation time did not survive")
        try require(try await bench.read(gone) == nil, "a removed record came back")
        try await fixture.advance(milliseconds: 1000 + fixture.expiryStep)
        try require(try await bench.read(late) == nil, "a record outlived its expiry through reopening")
        await again.close()
    }
}
