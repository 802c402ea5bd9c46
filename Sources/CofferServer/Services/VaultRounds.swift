import CofferCore
import Synchronization

/// Something that is done with vaults for whoever asks, once at a time with each of them: who
/// asks while it is being done gets what comes of that.
final class VaultRounds<Outcome: Sendable>: Sendable {
    /// Who asks: a call of a reactor's, by its serial.
    struct Asker: Hashable, Sendable {
        let reactor: Int
        let serial: UInt64
    }

    private struct Ask {
        /// Places of vaults in the pool, in their order.
        let vaults: [Int]
        var outcomes: [Int: Outcome] = [:]
        let answer: @Sendable ([Outcome?]) -> Void

        var isDone: Bool { outcomes.count == vaults.count }
        func end() { answer(vaults.map { outcomes[$0] }) }
    }

    private struct State {
        var running: Set<Int> = []
        var asks: [Asker: Ask] = [:]
    }

    private let state = Mutex(State())

    /// Asks for the outcomes of these vaults.
    ///
    /// - Parameters:
    ///   - start: begins with a vault with which nothing is being done; `end` must follow.
    ///   - answer: gets the outcomes in the order of the vaults, once; nil for those that
    ///     were not there when `answerEarly` was called.
    func ask(
        _ asker: Asker, _ vaults: [Int], start: (Int) -> Void, answer: @escaping @Sendable ([Outcome?]) -> Void
    ) {
        let idle = state.withLock { state in
            state.asks[asker] = Ask(vaults: vaults, answer: answer)
            return vaults.filter { state.running.insert($0).inserted }
        }
        idle.forEach(start)
    }

    /// It is done with this vault.
    func end(_ vault: Int, _ outcome: Outcome) {
        let done: [Ask] = state.withLock { state in
            state.running.remove(vault)
            for asker in state.asks.keys where state.asks[asker]!.vaults.contains(vault) {
                state.asks[asker]!.outcomes[vault] = outcome
            }
            let done = state.asks.filter(\.value.isDone)
            for asker in done.keys { state.asks[asker] = nil }
            return Array(done.values)
        }
        for ask in done { ask.end() }
    }

    /// Answers the asker with what there is.
    func answerEarly(_ asker: Asker) { state.withLock { $0.asks.removeValue(forKey: asker) }?.end() }

    /// The asker wants no answer any more.
    func withdraw(_ asker: Asker) { state.withLock { $0.asks[asker] = nil } }

    /// Asks without an answer so far.
    var waiting: Int { state.withLock { $0.asks.count } }
}
