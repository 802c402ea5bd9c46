import CofferAWS
import CofferCore
import CofferVault
import CofferVaultConformance
import Testing

/// AWSVault keeps the promises of `VaultAdapter` against MiniStack, with every
/// signature checked.
@Suite struct AWSLiveConformanceTests {
    /// Both emulators count pages by position, so records that come and go shift
    /// those that stay; AWS's tokens are its own. That duty is kept on the
    /// stand-in of CofferAWSTests, whose tokens are names.
    static let duties = VaultConformance.allCases.filter { $0 != .listsWhileOthersChange }

    @Test(.timeLimit(.minutes(3)), arguments: duties)
    func miniStack(duty: VaultConformance) async throws {
        try await duty.check(AWSLiveFixture(deletion: .forced))
    }

    @Test(
        .timeLimit(.minutes(2)),
        arguments: [VaultConformance.removes, .replacesWhole, .resetsCreatedAfterExpiry, .expiredIsAbsentEverywhere])
    func recoverable(duty: VaultConformance) async throws {
        try await duty.check(AWSLiveFixture(deletion: .recoverable(days: 7)))
    }
}

struct AWSLiveFixture: VaultFixture {
    let deletion: AWSOptions.Deletion
    let prefix = AWSLive.freshPrefix()
    let settable = SettableClock()
    var clock: any Clock { settable }
    let expiryStep: UInt64 = 1000

    func advance(milliseconds: UInt64) { settable.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter { try AWSLive.vault(prefix: prefix, deletion: deletion, clock: settable) }
    func reopen() throws -> (any VaultAdapter)? { try open() }
}
