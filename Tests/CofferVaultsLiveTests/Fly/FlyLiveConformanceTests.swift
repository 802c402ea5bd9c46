import CofferVaultConformance
import Testing

@testable import CofferFly

/// The adapter keeps the promises of `VaultAdapter` against the stand-in.
@Suite struct FlyLiveConformanceTests {
    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func conforms(to duty: VaultConformance) async throws { try await duty.check(try await FlyPlace()) }
}
