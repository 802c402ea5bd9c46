import CofferCore
import CofferVault
import CofferVaultConformance
import Testing

@Suite struct EmbeddedConformanceTests {
    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func conforms(to duty: VaultConformance) async throws {
        try await duty.check(EmbeddedFixture())
    }
}

struct EmbeddedFixture: VaultFixture {
    let scratch = Scratch()
    let manual = ManualClock()
    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter { try scratch.open(clock: manual) }
    func reopen() throws -> (any VaultAdapter)? { try scratch.open(clock: manual) }
}
