import CofferCore
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferEmbedded

/// Of every way in which a write fails: whether it may have happened. What surely did not leaves
/// the cache as it was.
@Suite(.timeLimit(.minutes(1))) struct EmbeddedFailedWriteTests {
    private func check(_ failure: Failure?, _ mayHaveWritten: Bool) {
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: mayHaveWritten) == nil)
    }

    @Test func surelyDidNotHappen() async throws {
        let scratch = Scratch()
        let vault = try scratch.open()
        let item = VaultItem(payload: .sealed([1]), version: "v", createdAt: 1, updatedAt: 1, expiresAt: 0)
        let key = VaultKey(
            key: try RecordKey(user: "u", connection: "c"), tag: [UInt8](repeating: 1, count: 32),
            userTag: [UInt8](repeating: 2, count: 32))
        func write(_ deadline: BootInstant) async -> Failure? {
            await failure { () async throws(Failure) in
                try await vault.write(key, item, condition: .none, deadline: deadline)
            }
        }
        let late = await write(BootInstant(nanoseconds: 1))
        check(late, false)
        #expect(late?.isUnsent == true)
        await vault.close()
        let closed = await write(SystemClock().boot + .seconds(5))
        check(closed, false)
        #expect(closed?.isUnsent == true && closed?.reason == .draining)
        let full = Failure.queueFull(vault: "v", capacity: 1)
        check(full, false)
        #expect(full.isUnsent)
    }
}
