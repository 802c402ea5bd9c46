internal import CofferCore
internal import Synchronization

/// The daemon's own writes that failed and may commit later, when a lock goes or a lost answer was a success. Until their
/// time is over, a notification about one of them is news, although this daemon wrote it.
final class PostgresUncertainWrites: Sendable {
    /// Names at most. When more writes are uncertain, every own notification counts as news.
    static let maximumNames = 1_024

    private struct State {
        var ends: [[UInt8]: BootInstant] = [:]
        /// Until then all names count, because there were too many.
        var allUntil: BootInstant?
    }

    private let state = Mutex(State())

    /// - Parameter end: when the server has given the statement up for certain.
    func add(_ name: some Collection<UInt8>, until end: BootInstant, now: BootInstant) {
        state.withLock { state in
            let name = Array(name)
            if state.ends[name] == nil, state.ends.count >= Self.maximumNames {
                state.ends = state.ends.filter { $0.value > now }
            }
            if state.ends[name] == nil, state.ends.count >= Self.maximumNames {
                state.allUntil = max(end, state.allUntil ?? end)
            } else {
                state.ends[name] = max(end, state.ends[name] ?? end)
            }
        }
    }

    /// Whether a notification of an own write of this name is news.
    func contains(_ name: some Collection<UInt8>, now: BootInstant) -> Bool {
        state.withLock { state in
            if state.allUntil.map({ now < $0 }) == true { return true }
            // Nearly always: no write failed.
            guard !state.ends.isEmpty else { return false }
            let name = Array(name)
            guard let end = state.ends[name] else { return false }
            guard now < end else {
                state.ends[name] = nil
                return false
            }
            return true
        }
    }
}
