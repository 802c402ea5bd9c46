import CofferCore
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferCloudflare

/// The adapters keep the promises of `VaultAdapter` against the stand-in, which allows one write a second of a key.
@Suite struct CloudflareLiveConformanceTests {
    @Test(.timeLimit(.minutes(3)), arguments: VaultConformance.allCases)
    func workersKV(duty: VaultConformance) async throws {
        try await duty.check(Fixture(namespace: try await CloudflareLive.namespace("conformance \(duty)")))
    }

    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func secretsStore(duty: VaultConformance) async throws {
        let (account, store) = try await CloudflareLive.store()
        try await duty.check(SecretsFixture(account: account, store: store))
    }

    struct Fixture: VaultFixture {
        let namespace: String
        let settable = SettableClock()
        var clock: any Clock { settable }
        let expiryStep: UInt64 = 1_000

        func advance(milliseconds: UInt64) { settable.advance(milliseconds: milliseconds) }
        func open() throws -> any VaultAdapter { try CloudflareLive.vault(namespace: namespace, clock: settable) }
        func reopen() throws -> (any VaultAdapter)? { try open() }
    }

    struct SecretsFixture: VaultFixture {
        let account: String
        let store: String
        let settable = SettableClock()
        var clock: any Clock { settable }
        let expiryStep: UInt64 = 1_000

        func advance(milliseconds: UInt64) { settable.advance(milliseconds: milliseconds) }
        func open() throws -> any VaultAdapter { try CloudflareLive.secrets(account: account, store: store) }
        func reopen() throws -> (any VaultAdapter)? { try open() }
    }
}
