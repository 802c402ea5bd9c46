import CofferCore
@testable import CofferServer
import Synchronization
import Testing

@Suite struct VaultRoundsTests {
    private typealias Rounds = VaultRounds<String>

    private final class Seen: Sendable {
        private let state = Mutex((begun: [Int](), answers: [[String?]]()))
        func begin(_ vault: Int) { state.withLock { $0.begun.append(vault) } }
        func answer(_ outcomes: [String?]) { state.withLock { $0.answers.append(outcomes) } }
        var begun: [Int] { state.withLock { $0.begun } }
        var answers: [[String?]] { state.withLock { $0.answers } }
    }

    private let rounds = Rounds()
    private let seen = Seen()

    private func at(_ seconds: Int64) -> BootInstant { BootInstant(nanoseconds: 0) + .seconds(seconds) }

    /// - Parameter seconds: how long each vault is waited for, from the moment it was begun with; nil = for ever.
    @discardableResult
    private func ask(
        _ serial: UInt64, _ vaults: [Int], at now: Int64 = 0, waiting seconds: [Int64]? = nil
    ) -> [BootInstant] {
        rounds.ask(
            .init(reactor: 0, serial: serial), vaults, now: at(now),
            until: { vault, begun in seconds.map { begun + .seconds($0[vault]) } }, start: seen.begin
        ) { [seen] in seen.answer($0) }
    }

    private func end(_ vault: Int, _ outcome: String, at now: Int64 = 0) { rounds.end(vault, outcome, now: at(now)) }

    @Test func whoAsksMeanwhileSharesWhatComes() {
        for serial: UInt64 in 1...1_000 { ask(serial, [0, 1]) }
        #expect(seen.begun == [0, 1])
        end(1, "b")
        #expect(seen.answers.isEmpty)
        end(0, "a")
        #expect(seen.answers == Array(repeating: ["a", "b"], count: 1_000))
        #expect(rounds.waiting == 0)
        ask(1_001, [1])
        #expect(seen.begun == [0, 1, 1])
    }

    @Test func whoHasGoneIsForgottenAtOnce() {
        for serial: UInt64 in 1...1_000 {
            ask(serial, [0])
            rounds.withdraw(.init(reactor: 0, serial: serial))
            #expect(rounds.waiting == 0)
        }
        end(0, "a")
        #expect(seen.begun == [0])
        #expect(seen.answers.isEmpty)
    }

    @Test func whoCannotWaitGetsWhatIsThere() {
        #expect(ask(1, [0, 1], waiting: [2, 1]) == [at(1), at(2)])
        end(1, "b")
        for now: Int64 in 0...4 {
            rounds.answerEarly(.init(reactor: 0, serial: 1), now: at(now))
            #expect(seen.answers == (now < 2 ? [] : [[nil, "b"]]))
        }
        end(0, "a")
        #expect(seen.answers == [[nil, "b"]])
    }

    /// One vault is given up; the answer waits for the other, and for no timer.
    @Test func theLastVaultThatIsWaitedForEndsTheWait() {
        ask(1, [0, 1], waiting: [1, 10])
        rounds.answerEarly(.init(reactor: 0, serial: 1), now: at(1))
        #expect(seen.answers.isEmpty)
        end(1, "b", at: 3)
        #expect(seen.answers == [[nil, "b"]])
    }

    /// Its time counts from the start of what is being done, not from the question.
    @Test func whoAsksLaterWaitsNoLonger() {
        ask(1, [0], waiting: [5])
        #expect(ask(2, [0], at: 3, waiting: [5]) == [at(5)])
        #expect(ask(3, [0], at: 6, waiting: [5]) == [])
        #expect(seen.answers == [[nil]], "it is answered at once")
        #expect(seen.begun == [0])
        end(0, "a", at: 7)
        #expect(seen.answers == [[nil], ["a"], ["a"]])
    }

    /// One vault is asked again while another, of the same asker, is still awaited.
    @Test func vaultsGoRoundEachForItself() {
        ask(1, [0, 1])
        end(0, "old")
        ask(2, [0])
        #expect(seen.begun == [0, 1, 0])
        end(0, "new")
        end(1, "b")
        #expect(seen.answers == [["new"], ["new", "b"]])
    }
}
