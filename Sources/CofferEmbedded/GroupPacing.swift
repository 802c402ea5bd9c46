/// Decides how long the writer waits for more calls before it commits a group.
///
/// Callers in a closed loop come back right after their answer. Whoever commits
/// at once what is there when the last commit ends gets the callers in two
/// halves that take turns, and pays twice the fsyncs. Where a sync is slow that
/// halves the rate, so the writer expects those just answered to come back, and
/// gives them a quarter of the time that a commit takes. Where a sync is fast,
/// they do not come back within that, and it soon stops to wait: one half is on
/// its way while the other is committed, and a longer wait would cost more than it
/// saves. (16 callers, syncs of 0.17 ms: a writer that waited for all of them made 0.78
/// to 0.87 of the Stores.) A lone caller is never waited for, being there already.
struct GroupPacing {
    /// The most calls in a group.
    let limit: Int

    /// As many calls as may come before the group is worth a commit.
    private(set) var expected = 1
    /// How long to wait for them after the last answers, in nanoseconds.
    private(set) var patience: UInt64 = 0

    /// Groups still to be committed without waiting, and how many it will be
    /// the next time that waiting was in vain.
    private var resting = 0
    private var penalty = 1
    private static let longestPenalty = 64
    private static let longestPatience: UInt64 = 5_000_000

    init(limit: Int) { self.limit = limit }

    /// A group was committed and answered.
    ///
    /// - Parameters:
    ///   - answered: its size.
    ///   - waiting: calls that came before the first answer.
    ///   - duration: of the commit alone, in nanoseconds: what a fuller group saves.
    mutating func committed(answered: Int, waiting: Int, duration: UInt64) {
        expected = min(answered + waiting, limit)
        patience = min(duration / 4, Self.longestPatience)
        if resting > 0 {
            resting -= 1
            expected = 1
        }
    }

    /// A group that was to have `expected` calls has as many, or is committed with this many.
    mutating func gathered(_ found: Int) {
        // Three quarters of a group make it worth the wait.
        if found * 4 >= expected * 3 {
            penalty = 1
        } else {
            resting = penalty
            penalty = min(penalty * 2, Self.longestPenalty)
        }
    }
}
