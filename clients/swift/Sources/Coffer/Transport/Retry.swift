/// Decides whether a failed call is made again.
///
/// One that surely was not carried out, or that changes nothing, is made once more at once. While a daemon goes or comes,
/// the next connections may end too: the call is then made again, after growing waits, until the window since its first
/// loss is over.
struct Retry {
    private static let firstBound: Duration = .milliseconds(10)
    private static let lastBound: Duration = .milliseconds(100)

    private let isRepeatable: Bool
    private let window: Duration
    private var repeats = 0
    private var firstLossAt: ContinuousClock.Instant?
    private var isSpent = false

    /// - Parameter window: how long after its first loss a call is made again.
    init(_ options: CofferCallOptions, window: Duration) {
        isRepeatable = options.isRepeatable
        self.window = window
    }

    /// Returns when the call is to be made again.
    ///
    /// - Throws: what the caller gets otherwise; `CancellationError` if the task is cancelled meanwhile.
    mutating func wait(after error: any Error, until deadline: ContinuousClock.Instant) async throws {
        let instant = try next(after: error, at: .now, deadline: deadline, chance: .random(in: 0..<1))
        if repeats > 1 { try await Task.sleep(until: instant, clock: .continuous) }
    }

    /// When the call is to be made again. Pure: time and chance, from 0 up to 1, are passed in.
    ///
    /// - Throws: what the caller gets if it is not.
    mutating func next(
        after error: any Error, at now: ContinuousClock.Instant, deadline: ContinuousClock.Instant, chance: Double
    ) throws -> ContinuousClock.Instant {
        let bound = min(Self.lastBound, Self.firstBound * (1 << min(max(0, repeats - 1), 16)))
        let instant = repeats == 0 ? now : now + bound * chance
        let isInTime = firstLossAt.map { now - $0 < window && instant < deadline } ?? true
        switch error {
        case let lost as ConnectionLost:
            guard isInTime, !isSpent, mayPass(lost) else { throw lost.error(mayWrite: !isRepeatable) }
        case let refused as CofferError:
            // A daemon that is draining has not begun the call, unless it says so.
            guard isInTime, !isSpent, refused.reason == .draining, !refused.mayHaveHappened else { throw refused }
        default: throw error
        }
        firstLossAt = firstLossAt ?? now
        repeats += 1
        return instant
    }

    /// Not a third time where a daemon, or what is none, has answered: the next answer will hardly be another. A client that
    /// was turned away tries again after the daemon's advice, or not at all; one that was closed makes no call.
    private func mayPass(_ lost: ConnectionLost) -> Bool {
        guard !lost.wasTurnedAway, lost.cause.code != .cancelled else { return false }
        return (isRepeatable || !lost.mayHaveBeenSent) && (repeats == 0 || lost.cause.code == .unavailable)
    }

    /// After the first response nothing is made again.
    mutating func stop() { isSpent = true }
}
