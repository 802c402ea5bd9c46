internal import FoundationEssentials

/// The result of a run, for people and for programs.
package protocol LoadReport: Encodable {
    /// Lines, the last one without a line feed.
    var text: String { get }

    /// Answers that were not what they should have been.
    var errors: Int { get }
}

extension LoadReport {
    /// One line.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

/// What the calls of a workload did.
package struct Report: LoadReport, Codable, Sendable {
    enum Target: String, Codable, Sendable {
        case daemon
        case floor
        case floorCommits = "floor-commits"
        case floorWriters = "floor-writers"
        case memcached
        case redis
        case http
        case grpc
    }

    /// Microseconds.
    struct Latency: Codable, Sendable {
        var count: UInt64
        var p50: Double
        var p99: Double
        var p999: Double
        var max: Double
    }

    var target: Target
    var connections: Int
    var idleConnections: Int
    var depth: Int
    var valueBytes: Int
    var keys: UInt32
    var distribution: KeyDistribution
    var storeShare: Double
    /// How long was measured.
    var seconds: Double
    /// OK answers per second; for `floorCommits` and `floorWriters` durable rows.
    var ratePerSecond: Double
    var get: Latency?
    /// For `floorCommits`: of whole transactions.
    var store: Latency?
    /// Answers of the whole run, preparation and warm-up included.
    var statuses: [String: Int]
    /// Sampled answers that were OK but not right, in the whole run.
    var wrongAnswers: Int
    /// Answers that were not OK or not right, in the whole run.
    package var errors: Int
    /// What the first of them was.
    var firstFault: String?

    package var text: String {
        var lines = [
            "\(target.rawValue): \(connections) x \(depth), \(valueBytes)-byte values, "
                + "\(keys) records (\(distribution.rawValue)), "
                + "\(decimal(storeShare * 100, places: 0)) % Store"
                + (idleConnections > 0 ? ", \(idleConnections) idle connections" : ""),
            "rate     \(decimal(ratePerSecond, places: 0)) /s over \(decimal(seconds, places: 2)) s",
        ]
        if let get { lines.append("Get      \(get.text)") }
        if let store { lines.append("Store    \(store.text)") }
        lines.append("status   \(Report.counts(statuses))")
        let wrong = wrongAnswers > 0 ? ", \(wrongAnswers) of them wrong answers" : ""
        lines.append("errors   \(errors)\(wrong)")
        if let firstFault { lines.append("first    \(firstFault)") }
        return lines.joined(separator: "\n")
    }

    /// The most frequent first.
    static func counts(_ statuses: [String: Int]) -> String {
        let counts = statuses.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return counts.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }
}

extension Report {
    init(_ target: Target, workload: Workload, tally: Tally, seconds: Double, answers: UInt64) {
        self.init(
            target: target, connections: workload.connections,
            idleConnections: workload.idleConnections, depth: workload.depth,
            valueBytes: workload.valueBytes, keys: workload.keys,
            distribution: workload.distribution, storeShare: workload.storeShare,
            seconds: seconds, ratePerSecond: seconds > 0 ? Double(answers) / seconds : 0,
            get: Latency(tally.getLatency), store: Latency(tally.storeLatency),
            statuses: tally.statusCounts, wrongAnswers: tally.wrongAnswers,
            errors: tally.errors, firstFault: tally.firstFault)
    }
}

extension Report.Latency {
    /// Nil if nothing was counted.
    init?(_ histogram: LatencyHistogram) {
        func microseconds(_ share: Double) -> Double? {
            histogram.quantile(share).map { Double($0) / 1000 }
        }
        guard let p50 = microseconds(0.5), let p99 = microseconds(0.99),
            let p999 = microseconds(0.999)
        else { return nil }
        self.init(
            count: histogram.count, p50: p50, p99: p99, p999: p999,
            max: Double(histogram.maximum) / 1000)
    }

    var text: String {
        [("p50", p50), ("p99", p99), ("p99.9", p999), ("max", max)]
            .map { "\($0) \(decimal($1, places: 1)) µs" }.joined(separator: "  ")
    }
}

/// With so many digits behind the point.
func decimal(_ value: Double, places: Int) -> String {
    var scale = 1
    for _ in 0..<places { scale *= 10 }
    let scaled = Int((value * Double(scale)).rounded())
    guard places > 0 else { return "\(scaled)" }
    let fraction = "\(scaled % scale)"
    return "\(scaled / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
}
