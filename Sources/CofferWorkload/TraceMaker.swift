/// Makes a trace of some shape. The same random numbers make the same trace.
package struct TraceMaker<Random: RandomNumberGenerator> {
    /// What is to come, while it is not known yet which record it is about.
    private enum Plan {
        case get
        /// The n-th step of a scan.
        case scan(Int)
        case rotate
        case replace
        /// A Get of the n-th record that was deleted.
        case missDeleted(Int)
        case down
        case up
    }

    /// Who wrote while the vault was down does it again when it is back.
    private enum Retry {
        case rotate(rank: Int)
        case replace(rank: Int)
    }

    private let shape: TraceShape
    private var random: Random
    private let popularity: ZipfRanks
    private var plans: [(time: UInt32, plan: Plan)] = []
    /// The record of each rank of popularity.
    private var ranks: [UInt32]
    private var scanOrder: [Int]
    private var nextKey: UInt32
    private var deleted: [UInt32] = []
    private var isDown = false
    private var retries: [Retry] = []
    private var events: [Trace.Event] = []

    /// - Parameter shape: has at least one record.
    package init(_ shape: TraceShape, random: Random) {
        self.shape = shape
        self.random = random
        popularity = ZipfRanks(count: shape.records, exponent: shape.exponent)
        ranks = Array(0..<max(shape.records, 1))
        scanOrder = Array(ranks.indices)
        nextKey = UInt32(ranks.count)
    }

    private var milliseconds: UInt32 { shape.seconds * 1_000 }

    /// The trace.
    package consuming func make() -> Trace {
        shuffleScan()
        planSpread(.get, count: UInt64(shape.getsPerSecond) * UInt64(shape.seconds))
        planSpread(.rotate, count: UInt64(shape.rotatedPerMinute) * UInt64(shape.seconds) / 60)
        planReplacing()
        planScans()
        planOutages()
        let order = plans.indices.sorted { (plans[$0].time, $0) < (plans[$1].time, $1) }
        events.reserveCapacity(plans.count)
        for index in order { carryOut(plans[index].plan, at: plans[index].time) }
        return Trace(records: UInt32(ranks.count), events: events)
    }

    // MARK: When

    /// As scans do: by names, which say nothing about popularity.
    private mutating func shuffleScan() {
        for index in stride(from: scanOrder.count - 1, to: 0, by: -1) {
            scanOrder.swapAt(index, Int(random.below(UInt64(index + 1))))
        }
    }

    private mutating func moment() -> UInt32 { UInt32(random.below(UInt64(milliseconds))) }

    private mutating func planSpread(_ plan: Plan, count: UInt64) {
        for _ in 0..<count { plans.append((moment(), plan)) }
    }

    private mutating func planReplacing() {
        let count = Int(shape.replacedPerMinute) * Int(shape.seconds) / 60
        for (number, time) in (0..<count).map({ _ in moment() }).sorted().enumerated() {
            plans.append((time, .replace))
            for _ in 0..<shape.getsOfDeleted {
                let later = time + UInt32(random.below(60_000))
                if later < milliseconds { plans.append((later, .missDeleted(number))) }
            }
        }
    }

    /// One in each part of the time, with as much before it as after it.
    private mutating func planScans() {
        guard shape.scannedPerSecond > 0 else { return }
        for scan in 0..<shape.scans {
            let start = UInt64(milliseconds) * UInt64(2 * scan + 1) / UInt64(2 * shape.scans)
            for step in scanOrder.indices {
                let time = start + UInt64(step) * 1_000 / UInt64(shape.scannedPerSecond)
                if time < milliseconds { plans.append((UInt32(time), .scan(step))) }
            }
        }
    }

    /// Somewhere in each part of the time.
    private mutating func planOutages() {
        guard shape.outages > 0, shape.outageSeconds > 0 else { return }
        let part = milliseconds / shape.outages
        let length = min(shape.outageSeconds * 1_000, part - 1)
        for outage in 0..<shape.outages {
            let start = outage * part + UInt32(random.below(UInt64(part - length)))
            plans += [(start, .down), (start + length, .up)]
        }
    }

    // MARK: What

    private mutating func carryOut(_ plan: Plan, at time: UInt32) {
        switch plan {
        case .get: add(.get(ranks[popularity.choose(using: &random)]), time)
        case .scan(let step): add(.get(ranks[scanOrder[step]]), time)
        case .missDeleted(let number): if number < deleted.count { add(.get(deleted[number]), time) }
        case .rotate: rotate(Int(random.below(UInt64(ranks.count))), time)
        case .replace: replace(Int(random.below(UInt64(ranks.count))), time)
        case .down:
            isDown = true
            add(.down, time)
        case .up:
            isDown = false
            add(.up, time)
            for retry in retries {
                switch retry {
                case .rotate(let rank): rotate(rank, time)
                case .replace(let rank): replace(rank, time)
                }
            }
            retries = []
        }
    }

    private mutating func rotate(_ rank: Int, _ time: UInt32) {
        add(.store(ranks[rank]), time)
        if isDown { retries.append(.rotate(rank: rank)) }
    }

    /// The new record first: it is there before the old one goes.
    private mutating func replace(_ rank: Int, _ time: UInt32) {
        add(.store(nextKey), time)
        guard !isDown else { return retries.append(.replace(rank: rank)) }
        add(.delete(ranks[rank]), time)
        deleted.append(ranks[rank])
        ranks[rank] = nextKey
        nextKey += 1
    }

    private mutating func add(_ action: Trace.Action, _ time: UInt32) {
        events.append(Trace.Event(time: time, action))
    }
}
