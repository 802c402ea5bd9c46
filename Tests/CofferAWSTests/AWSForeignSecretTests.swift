import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferAWS

/// Secrets that other programs wrote and that cannot be given back: each is its own trouble, and
/// never the vault's.
@Suite(.timeLimit(.minutes(1))) struct AWSForeignSecretTests {
    private func guarded(_ vault: any VaultAdapter, _ clock: any Clock) -> GuardedVault {
        GuardedVault(vault, clock: clock, random: SystemRandom(), sleeper: TaskSleeper(clock: clock))
    }

    @Test func neverOpenTheBreaker() async throws {
        let odd = [
            #""SecretString":"\ud800","VersionId":"v","CreatedDate":1"#, #""SecretBinary":"AAEC","VersionId":"v","CreatedDate":1"#,
            #""SecretString":"{}","VersionId":"\u0001","CreatedDate":1"#,
        ]
        let fixture = AWSFixture()
        let vault = guarded(try fixture.vault(), fixture.manual)
        for _ in 0..<4 {
            for answer in odd {
                fixture.fake.plan("GetSecretValue", .response(.aws(200, "{\(answer)}")))
                let failure = await failure { () async throws(Failure) in
                    try await vault.read(try fixture.key(), deadline: fixture.deadline)
                }
                #expect(failure?.code == .dataLoss && failure?.reason == .unreadableRecord, "\(answer)")
            }
        }
        #expect(vault.health.breaker == .closed && vault.health.failures == 0)
    }

    /// Who writes one record too often uses up the quota of that record alone.
    @Test func aQuotaOfOneSecretNeverOpensTheBreaker() async throws {
        let fixture = AWSFixture()
        let vault = guarded(try fixture.vault(), fixture.manual)
        for _ in 0..<20 {
            fixture.fake.plan("CreateSecret", refusal: "LimitExceededException")
            await #expect(throws: Failure.self) {
                try await vault.write(
                    try fixture.key(), fixture.item(), condition: .none, deadline: fixture.deadline)
            }
        }
        #expect(vault.health.breaker == .closed && vault.health.failures == 0)
    }
}
