internal import CofferCore
internal import CofferVault
internal import Synchronization

/// Duties about what a vault says that it can and cannot do.
extension Bench {
    // MARK: Reading

    func isReadable() async throws {
        guard vault.capabilities.readable else { return try await refusesReading() }
        do throws(Failure) {
            try vault.checkReadable()
        } catch {
            try require(false, "a readable vault is refused as write-only")
        }
        let key = try key("u", "c")
        try await write(key, item("v1"))
        try require(try await read(key)?.version == "v1", "a vault that is readable gave nothing back")
    }

    /// Of a vault that is write-only: it takes records and removes them, and never gives one.
    func refusesReading() async throws {
        let key = try key("u", "c")
        try await write(key, item("v1"))
        try await refuses(.failedPrecondition, "a read of a write-only vault") { () throws(Failure) in
            _ = try await vault.read(key, deadline: deadline)
        }
        for outcome in await vault.readMany([key, key], deadline: deadline) {
            try await refuses(.failedPrecondition, "a read of many of a write-only vault") { () throws(Failure) in
                _ = try outcome.get()
            }
        }
        try await refuses(.failedPrecondition, "the daemon's read of a write-only vault") { () throws(Failure) in
            try vault.checkReadable()
        }
        try await write(key, item("v2"))
        try require(try await remove(key), "a record of a write-only vault was not there to remove")
    }

    // MARK: Expiry

    /// A record may expire sooner than the vault can let go of it: then it is treated as absent.
    func keepsTTLBelowTheShortest() async throws {
        let shortest = UInt64(vault.capabilities.shortestTTL.wholeMilliseconds)
        // Where there is no shortest, as short as expiry is exact.
        let ttl = max(shortest / 2, 2 * fixture.expiryStep)
        let (gone, replaced) = (try key("u", "gone"), try key("u", "replaced"))
        let item = item("v1", expiresAt: now + ttl)
        let kept = vault.capabilities.vaultExpiry(of: item)
        try require(
            kept == max(item.expiresAt, item.updatedAt + shortest),
            "the vault is to keep a record until \(kept), which expires at \(item.expiresAt)")
        for key in [gone, replaced] { try await write(key, item) }
        if now < item.expiresAt {
            try require(try await read(gone) == item, "a record with a short TTL came back changed")
        }
        try await fixture.advance(milliseconds: ttl + fixture.expiryStep)
        try require(try await read(gone) == nil, "a record is there after its TTL, which is below the vault's shortest")
        try require(try await remove(gone) == false, "a record was there to remove after its short TTL")
        if hasListing {
            let listed = try await listAll(gone.vaultUser, limit: 10).map(\.tag)
            try require(!listed.contains(gone.tag), "a listing shows a record after its short TTL")
        }
        let again = self.item("v2")
        try require(
            try await write(replaced, again, hasConditions ? .ifAbsent : .none) == again.updatedAt,
            "a record that replaces one after its short TTL has the old creation time")
    }

    // MARK: Names

    /// The longest name that is allowed is kept, and longer ones are refused before the vault is asked.
    func keepsTheLongestName() async throws {
        let (fits, tooLong) = try namesAtTheLimit()
        do {
            try vault.checkName(of: fits.key)
            try await write(fits, item("v1"))
            if vault.capabilities.readable {
                try require(try await read(fits)?.version == "v1", "the record with the longest name cannot be read")
            }
            try require(try await remove(fits), "the record with the longest name was not there to remove")
        } catch let failure as Failure {
            try require(false, "a name that fits is refused: \(failure.message)")
        }
        guard let tooLong, let limit = vault.capabilities.longestName else { return }
        do throws(Failure) {
            try vault.checkName(of: tooLong.key)
        } catch {
            let saysWhy = error.message.contains(vault.name) && error.message.contains("\(limit.maximumBytes)")
            return try require(
                error.code == .invalidArgument && error.isUnsent && saysWhy,
                "a name that is too long: expected INVALID_ARGUMENT with vault and limit, got \(error.code.name): \(error.message)")
        }
        try require(false, "a name of more than \(limit.maximumBytes) bytes is not refused")
    }

