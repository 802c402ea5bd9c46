import CofferVaultConformance
import Testing

@testable import CofferAzure

@Suite struct AzureConformanceTests {
    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func recovering(duty: VaultConformance) async throws {
        try await duty.check(AzureFixture(deleted: .recover))
    }

    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func purging(duty: VaultConformance) async throws {
        try await duty.check(AzureFixture(deleted: .purge))
    }
}
