import CLinux

/// A point on the clock that counts from boot, time asleep included, and never
/// jumps. For ages, TTLs and deadlines.
package struct BootInstant: Comparable, Hashable, Sendable {
    package var nanoseconds: UInt64

    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Later than any other.
    package static let never = BootInstant(nanoseconds: .max)

    package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

    package static func + (instant: Self, duration: Duration) -> Self {
        BootInstant(nanoseconds: instant.nanoseconds &+ UInt64(max(0, duration.wholeNanoseconds)))
    }

    /// Milliseconds from `earlier` to this; 0 if it is not earlier.
    package func milliseconds(since earlier: Self) -> UInt64 {
        self > earlier ? (nanoseconds - earlier.nanoseconds) / 1_000_000 : 0
    }
}

extension Duration {
    /// Rounded down; saturates beyond 292 years.
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : product &+ attoseconds / 1_000_000_000
    }
}

/// Unix milliseconds, UTC. For what people and other hosts see: created,
/// updated, expires. May jump.
package typealias WallMilliseconds = UInt64

/// The time, passed in: tests pass their own.
package protocol Clock: Sendable {
    var boot: BootInstant { get }
    var wall: WallMilliseconds { get }
}

/// The kernel's clocks.
package struct SystemClock: Clock {
    package init() {}
    package var boot: BootInstant { BootInstant(nanoseconds: coffer_boot_nanoseconds()) }
    package var wall: WallMilliseconds { coffer_wall_milliseconds() }
}
