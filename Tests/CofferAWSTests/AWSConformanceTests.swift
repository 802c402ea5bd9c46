import CofferVaultConformance
import Testing

@testable import CofferAWS

@Suite struct AWSConformanceTests {
    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func forced(duty: VaultConformance) async throws {
        try await duty.check(AWSFixture())
    }

    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func recoverable(duty: VaultConformance) async throws {
        try await duty.check(AWSFixture(options: AWSOptions(deletion: .recoverable(days: 7))))
    }
}
