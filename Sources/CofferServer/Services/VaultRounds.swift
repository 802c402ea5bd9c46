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
        /// Until when each is waited for; nil = until its outcome is there.
        let ends: [BootInstant?]
        var outcomes: [Int: Outcome] = [:]
        let answer: @Sendable ([Outcome?]) -> Void

        func isDone(at now: BootInstant) -> Bool {
            zip(vaults, ends).allSatisfy { vault, end in outcomes[vault] != nil || end.map { $0 <= now } ?? false }
        }

        func end() { answer(vaults.map { outcomes[$0] }) }
    }

    private struct State {
        /// Vaults with which it is being done, and since when.
        var running: [Int: BootInstant] = [:]
        var asks: [Asker: Ask] = [:]
    }

    private let state = Mutex(State())

    /// Asks for the outcomes of these vaults.
    ///
    /// - Parameters:
    ///   - waitEnd: until when the asker waits for a vault with which it has been done since
    ///     `begun`; nil = as long as it takes.
    ///   - start: begins with a vault with which nothing is being done; `end` must follow.
    ///   - answer: gets the outcomes in the order of the vaults, once; nil for those that
    ///     were not waited for any longer.
    /// - Returns: the times at which to call `answerEarly`.
    @discardableResult
    func ask(
        _ asker: Asker, _ vaults: [Int], now: BootInstant,
        until waitEnd: (_ vault: Int, _ begun: BootInstant) -> BootInstant? = { _, _ in nil },
        start: (Int) -> Void, answer: @escaping @Sendable ([Outcome?]) -> Void
    ) -> [BootInstant] {
        let (idle, ends) = state.withLock { state in
            let ends = vaults.map { waitEnd($0, state.running[$0] ?? now) }
            state.asks[asker] = Ask(vaults: vaults, ends: ends, answer: answer)
            let idle = vaults.filter { state.running[$0] == nil }
            for vault in idle { state.running[vault] = now }
            return (idle, ends)
        }
        idle.forEach(start)
        answerEarly(asker, now: now)
        return Set(ends.compactMap(\.self)).filter { $0 > now }.sorted()
    }

    /// It is done with this vault.
    func end(_ vault: Int, _ outcome: Outcome, now: BootInstant) {
        let done: [Ask] = state.withLock { state in
            state.running[vault] = nil
            for asker in state.asks.keys where state.asks[asker]!.vaults.contains(vault) {
                state.asks[asker]!.outcomes[vault] = outcome
            }
            let done = state.asks.filter { $0.value.isDone(at: now) }
            for asker in done.keys { state.asks[asker] = nil }
            return Array(done.values)
        }
        for ask in done { ask.end() }
    }

    /// Answers the asker with what there is, if it waits for no vault any longer.
    func answerEarly(_ asker: Asker, now: BootInstant) {
        let done: Ask? = state.withLock { state in
            guard state.asks[asker]?.isDone(at: now) == true else { return nil }
            return state.asks.removeValue(forKey: asker)
        }
        done?.end()
    }

    /// The asker wants no answer any more.
    func withdraw(_ asker: Asker) { state.withLock { $0.asks[asker] = nil } }

    /// Since when it is being done with this vault; nil = it is not.
    func begun(_ vault: Int) -> BootInstant? { state.withLock { $0.running[vault] } }

    /// Asks without an answer so far.
    var waiting: Int { state.withLock { $0.asks.count } }
}
