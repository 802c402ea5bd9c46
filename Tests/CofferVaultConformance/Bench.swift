internal import CofferCore
internal import CofferVault

/// A vault under examination, and the short forms in which the duties are written.
struct Bench: Sendable {
    let vault: any VaultAdapter
    let fixture: any VaultFixture

    var now: WallMilliseconds { fixture.clock.wall }
    /// Far enough away for any vault.
    var deadline: BootInstant { fixture.clock.boot + .seconds(60) }
    var hasConditions: Bool { vault.capabilities.conditionalWrites }
    var hasListing: Bool { vault.capabilities.listing }

    func require(
        _ condition: Bool, _ what: @autoclosure () -> String, line: Int = #line, file: String = #fileID
    ) throws {
        guard condition else { throw VaultConformance.Violation(description: "\(what()) (\(file):\(line))") }
    }

    /// Runs `call`, which has to fail with this code.
    func refuses(
        _ code: StatusCode, _ what: String, line: Int = #line, file: String = #fileID,
        _ call: () async throws(Failure) -> Void
    ) async throws {
        do {
            try await call()
        } catch {
            return try require(
                error.code == code, "\(what): expected \(code.name), got \(error.code.name): \(error.message)",
                line: line, file: file)
        }
        try require(false, "\(what): expected \(code.name), but it went through", line: line, file: file)
    }

    /// A key whose tags nobody else has: from names, the same each time.
    func key(_ user: String, _ connection: String) throws(Failure) -> VaultKey {
        VaultKey(
            key: try RecordKey(user: user, connection: connection),
            tag: Self.tag("\(user)\u{1f}\(connection)"), userTag: Self.tag(user))
    }

    /// 32 bytes that look like a keyed hash (a 64-bit mixer, run four times).
    static func tag(_ name: String) -> [UInt8] {
        var tag: [UInt8] = []
        for lane in 1...4 as ClosedRange<UInt64> {
            var state = lane &* 0x9e37_79b9_7f4a_7c15
            for byte in name.utf8 {
                state = (state ^ UInt64(byte)) &* 0xff51_afd7_ed55_8ccd
                state ^= state >> 32
            }
            tag += (0..<8).map { UInt8(truncatingIfNeeded: state >> (8 * $0)) }
        }
        return tag
    }

    func item(
        _ version: String, payload: [UInt8] = Array("sealed".utf8), expiresAt: WallMilliseconds = 0
    ) -> VaultItem {
        let now = now
        return VaultItem(
            payload: .sealed(payload), version: version, createdAt: now, updatedAt: now, expiresAt: expiresAt)
    }

    func read(_ key: VaultKey) async throws -> VaultItem? {
        try await vault.read(key, deadline: deadline)
    }

    @discardableResult
    func write(
        _ key: VaultKey, _ item: VaultItem, _ condition: WriteCondition = .none
    ) async throws(Failure) -> WallMilliseconds {
        try await vault.write(key, item, condition: condition, deadline: deadline).createdAt
    }

    func remove(_ key: VaultKey, ifVersion: String? = nil) async throws(Failure) -> Bool {
        try await vault.remove(key, ifVersion: ifVersion, deadline: deadline)
    }

    /// All entries, page by page.
    ///
    /// - Parameter first: of the first page, if that has another limit.
    func listAll(_ user: VaultUser?, limit others: Int, first: Int? = nil) async throws -> [VaultPage.Entry] {
        var entries: [VaultPage.Entry] = []
        var cursor: [UInt8]?
        repeat {
            let limit = cursor == nil ? first ?? others : others
            let page = try await vault.list(user: user, after: cursor, limit: limit, deadline: deadline)
            try require(page.entries.count <= limit, "a page has \(page.entries.count) entries, limit \(limit)")
            try require(page.next == nil || page.next != cursor, "a listing does not go on")
            entries += page.entries
            cursor = page.next
        } while cursor != nil
        return entries
    }

    /// For a vault without listing: the refusal instead.
    func refusesListing() async throws {
        try await refuses(.failedPrecondition, "list, which this vault cannot") { () throws(Failure) in
            _ = try await vault.list(user: nil, after: nil, limit: 1, deadline: deadline)
        }
    }
}

extension VaultKey {
    var vaultUser: VaultUser { VaultUser(id: key.user, tag: userTag) }
}

extension VaultPage.Entry {
    /// As in the key that the record was written under, whichever name the vault told.
    var tag: [UInt8] {
        switch name {
        case .tag(let tag): tag
        case .key(let key): Bench.tag("\(key.user)\u{1f}\(key.connection)")
        }
    }
}
