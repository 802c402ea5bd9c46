import CofferCore
import Testing

@Suite struct FailureTests {
    @Test func onlyAWriteMayHaveHappened() {
        let failure = Failure.deadlineExceeded(vault: "v")
        #expect(failure.message == "no answer within the time given; a write may have happened")
        #expect(failure.ofRead.message == "no answer within the time given")
        #expect(failure.ofRead.code == .deadlineExceeded && failure.ofRead.vault == "v" && failure.ofRead.retryable)
        #expect(failure.ofRead.ofRead == failure.ofRead)
        #expect(Failure.notFound.ofRead == .notFound)
    }
}
