package import CofferCore

extension RandomSource {
    /// Evenly distributed over 0..<1.
    package func unit() -> Double {
        let bits = bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Double(bits >> 11) / Double(UInt64(1) << 53)
    }
}

extension Duration {
    /// Seconds, as a number to calculate with.
    var seconds: Double { Double(wholeNanoseconds) / 1e9 }

    /// Milliseconds, rounded up; at most what fits.
    package var wholeMilliseconds: UInt32 { UInt32(clamping: (max(0, wholeNanoseconds) + 999_999) / 1_000_000) }
}

extension BootInstant {
    /// Time from `earlier` to this; zero if it is not earlier.
    func duration(since earlier: Self) -> Duration {
        self > earlier ? .nanoseconds(Int64(clamping: nanoseconds - earlier.nanoseconds)) : .zero
    }
}
