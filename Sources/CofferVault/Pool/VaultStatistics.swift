import CofferCore

/// Counts and last events of one vault.
struct VaultStatistics: Sendable {
    var calls: UInt64 = 0
    var retries: UInt64 = 0
    var rejected: UInt64 = 0
    var peak = 0
    private(set) var failures: UInt64 = 0
    private(set) var isReachable: Bool?
    private(set) var lastGoodContact: WallMilliseconds = 0
    private(set) var lastFailure: Failure?
    private(set) var latencyMicroseconds: UInt64 = 0

    mutating func note(
        _ outcome: VaultOutcome, _ failure: Failure?, latency: Duration, wall: WallMilliseconds
    ) {
        if outcome == .answered {
            let last = max(1, UInt64(max(0, latency.wholeNanoseconds)) / 1_000)
            latencyMicroseconds =
                latencyMicroseconds == 0 ? last : (latencyMicroseconds * 7 + last + 4) / 8
        }
        if outcome == .transient || outcome == .mistrusted || outcome == .limited { failures += 1 }
        noteCheck(outcome, failure, wall: wall)
    }

    mutating func noteCheck(_ outcome: VaultOutcome, _ failure: Failure?, wall: WallMilliseconds) {
        switch outcome {
        case .answered:
            isReachable = true
            // A refusal shows that somebody answers, not that the vault can be used.
            if failure?.isConditionNotMet ?? true { lastGoodContact = wall } else { lastFailure = failure }
        case .transient, .mistrusted:
            isReachable = false
            lastFailure = failure
        case .limited:
            isReachable = true
            lastFailure = failure
        case .silent: break
        }
    }
}
