internal import CofferCore

/// The wall clock, trusted only while it keeps pace with the clock that counts from
/// boot. One that jumps, years ahead for half a minute or back, is trusted again when
/// it has run evenly for a while.
struct SteadyTime {
    /// What it may gain or lose between two looks: more than slewing does, which is how
    /// a clock that is only a little wrong is set.
    private static let tolerance: UInt64 = 5_000

    private let patience: Duration
    private var lastWall: WallMilliseconds
    private var lastBoot: BootInstant
    private var steadySince: BootInstant

    /// - Parameter patience: how long it must have run evenly.
    init(patience: Duration, wall: WallMilliseconds, boot: BootInstant) {
        self.patience = patience
        lastWall = wall
        lastBoot = boot
        steadySince = boot
    }

    /// The wall clock; nil if it is not to be trusted yet. Ask often: a jump ahead and
    /// back between two looks does no harm, as nobody saw it.
    mutating func wall(_ wall: WallMilliseconds, at boot: BootInstant) -> WallMilliseconds? {
        let expected = lastWall &+ boot.milliseconds(since: lastBoot)
        if (wall > expected ? wall - expected : expected - wall) > Self.tolerance { steadySince = boot }
        (lastWall, lastBoot) = (wall, boot)
        return boot >= steadySince + patience ? wall : nil
    }
}
