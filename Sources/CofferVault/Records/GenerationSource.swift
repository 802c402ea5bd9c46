package import CofferCore
import Synchronization

/// Numbers for writes: each larger than the one before, across restarts too as
/// long as the wall clock does not go back further than the daemon was down.
/// Microseconds since 1970, or one more than the last.
package final class GenerationSource: Sendable {
    private let last = Mutex<UInt64>(0)
    private let clock: any Clock

    package init(clock: any Clock) { self.clock = clock }

    package func next() -> UInt64 {
        last.withLock {
            $0 = max($0 + 1, clock.wall * 1_000)
            return $0
        }
    }
}