    /// The longest of the names tried that fits, and a longer one that does not.
    private func namesAtTheLimit() throws -> (fits: VaultKey, tooLong: VaultKey?) {
        let longest = String(repeating: "c", count: 256)
        var fits = try key("u", "c")
        for (letter, connection) in [("u", "c"), ("u", longest), (":", longest)] {
            for count in 1...256 {
                let key = try key(String(repeating: letter, count: count), connection)
                if let limit = vault.capabilities.longestName, limit.bytes(key.key) > limit.maximumBytes {
                    return (fits, key)
                }
                fits = key
            }
        }
        try require(vault.capabilities.longestName == nil, "no ids make a name longer than the longest; say that there is none")
        return (fits, nil)
    }

    // MARK: Consistency

    /// What was acknowledged shows at once or, where the vault lags, when that time is over.
    func catchesUp() async throws {
        var lag: UInt64 = 0
        if case .lagging(let time) = vault.capabilities.consistency {
            try require(time > .zero, "a vault lags for no time; it is immediate then")
            lag = UInt64(time.wholeMilliseconds)
        }
        let key = try key("u", "c")
        for version in ["v1", "v2"] {
            try await write(key, item(version))
            try await fixture.advance(milliseconds: lag)
            try require(try await read(key)?.version == version, "an acknowledged write does not show after \(lag) ms")
        }
        if hasListing {
            let listed = try await listAll(key.vaultUser, limit: 10).first { $0.tag == key.tag }
            try require((try? listed?.item.get())?.version == "v2", "a listing does not show a write after \(lag) ms")
        }
        _ = try await remove(key)
        try await fixture.advance(milliseconds: lag)
        try require(try await read(key) == nil, "an acknowledged removal does not show after \(lag) ms")
    }

    // MARK: Changes

    /// What another adapter of the vault does is told, from a first word that says that anything may have been.
    func tellsOfChanges() async throws {
        guard let changes = vault.changes else { return }
        guard let other = try await fixture.another() else {
            return try require(false, "a vault that tells of changes needs a fixture with another adapter of it")
        }
        let heard = Heard()
        let listening = Task {
            for await change in changes { heard.add(change) }
            heard.end()
        }
        defer { listening.cancel() }
        try require(try await eventually { heard.all.first == .everything }, "the first change is not that of everything")
        let (known, unknown) = (try key("u", "known"), try key("u", "unknown"))
        _ = try await read(known)
        for key in [known, unknown] {
            try await hears(heard, of: key, "a write") {
                _ = try await other.write(key, item("v1"), condition: .none, deadline: deadline)
            }
            try await hears(heard, of: key, "a removal") {
                _ = try await other.remove(key, ifVersion: nil, deadline: deadline)
            }
        }
        await other.close()
        await vault.close()
        try require(try await eventually { heard.isOver }, "the changes go on after the vault was closed")
    }

    private func hears(_ heard: Heard, of key: VaultKey, _ what: String, _ change: () async throws -> Void) async throws {
        let count = heard.all.count
        try await change()
        let isHeard = try await eventually {
            heard.all.dropFirst(count).contains { $0 == .everything || $0 == .record(key.key) }
        }
        try require(isHeard, "\(what) by another adapter was not told")
    }
}

/// Changes that were heard so far.
private final class Heard: Sendable {
    private let state = Mutex<(all: [VaultChange], isOver: Bool)>(([], false))

    var all: [VaultChange] { state.withLock { $0.all } }
    var isOver: Bool { state.withLock { $0.isOver } }
    func add(_ change: VaultChange) { state.withLock { $0.all.append(change) } }
    func end() { state.withLock { $0.isOver = true } }
}
