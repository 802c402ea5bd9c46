/// What a made trace is like. The defaults are the trace that results are given for.
package struct TraceShape: Equatable, Sendable {
    /// How many records there are at the start, and at each time after.
    package var records: UInt32 = 20_000
    /// Of Zipf's law: record n is asked for in proportion to 1 / n^exponent.
    package var exponent = 0.99
    /// How long it takes.
    package var seconds: UInt32 = 7_200
    /// Gets by popularity.
    package var getsPerSecond: UInt32 = 40
    /// How often somebody reads every record once, popular or not.
    package var scans: UInt32 = 3
    package var scannedPerSecond: UInt32 = 250
    /// Records that are deleted, each with a new one in its place, as popular as it was.
    package var replacedPerMinute: UInt32 = 12
    /// How often each deleted record is still asked for, in the minute after.
    package var getsOfDeleted: UInt32 = 4
    /// Records that are stored anew, popular or not.
    package var rotatedPerMinute: UInt32 = 30
    /// How often the vault is gone.
    package var outages: UInt32 = 2
    /// For how long each time.
    package var outageSeconds: UInt32 = 600

    package init() {}

    /// All of it, in one line.
    package var description: String {
        """
        \(records) records, Zipf \(exponent), \(seconds) s, \(getsPerSecond) Gets/s, \(scans) scans at \
        \(scannedPerSecond)/s, \(replacedPerMinute) records replaced and \(rotatedPerMinute) rotated each minute, \
        \(getsOfDeleted) Gets of each deleted record, \(outages) outages of \(outageSeconds) s
        """
    }
}
