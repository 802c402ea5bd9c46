import CofferVaultConformance
import Testing

@testable import CofferGoogle

@Suite struct GoogleConformanceTests {
    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func global(duty: VaultConformance) async throws {
        try await duty.check(GoogleFixture())
    }

    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func regionalWithEveryVersion(duty: VaultConformance) async throws {
        try await duty.check(GoogleFixture(options: GoogleOptions(project: "p", location: "europe-west3", versionsKept: 0)))
    }
}
