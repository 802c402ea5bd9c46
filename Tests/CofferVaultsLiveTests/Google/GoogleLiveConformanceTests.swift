import CofferCore
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferGoogle

/// GoogleVault keeps the promises of `VaultAdapter` against the stand-in, which Google's own client passes the same
/// cases on, and against drongo as far as that is faithful.
@Suite struct GoogleLiveConformanceTests {
    @Test(.timeLimit(.minutes(3)), arguments: VaultConformance.allCases)
    func standIn(duty: VaultConformance) async throws {
        try await duty.check(GoogleLiveFixture())
    }

    @Test(.timeLimit(.minutes(3)), arguments: VaultConformance.allCases)
    func regional(duty: VaultConformance) async throws {
        try await duty.check(GoogleLiveFixture(location: "europe-west3"))
    }

    /// drongo lists all secrets at once, whatever filter and page are asked for, so no duty that lists is put to it;
    /// and each call takes 44 ms, so none with hundreds of records.
    static let drongoDuties: [VaultConformance] = [
        .readsWhatWasWritten, .replacesWhole, .removes, .keepsCreated, .resetsCreatedAfterExpiry, .conditionIfAbsent,
        .conditionIfVersion, .conditionOnRemove, .expiresToTheStep, .obeysDeadlines, .survivesReopening, .checks,
        .isReadable, .keepsTheLongestName,
    ]

    @Test(.timeLimit(.minutes(3)), arguments: drongoDuties)
    func drongo(duty: VaultConformance) async throws {
        try await duty.check(GoogleLiveFixture(endpoint: try GoogleLive.variable("DRONGO")))
    }
}

struct GoogleLiveFixture: VaultFixture {
    var location: String?
    var endpoint: String?
    let prefix = GoogleLive.freshPrefix()
    let settable = SettableClock()
    var clock: any Clock { settable }
    let expiryStep: UInt64 = 1

    func advance(milliseconds: UInt64) { settable.manual.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter {
        try GoogleLive.vault(prefix: prefix, endpoint: endpoint, change: { $0.location = location }, clock: settable)
    }
    func reopen() throws -> (any VaultAdapter)? { try open() }
}
