package import CofferCore

/// So many calls in a period, and so many at once: a token bucket that holds `burst` tokens.
package struct RateLimit: Hashable, Sendable {
    /// The time in which they are counted.
    package enum Period: UInt64, CaseIterable, Sendable {
        /// In nanoseconds.
        case second = 1_000_000_000
        case minute = 60_000_000_000
        case hour = 3_600_000_000_000

        package var letter: String {
            switch self {
            case .second: "s"
            case .minute: "m"
            case .hour: "h"
            }
        }
    }

    package static let maximumCount = 1_000_000

    package let count: Int
    package let period: Period
    package let burst: Int
    /// Nanoseconds until there is another token, rounded up: at a million a second and below, the rate is kept to
    /// within a thousandth.
    private let interval: UInt64

    /// - Parameters:
    ///   - count: 1 to ``maximumCount``, as is `burst`; traps otherwise.
    ///   - burst: nil = as many as `count`.
    package init(_ count: Int, per period: Period, burst: Int? = nil) {
        precondition((1...Self.maximumCount).contains(count) && (1...Self.maximumCount).contains(burst ?? count))
        self.count = count
        self.period = period
        self.burst = burst ?? count
        interval = (period.rawValue + UInt64(count) - 1) / UInt64(count)
    }

    /// What comes of asking for a token.
    package enum Taking: Equatable, Sendable {
        /// There was one; when the bucket is full again, if no more are taken.
        case taken(fullAt: BootInstant)
        /// There will be one in so many nanoseconds.
        case wait(UInt64)
    }

    /// Takes one token, if there is one.
    ///
    /// - Parameter fullAt: when the bucket is full again, as the last taking said; 0 = it always was.
    @inline(__always)
    package func take(fullAt: BootInstant, now: BootInstant) -> Taking {
        let next = max(fullAt.nanoseconds, now.nanoseconds) &+ interval
        // The largest sum is an hour times the largest burst: 114 years.
        let latest = now.nanoseconds &+ interval &* UInt64(burst)
        return next <= latest ? .taken(fullAt: BootInstant(nanoseconds: next)) : .wait(next - latest)
    }

    package var text: String { "\(count)/\(period.letter)" }
}
