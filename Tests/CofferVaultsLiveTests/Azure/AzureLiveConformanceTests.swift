import CofferCore
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferAzure

/// AzureVault keeps the promises of `VaultAdapter` against the stand-in, which Microsoft's own client passes the same cases on.
@Suite struct AzureLiveConformanceTests {
    @Test(.timeLimit(.minutes(3)), arguments: VaultConformance.allCases)
    func standIn(duty: VaultConformance) async throws {
        try await duty.check(AzureLiveFixture(deleted: .recover))
    }

    /// What deletes.
    @Test(.timeLimit(.minutes(3)), arguments: [VaultConformance.removes, .expiredIsAbsentEverywhere, .listsWhileOthersChange, .catchesUp])
    func purging(duty: VaultConformance) async throws {
        try await duty.check(AzureLiveFixture(deleted: .purge))
    }
}

struct AzureLiveFixture: VaultFixture {
    let deleted: AzureOptions.Deleted
    let prefix = AzureLive.freshPrefix()
    let settable = SettableClock()
    var clock: any Clock { settable }
    let expiryStep: UInt64 = 1

    func advance(milliseconds: UInt64) { settable.manual.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter {
        try AzureLive.vault(prefix: prefix, change: { ($0.deleted, $0.client) = (deleted, "purger") }, clock: settable)
    }
    func reopen() throws -> (any VaultAdapter)? { try open() }
}
