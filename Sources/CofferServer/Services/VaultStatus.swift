import CofferCore
import Synchronization

/// What recent calls say about a vault.
package final class VaultStatus: Sendable {
    private struct State {
        var lastGoodContact: WallMilliseconds = 0
        var lastFailure = Failure.Reason.unspecified
        var calls: UInt64 = 0
        var reads: UInt64 = 0
        var failures: UInt64 = 0
    }

    private let state = Mutex(State())
    private let clock: any Clock

    init(clock: any Clock) { self.clock = clock }

    func noteSuccess() {
        let now = clock.wall
        state.withLock {
            $0.calls += 1
            $0.lastGoodContact = now
        }
    }

    /// Records asked for one by one, answered or not.
    func noteRead() { state.withLock { $0.reads += 1 } }

    /// A refusal by a rule of ours or a condition not met is an answer, not a fault.
    func noteFailure(_ failure: Failure) {
        switch failure.reason {
        case .versionMismatch, .alreadyExists, .badField, .credentialTooLarge, .notSupported:
            noteSuccess()
        default:
            state.withLock {
                $0.calls += 1
                $0.failures += 1
                $0.lastFailure = failure.reason
            }
        }
    }

    var lastGoodContact: WallMilliseconds { state.withLock { $0.lastGoodContact } }
    var lastFailure: Failure.Reason { state.withLock { $0.lastFailure } }
    var calls: UInt64 { state.withLock { $0.calls } }
    var reads: UInt64 { state.withLock { $0.reads } }
    var failures: UInt64 { state.withLock { $0.failures } }
}
