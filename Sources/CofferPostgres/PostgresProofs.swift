internal import CofferCore
internal import Synchronization

/// Behind which hosts a session was found to have a process of the server's own.
///
/// A proof takes one more connection of a pooler, which may have few. So each host is proved once, by one of the threads
/// that start together, and again for every connection that listens: a pooler in transaction mode would lose its
/// notifications without an error.
final class PostgresProofs: Sendable {
    private struct State {
        var proved: Set<Int> = []
        /// A thread runs a proof whose outcome others wait for.
        var isUnderWay = false
    }

    private enum Role { case none, prover, waiter }

    private let state = Mutex(State())

    /// Runs `proof`, or returns because the host has been proved; waits for a proof that another thread runs.
    ///
    /// - Parameter always: of the connection that listens.
    func require(
        _ host: Int, always: Bool, clock: any Clock, deadline: BootInstant, _ proof: () throws(PostgresFault) -> Void
    ) throws(PostgresFault) {
        guard !always else { return try proof() }
        while true {
            switch role(host) {
            case .none: return
            case .prover:
                defer { state.withLock { $0.isUnderWay = false } }
                try proof()
                state.withLock { _ = $0.proved.insert(host) }
                return
            case .waiter:
                guard clock.boot < deadline else { throw .late(isSent: false) }
                PostgresLink.pause(milliseconds: 10)
            }
        }
    }

    private func role(_ host: Int) -> Role {
        state.withLock { state in
            if state.proved.contains(host) { return .none }
            if state.isUnderWay { return .waiter }
            state.isUnderWay = true
            return .prover
        }
    }
}
