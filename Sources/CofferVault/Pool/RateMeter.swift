package import CofferCore

/// How many events a second there have been over the last half minute in which
/// it was not stopped.
package struct RateMeter: Sendable {
    private static let window: UInt64 = 30
    private static let second: UInt64 = 1_000_000_000

    // One count for each second, by its number.
    private var counts = [UInt64](repeating: 0, count: Int(RateMeter.window))
    private var first: UInt64?
    private var last: UInt64 = 0
    private var stoppedAt: BootInstant?
    private var stoppedTime: UInt64 = 0

    package init() {}

    package mutating func count(at now: BootInstant) {
        guard stoppedAt == nil else { return }
        advance(to: time(at: now))
        counts[slot(last)] += 1
    }

    /// Events a second; 0 before a tenth of a second has been looked at.
    package func rate(at now: BootInstant) -> Double {
        var meter = self
        let time = time(at: now)
        meter.advance(to: time)
        let start = (meter.last / Self.second + 1) * Self.second
        let looked = meter.last - max(meter.first ?? meter.last, start - min(start, Self.window * Self.second))
        guard looked >= Self.second / 10 else { return 0 }
        return Double(meter.counts.reduce(0, +)) * Double(Self.second) / Double(looked)
    }

    /// From now until `resume` nothing counts, and no time passes.
    package mutating func stop(at now: BootInstant) {
        if stoppedAt == nil { stoppedAt = now }
    }

    package mutating func resume(at now: BootInstant) {
        guard let stopped = stoppedAt else { return }
        stoppedTime += now > stopped ? now.nanoseconds - stopped.nanoseconds : 0
        stoppedAt = nil
    }

    private func time(at now: BootInstant) -> UInt64 {
        max(last, (stoppedAt ?? now).nanoseconds - min(stoppedTime, (stoppedAt ?? now).nanoseconds))
    }

    private func slot(_ time: UInt64) -> Int { Int(time / Self.second % Self.window) }

    private mutating func advance(to time: UInt64) {
        if first == nil { (first, last) = (time, time) }
        let seconds = time / Self.second - last / Self.second
        for step in 0..<min(seconds, Self.window) { counts[slot(time - step * Self.second)] = 0 }
        last = time
    }
}
