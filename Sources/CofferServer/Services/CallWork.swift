import Synchronization

/// What a call has in hand. It counts against the limits for as long as anything holds it: the
/// call until it is answered, and every task and flight that works for it, however the call
/// has ended.
final class CallWork: Sendable {
    private enum State {
        case running(stop: (@Sendable () -> Void)?)
        case stopped
    }

    let uid: UInt32
    /// What it counts for; see `Weight`.
    private let weight: Int
    private let ledger: UIDLedger
    private let claims: [FlightClaim]
    private let state = Mutex(State.running(stop: nil))

    /// - Parameters:
    ///   - weight: already counted by the ledger, which is told when it is over.
    ///   - claims: given back when it is over.
    init(uid: UInt32, weight: Int, ledger: UIDLedger, claims: [FlightClaim]) {
        self.claims = claims
        self.uid = uid
        self.weight = weight
        self.ledger = ledger
    }

    deinit { ledger.endWork(uid: uid, weight: weight) }

    /// Says what to do when nobody waits for the call any more; if that is so already, it is
    /// done at once.
    func onStop(_ body: @escaping @Sendable () -> Void) {
        let isStopped = state.withLock { state in
            guard case .running = state else { return true }
            state = .running(stop: body)
            return false
        }
        if isStopped { body() }
    }

    /// Nobody waits for the call any more: what can be left undone is.
    func stop() {
        let body: (@Sendable () -> Void)? = state.withLock { state in
            defer { state = .stopped }
            guard case .running(let stop) = state else { return nil }
            return stop
        }
        body?()
    }

    /// What a call counts for: 1, and more where it takes more memory or more of a vault.
    enum Weight {
        static let keysPerUnit = 8
        static let bytesPerUnit = 16 << 10

        /// - Parameter atOnce: how many of the keys may be in hand.
        static func ofKeys(_ count: Int, atOnce: Int) -> Int { (min(count, atOnce) + keysPerUnit - 1) / keysPerUnit }
        static func ofBytes(_ count: Int) -> Int { 1 + count / bytesPerUnit }
    }
}
