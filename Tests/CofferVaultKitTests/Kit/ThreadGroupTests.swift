import CofferVaultKit
import Dispatch
import Testing

@Suite struct ThreadGroupTests {
    /// A vault that is closed while it starts: some of its threads end before others have begun.
    @Test(.timeLimit(.minutes(1))) func whoWaitedOnceIsNotResumedByLaterThreads() async throws {
        let group = ThreadGroup()
        for _ in 0..<3 {
            let mayEnd = DispatchSemaphore(value: 0)
            try group.start("first") { mayEnd.wait() }
            async let ended: Void = group.ended()
            try await Task.sleep(for: .milliseconds(20))
            mayEnd.signal()
            await ended
        }
        await group.ended()
    }
}
