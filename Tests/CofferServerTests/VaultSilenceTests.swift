import CofferCore
import Testing

@testable import CofferServer

@Suite struct VaultSilenceTests {
    private func at(_ seconds: Int64) -> BootInstant { BootInstant(nanoseconds: 0) + .seconds(seconds) }

    private let late = Failure.deadlineExceeded(vault: "v")
    private let unsent = Failure(.unavailable, .vaultUnreachable, "connection refused", isUnsent: true)

    @Test func countsFromTheFirstUnansweredCall() {
        var silence = VaultSilence()
        #expect(silence.since == nil)
        for second: Int64 in 1...3 { silence.begin(at: at(second)) }
        #expect(silence.since == at(1))
        silence.end(nil, at: at(5))
        #expect(silence.since == at(5), "two are still unanswered")
        silence.end(Failure(.permissionDenied, .vaultRefused, "a refusal is an answer"), at: at(6))
        silence.end(nil, at: at(7))
        #expect(silence.since == nil)
    }

    /// A vault whose calls have all run out of time has still answered nothing.
    @Test func lastsUntilAnAnswer() {
        var silence = VaultSilence()
        silence.begin(at: at(1))
        silence.end(late, at: at(6))
        #expect(silence.since == at(1))
        silence.begin(at: at(20))
        silence.end(unsent, at: at(21))
        #expect(silence.since == at(1))
        silence.noteAnswer(at: at(30))
        #expect(silence.since == nil)
    }

    /// Nor has one that hangs while it is connected to.
    @Test func lastsWhereConnectingHangs() {
        let hung = Failure(.deadlineExceeded, .vaultUnreachable, "no connection was ready", isUnsent: true)
        var silence = VaultSilence()
        silence.begin(at: at(1))
        silence.end(hung, at: at(6))
        #expect(silence.since == at(1))
    }

    /// One that refuses connections is not silent, nor one whose callers have left.
    @Test func whatWasNotSentShowsNoSilence() {
        for failure in [unsent, .abandoned] {
            var silence = VaultSilence()
            silence.begin(at: at(1))
            silence.begin(at: at(2))
            silence.end(failure, at: at(3))
            #expect(silence.since == at(1), "another call is still unanswered")
            silence.end(failure, at: at(4))
            #expect(silence.since == nil)
        }
    }
}
