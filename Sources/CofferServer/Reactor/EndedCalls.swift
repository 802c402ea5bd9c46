import CofferCore

/// How a call ended, as it is counted: a status, or what the status does not tell.
struct CallEnding: Equatable {
    // Behind the statuses, of which the last is 16.
    static let hit = CallEnding(slot: 17)
    static let absent = CallEnding(slot: 18)
    static let lost = CallEnding(slot: 19)
    static let count = 20

    /// The status's number, or one behind the last of them.
    let slot: Int

    @inline(__always)
    private init(slot: Int) { self.slot = slot }

    @inline(__always)
    init(_ status: StatusCode) { slot = Int(status.rawValue) }

    @inline(__always)
    init(_ outcome: CallOutcome) {
        switch outcome {
        case .hit: self = .hit
        case .absent: self = .absent
        case .answered: self.init(.ok)
        case .failed(let failure), .expired(let failure), .cancelled(let failure): self.init(failure.code)
        case .lost: self = .lost
        }
    }
}

/// Counts calls that have ended, by method and by how. One thread writes, any reads.
final class EndedCalls: Sendable {
    /// One row for each method, and the last for ids that no method has.
    private static let rows = CallMethod.allCases.count + 1

    // Made by init, freed by deinit.
    nonisolated(unsafe) private let counters: UnsafeMutablePointer<ReactorCounters.Counter>

    init() {
        let count = Self.rows * CallEnding.count
        counters = .allocate(capacity: count)
        for index in 0..<count { (counters + index).initialize(to: ReactorCounters.Counter()) }
    }

    deinit {
        counters.deinitialize(count: Self.rows * CallEnding.count)
        counters.deallocate()
    }

    @inline(__always)
    func increment(_ method: CallMethod?, _ ending: CallEnding) { counters[Self.index(method, ending)].increment() }

    /// - Parameter method: nil = ids that no method has.
    func current(_ method: CallMethod?, _ ending: CallEnding) -> UInt64 { counters[Self.index(method, ending)].current }

    @inline(__always)
    private static func index(_ method: CallMethod?, _ ending: CallEnding) -> Int {
        (method.map { Int($0.rawValue) } ?? rows - 1) * CallEnding.count + ending.slot
    }
}

extension EndedCalls {
    /// NOT_FOUND from the cache is counted apart; here it is one of them.
    func current(_ method: CallMethod?, _ status: StatusCode) -> UInt64 {
        let others: UInt64 =
            switch status {
            case .ok: current(method, .hit)
            case .notFound: current(method, .absent)
            default: 0
            }
        return current(method, CallEnding(status)) + others
    }

    /// Gets that the cache has answered.
    var cacheHits: UInt64 { current(.get, .hit) + current(.get, .absent) }

    /// Failures sent, for frames that never became calls too.
    var failures: UInt64 {
        let methods = CallMethod.allCases.map(Optional.some) + [nil]
        return methods.reduce(0) { sum, method in
            StatusCode.allCases.reduce(sum) { $1 == .ok ? $0 : $0 + current(method, $1) }
        }
    }
}
