internal import CofferCore

/// What came back. Statuses and faults of the whole run; latencies of the
/// measured part only.
struct Tally {
    private(set) var getLatency = LatencyHistogram()
    private(set) var storeLatency = LatencyHistogram()
    /// By status code; the last place is for codes that nobody defined.
    private var statuses = [Int](repeating: 0, count: StatusCode.allCases.count + 1)
    private(set) var wrongAnswers = 0
    /// Of the first answer that was not OK or not right.
    private(set) var firstFault: String?

    var measured: UInt64 { getLatency.count + storeLatency.count }

    @inline(__always)
    mutating func record(status: UInt32) {
        statuses[Int(min(status, UInt32(statuses.count - 1)))] += 1
    }

    @inline(__always)
    mutating func record(latency nanoseconds: UInt64, of method: Method) {
        switch method {
        case .get: getLatency.record(nanoseconds)
        case .store: storeLatency.record(nanoseconds)
        // A third histogram here costs every Get twenty instructions: `TraceRun` has it.
        case .delete: break
        }
    }

    mutating func recordWrongAnswer(_ fault: String) {
        wrongAnswers += 1
        note(fault)
    }

    /// Keeps what the first failure says of itself.
    mutating func recordFailure(_ method: Method, status: UInt32, text: @autoclosure () -> String) {
        guard firstFault == nil else { return }
        note("\(method.fullName): \(Self.name(Int(status))): \(text())")
    }

    private mutating func note(_ fault: String) {
        if firstFault == nil { firstFault = fault }
    }

    /// Those that occurred, by name.
    var statusCounts: [String: Int] {
        var counts: [String: Int] = [:]
        for (code, count) in statuses.enumerated() where count > 0 { counts[Self.name(code)] = count }
        return counts
    }

    /// Answers that were not OK or not right.
    var errors: Int { statuses.dropFirst().reduce(0, +) + wrongAnswers }

    private static func name(_ code: Int) -> String {
        UInt32(exactly: code).flatMap(StatusCode.init)?.name ?? "UNDEFINED"
    }
}
