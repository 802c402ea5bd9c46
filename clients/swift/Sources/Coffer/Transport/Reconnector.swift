/// When to try to connect. Pure: time and chance are passed in.
///
/// Failures are followed by waits with full jitter: a random time up to a bound
/// that doubles with each failure.
struct Reconnector {
    enum Failure {
        /// The socket is there, but too many wait to be accepted.
        case busy
        /// Nobody listens.
        case absent
        /// Waiting would change nothing.
        case hopeless
    }

    static let firstBound: Duration = .milliseconds(10)
    static let lastBound: Duration = .seconds(1)

    /// How long after a loss an absent daemon is waited for.
    let window: Duration
    private var failures = 0
    private(set) var retryAt: ContinuousClock.Instant?

    init(window: Duration) { self.window = window }

    mutating func succeeded() {
        failures = 0
        retryAt = nil
    }

    /// - Parameters:
    ///   - lostAt: when a connection was last lost; nil = there was none yet.
    ///   - chance: makes a number from 0 up to 1.
    /// - Returns: when to try again; nil = not at all, the call fails.
    mutating func failed(
        _ failure: Failure, at now: ContinuousClock.Instant, lostAt: ContinuousClock.Instant?,
        chance: () -> Double
    ) -> ContinuousClock.Instant? {
        let isWorthWaiting =
            switch failure {
            case .busy: true
            case .absent: lostAt.map { now - $0 < window } ?? false
            case .hopeless: false
            }
        guard isWorthWaiting else {
            succeeded()
            return nil
        }
        let bound = min(Self.lastBound, Self.firstBound * (1 << min(failures, 16)))
        failures += 1
        retryAt = now + bound * chance()
        return retryAt
    }
}
