import CofferCore
import CofferMemory
import CofferVault
import CofferVaultConformance
import Testing

/// The memory vault keeps the promises of `VaultAdapter`, and the suite finds out who does not.
@Suite struct ConformanceTests {
    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func memory(duty: VaultConformance) async throws {
        try await duty.check(MemoryFixture())
    }

    /// The suite itself: a vault that breaks a promise is found out.
    @Test(arguments: [
        (VaultConformance.readsWhatWasWritten, ForgetfulVault.Fault.losesWrites),
        (.keepsCreated, .resetsCreated),
        (.oneIfAbsentWins, .ignoresConditions),
        (.conditionIfVersion, .ignoresConditions),
        (.noUpdateIsLost, .ignoresConditions),
        (.expiresToTheStep, .ignoresExpiry),
        (.listsEveryone, .listsTwice),
        (.obeysDeadlines, .ignoresDeadlines),
    ])
    func findsOut(duty: VaultConformance, fault: ForgetfulVault.Fault) async {
        await #expect(throws: VaultConformance.Violation.self) {
            try await duty.check(ForgetfulFixture(fault: fault))
        }
    }
}

struct MemoryFixture: VaultFixture {
    let manual = ManualClock()
    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
    func open() -> any VaultAdapter { MemoryVault(name: "test", clock: manual, random: SystemRandom()) }
    func reopen() -> (any VaultAdapter)? { nil }
}

/// A memory vault with one fault.
struct ForgetfulVault: VaultAdapter {
    enum Fault: Sendable {
        case losesWrites, resetsCreated, ignoresConditions, ignoresExpiry, listsTwice, ignoresDeadlines
    }

    let vault: MemoryVault
    let fault: Fault

    var name: String { vault.name }
    var kind: String { vault.kind }
    var capabilities: VaultCapabilities { vault.capabilities }
    var identity: [UInt8] { vault.identity }
    var changes: VaultChanges? { vault.changes }

    private func extended(_ deadline: BootInstant) -> BootInstant {
        fault == .ignoresDeadlines ? deadline + .seconds(1) : deadline
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        let found = try await vault.read(key, deadline: extended(deadline))
        // Others get their turn between reading and writing.
        if fault == .ignoresConditions { for _ in 0..<10 { await Task.yield() } }
        return found
    }

    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        if fault == .losesWrites { return VaultReceipt(version: item.version, createdAt: item.updatedAt) }
        if fault == .resetsCreated { _ = try await vault.remove(key, ifVersion: nil, deadline: deadline) }
        var item = item
        if fault == .ignoresExpiry { item.expiresAt = 0 }
        return try await vault.write(
            key, item, condition: fault == .ignoresConditions ? .none : condition, deadline: extended(deadline))
    }

    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool {
        try await vault.remove(key, ifVersion: ifVersion, deadline: extended(deadline))
    }

    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        var page = try await vault.list(user: user, after: cursor, limit: limit, deadline: deadline)
        if fault == .listsTwice { page.entries += page.entries.suffix(1) }
        return page
    }

    func check(deadline: BootInstant) async throws(Failure) { try await vault.check(deadline: deadline) }
    func close() async { await vault.close() }
}

struct ForgetfulFixture: VaultFixture {
    let fault: ForgetfulVault.Fault
    let manual = ManualClock()
    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
    func open() -> any VaultAdapter {
        ForgetfulVault(
            vault: MemoryVault(name: "test", clock: manual, random: SystemRandom()), fault: fault)
    }
    func reopen() -> (any VaultAdapter)? { nil }
}
