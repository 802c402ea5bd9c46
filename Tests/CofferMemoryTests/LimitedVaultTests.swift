import CofferCore
import CofferMemory
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

/// The suite with vaults that cannot do everything: those that say so and keep to it conform, the others are found out.
@Suite struct LimitedVaultTests {
    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases, LimitedVault.Limit.allCases)
    func conforms(duty: VaultConformance, limit: LimitedVault.Limit) async throws {
        try await duty.check(LimitedFixture(limit, fault: nil))
    }

    @Test(.timeLimit(.minutes(1)), arguments: [
        (VaultConformance.isReadable, LimitedVault.Limit.writeOnly, LimitedVault.Fault.readsAllTheSame),
        (.replacesWhole, .writeOnly, .readsAllTheSame),
        (.keepsTTLBelowTheShortest, .shortestTTL, .showsWhatItKeeps),
        (.keepsTheLongestName, .longestName, .cutsNames),
        (.keepsTheLongestName, .longestName, .countsNamesTooShort),
        (.catchesUp, .longestName, .losesWrites),
        (.tellsOfChanges, .changes, .beginsInTheMiddle),
        (.tellsOfChanges, .changes, .isSilent),
        (.tellsOfChanges, .changes, .neverEnds),
    ])
    func findsOut(duty: VaultConformance, limit: LimitedVault.Limit, fault: LimitedVault.Fault) async {
        await #expect(throws: VaultConformance.Violation.self) {
            try await duty.check(LimitedFixture(limit, fault: fault))
        }
    }
}

/// The memory vault with one limit, and with a fault if need be.
final class LimitedVault: VaultAdapter {
    enum Limit: CaseIterable, Sendable {
        case writeOnly, shortestTTL, longestName, changes
    }

    enum Fault: Sendable {
        case readsAllTheSame, showsWhatItKeeps, cutsNames, countsNamesTooShort, losesWrites
        case beginsInTheMiddle, isSilent, neverEnds
    }

    private static let longestName = 40
    let capabilities: VaultCapabilities
    private let vault: MemoryVault
    private let feed: ChangeFeed
    private let fault: Fault?
    private let limit: Limit

    init(_ vault: MemoryVault, _ feed: ChangeFeed, _ limit: Limit, fault: Fault?) {
        (self.vault, self.feed, self.limit, self.fault) = (vault, feed, limit, fault)
        var capabilities = vault.capabilities
        switch limit {
        case .writeOnly: capabilities.readable = false
        case .shortestTTL: capabilities.shortestTTL = .seconds(60)
        case .longestName:
            let countsUser = fault != .countsNamesTooShort
            capabilities.longestName = .init(maximumBytes: Self.longestName) {
                (countsUser ? $0.user.utf8.count : 0) + $0.connection.utf8.count
            }
        case .changes: break
        }
        self.capabilities = capabilities
    }

    var name: String { vault.name }
    var kind: String { vault.kind }
    var identity: [UInt8] { vault.identity }
    var changes: VaultChanges? {
        guard limit == .changes else { return nil }
        guard fault == .beginsInTheMiddle else { return feed }
        return AsyncStream { $0.finish() }
    }

    /// What a vault does that has less room for names than it says.
    private func cut(_ key: VaultKey) throws(Failure) -> VaultKey {
        let bytes = key.key.user.utf8.count + key.key.connection.utf8.count
        let room = fault == .cutsNames ? Self.longestName - 5 : Self.longestName
        guard limit == .longestName, bytes > room else { return key }
        throw Failure(.invalidArgument, .badField, "the name is too long", vault: name)
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        if fault != .readsAllTheSame { try checkReadable() }
        return try await vault.read(try cut(key), deadline: deadline)
    }

    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        if fault == .losesWrites { return VaultReceipt(version: item.version, createdAt: item.updatedAt) }
        var item = item
        if fault == .showsWhatItKeeps { item.expiresAt = capabilities.vaultExpiry(of: item) }
        let receipt = try await vault.write(try cut(key), item, condition: condition, deadline: deadline)
        tell(key)
        return receipt
    }

    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool {
        defer { tell(key) }
        return try await vault.remove(try cut(key), ifVersion: ifVersion, deadline: deadline)
    }

    private func tell(_ key: VaultKey) { if fault != .isSilent { feed.post(.record(key.key)) } }

    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        try await vault.list(user: user, after: cursor, limit: limit, deadline: deadline)
    }

    func check(deadline: BootInstant) async throws(Failure) { try await vault.check(deadline: deadline) }

    func close() async {
        if fault != .neverEnds { feed.close() }
        await vault.close()
    }
}

final class LimitedFixture: VaultFixture {
    private let limit: LimitedVault.Limit
    private let fault: LimitedVault.Fault?
    private let manual = ManualClock()
    private let opened = Mutex<(vault: MemoryVault, feed: ChangeFeed)?>(nil)

    init(_ limit: LimitedVault.Limit, fault: LimitedVault.Fault?) {
        self.limit = limit
        self.fault = fault
    }

    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }

    func open() -> any VaultAdapter {
        let parts = (vault: MemoryVault(name: "test", clock: manual, random: SystemRandom()), feed: ChangeFeed())
        opened.withLock { $0 = parts }
        return LimitedVault(parts.vault, parts.feed, limit, fault: fault)
    }

    func reopen() -> (any VaultAdapter)? { nil }

    func another() -> (any VaultAdapter)? {
        opened.withLock { $0 }.map { LimitedVault($0.vault, $0.feed, limit, fault: fault) }
    }
}
