import CofferCore
import CofferHashiCorp
import CofferVault
import CofferVaultConformance
import Foundation
import Testing

/// HashiCorpVault keeps the promises of `VaultAdapter` against a real server.
@Suite struct HashiCorpConformanceTests {
    @Test(.timeLimit(.minutes(3)), arguments: VaultConformance.allCases)
    func memory(duty: VaultConformance) async throws {
        try await duty.check(HashiCorpFixture(address: "ADDR"))
    }

    /// On the storage that clusters have, where an entry has its limit.
    @Test(.timeLimit(.minutes(2)), arguments: [VaultConformance.keepsBinaryOfEverySize, .survivesReopening])
    func raft(duty: VaultConformance) async throws {
        try await duty.check(HashiCorpFixture(address: "RAFT_ADDR"))
    }

    /// On a mount that takes check-and-set writes only.
    @Test(
        .timeLimit(.minutes(2)),
        arguments: [VaultConformance.replacesWhole, .conditionIfVersion, .noUpdateIsLost, .removes, .keepsCreated])
    func guarded(duty: VaultConformance) async throws {
        try await duty.check(HashiCorpFixture(address: "ADDR", mount: "guarded"))
    }

    @Test(.timeLimit(.minutes(2)), arguments: [VaultConformance.readsWhatWasWritten, .listsInPagesOfAnySize, .checks])
    func namespace(duty: VaultConformance) async throws {
        try await duty.check(HashiCorpFixture(address: "ADDR", namespace: "team"))
    }
}

struct HashiCorpFixture: VaultFixture {
    let address: String
    var mount = "secret"
    var namespace: String?
    let folder = UUID().uuidString
    let settable = SettableClock()
    var clock: any Clock { settable }
    let expiryStep: UInt64 = 1

    func advance(milliseconds: UInt64) { settable.manual.advance(milliseconds: milliseconds) }

    func open() throws -> any VaultAdapter {
        try Live.vault(
            mount: mount, folder: folder, namespace: namespace, clock: settable, transport: try Live.transport(address))
    }

    func reopen() throws -> (any VaultAdapter)? { try open() }
}
