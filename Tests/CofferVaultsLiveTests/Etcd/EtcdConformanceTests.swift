import CofferCore
import CofferEtcd
import CofferVault
import CofferVaultConformance
import Foundation
import Testing

/// EtcdVault keeps the promises of `VaultAdapter` against a node with TLS and authentication.
@Suite struct EtcdConformanceTests {
    @Test(.timeLimit(.minutes(3)), arguments: VaultConformance.allCases)
    func node(duty: VaultConformance) async throws {
        try await duty.check(EtcdFixture(name: "TLS", login: try EtcdLive.login()))
    }
}

struct EtcdFixture: VaultFixture {
    let name: String
    let login: EtcdOptions.Login?
    let folder = UUID().uuidString
    let settable = SettableClock()
    var clock: any Clock { settable }
    let expiryStep: UInt64 = 1

    func advance(milliseconds: UInt64) { settable.manual.advance(milliseconds: milliseconds) }

    func open() throws -> any VaultAdapter {
        EtcdLive.vault(try EtcdLive.members(name), login: login, folder: folder, clock: settable)
    }

    func reopen() throws -> (any VaultAdapter)? { try open() }
    func another() throws -> (any VaultAdapter)? { try open() }
}
