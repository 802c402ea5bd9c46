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

    private func ask(_ serial: UInt64, _ vaults: [Int]) {
        rounds.ask(.init(reactor: 0, serial: serial), vaults, start: seen.begin) { [seen] in seen.answer($0) }
    }

    @Test func whoAsksMeanwhileSharesWhatComes() {
        for serial: UInt64 in 1...1_000 { ask(serial, [0, 1]) }
        #expect(seen.begun == [0, 1])
        rounds.end(1, "b")
        #expect(seen.answers.isEmpty)
        rounds.end(0, "a")
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
        rounds.end(0, "a")
        #expect(seen.begun == [0])
        #expect(seen.answers.isEmpty)
    }

    @Test func whoCannotWaitGetsWhatIsThere() {
        ask(1, [0, 1])
        rounds.end(1, "b")
        rounds.answerEarly(.init(reactor: 0, serial: 1))
        rounds.answerEarly(.init(reactor: 0, serial: 1))
        rounds.end(0, "a")
        #expect(seen.answers == [[nil, "b"]])
    }

    /// One vault is asked again while another, of the same asker, is still awaited.
    @Test func vaultsGoRoundEachForItself() {
        ask(1, [0, 1])
        rounds.end(0, "old")
        ask(2, [0])
        #expect(seen.begun == [0, 1, 0])
        rounds.end(0, "new")
        rounds.end(1, "b")
        #expect(seen.answers == [["new"], ["new", "b"]])
    }
}
