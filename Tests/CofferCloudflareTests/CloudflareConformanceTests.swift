import CofferVaultConformance
import Testing

@testable import CofferCloudflare

@Suite struct CloudflareConformanceTests {
    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func workersKV(duty: VaultConformance) async throws { try await duty.check(CloudflareFixture()) }

    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func secretsStore(duty: VaultConformance) async throws { try await duty.check(SecretsStoreFixture()) }
}
