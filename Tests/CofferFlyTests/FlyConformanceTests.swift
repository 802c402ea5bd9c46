import CofferVaultConformance
import Testing

@testable import CofferFly

@Suite struct FlyConformanceTests {
    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func conforms(to duty: VaultConformance) async throws { try await duty.check(FlyFixture()) }
}
