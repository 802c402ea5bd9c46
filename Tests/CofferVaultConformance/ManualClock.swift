package import CofferCore
internal import Synchronization

/// A clock that stands still until it is told to go on.
package final class ManualClock: Clock {
    private let time: Mutex<(boot: UInt64, wall: WallMilliseconds)>

    package init(wall: WallMilliseconds = 1_800_000_000_000) {
        time = Mutex((boot: 1_000_000_000, wall: wall))
    }

    package var boot: BootInstant { BootInstant(nanoseconds: time.withLock { $0.boot }) }
    package var wall: WallMilliseconds { time.withLock { $0.wall } }

    package func advance(milliseconds: UInt64) {
        time.withLock {
            $0.boot += milliseconds * 1_000_000
            $0.wall += milliseconds
        }
    }
}
