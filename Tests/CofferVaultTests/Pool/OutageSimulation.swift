import CofferCore
import CofferVault

/// A vault that is away for a while, a admission before it, and callers who come back
/// until they are served: events in the order of a virtual clock.
///
/// Callers are the keys of a cache: each asks at most once at a time, and comes
/// again when it is told to.
struct OutageSimulation {
    enum Outage: CaseIterable {
        /// Calls fail at once.
        case refusing
        /// Calls hang until their time is over.
        case hanging
    }

    var outage = Outage.refusing
    /// Calls a second that keys need.
    var rate = 50.0
    var keys = 500
    var start = 60.0
    var end = 120.0
    var stop = 240.0
    /// How long the vault takes, in seconds.
    var latency = 0.005
    var limits = VaultLimits()

    /// When calls began at the vault.
    private(set) var begun: [Double] = []
    private(set) var peakInFlight = 0
    /// For each key that has asked, since when it waits.
    private(set) var waiting: [Int: Double] = [:]
    private(set) var served = 0

    private enum Event {
        case need
        case ask(Int)
        case answer(AdmissionState.Attempt, key: Int)
        case turn
    }

    private var events = Heap()
    private var admission: AdmissionState
    private var inFlight = 0
    private var queued: [UInt64: Int] = [:]
    private var lastID: UInt64 = 0
    private let random: SeededRandom

    init(seed: UInt64) {
        random = SeededRandom(seed)
        admission = AdmissionState(vault: "v", limits: VaultLimits())
    }

    /// Most calls begun within any second of `period`.
    func peakRate(in period: Range<Double>) -> Int {
        var (first, most) = (0, 0)
        let times = begun.filter(period.contains)
        for (index, time) in times.enumerated() {
            while times[first] <= time - 1 { first += 1 }
            most = max(most, index - first + 1)
        }
        return most
    }

    func calls(in period: Range<Double>) -> Int { begun.count(where: period.contains) }

    mutating func run() {
        admission = AdmissionState(vault: "v", limits: limits)
        events.insert(0, .need)
        while let (time, event) = events.popFirst(), time < stop {
            switch event {
            case .need:
                events.insert(time - logarithm(1 - random.unit()) / rate, .need)
                let key = Int(random.unit() * Double(keys))
                guard waiting[key] == nil else { continue }
                waiting[key] = time
                ask(key, time)
            case .ask(let key): ask(key, time)
            case .answer(let attempt, let key): finish(attempt, key, time)
            case .turn: wake(admission.turn(now: .at(time)), time)
            }
        }
    }

    private mutating func ask(_ key: Int, _ time: Double) {
        lastID += 1
        let now = BootInstant.at(time)
        switch admission.enqueue(lastID, deadline: now + .seconds(5), now: now, random: random) {
        case .go(let pass): call(pass, key, time)
        case .refused(let failure): comeBack(key, failure, time)
        case .wait:
            queued[lastID] = key
            setTurn(time)
        }
    }

    private mutating func comeBack(_ key: Int, _ failure: Failure, _ time: Double) {
        let advice = max(0.1, Double(failure.retryAfterMilliseconds) / 1_000)
        events.insert(time + advice, .ask(key))
    }

    private mutating func call(_ pass: CircuitBreaker.Pass, _ key: Int, _ time: Double) {
        begun.append(time)
        inFlight += 1
        peakInFlight = max(peakInFlight, inFlight)
        let isAway = (start..<end).contains(time)
        let duration = !isAway ? latency * (0.5 + random.unit()) : outage == .refusing ? 0.001 : 5
        let failure =
            !isAway ? nil : outage == .refusing ? Failure.unavailable : Failure.deadlineExceeded(vault: "v")
        let attempt = AdmissionState.Attempt(
            pass: pass, failure: failure, hasAnswer: false, began: .at(time), allowance: .seconds(5))
        events.insert(time + duration, .answer(attempt, key: key))
    }

    private mutating func finish(_ attempt: AdmissionState.Attempt, _ key: Int, _ time: Double) {
        inFlight -= 1
        wake(admission.leave(attempt, now: .at(time), wall: 1, random: random), time)
        if let failure = attempt.failure {
            comeBack(key, failure, time)
        } else {
            served += 1
            waiting[key] = nil
        }
    }

    private mutating func wake(_ wakes: [AdmissionState.Wake], _ time: Double) {
        for wake in wakes {
            guard let key = queued.removeValue(forKey: wake.id) else { continue }
            switch wake.result {
            case .success(let pass): call(pass, key, time)
            case .failure(let failure): comeBack(key, failure, time)
            }
        }
        setTurn(time)
    }

    private var turnAt = Double.infinity

    private mutating func setTurn(_ time: Double) {
        if turnAt <= time { turnAt = .infinity }
        guard let next = admission.nextTurn(after: .at(time)) else { return }
        let due = max(next.secondsSinceStart, time + 1e-6)
        guard due < turnAt else { return }
        turnAt = due
        events.insert(due, .turn)
    }

    /// Natural, of a number in (0, 1], good to six digits.
    private func logarithm(_ x: Double) -> Double {
        let (exponent, significand) = (Double(x.exponent), x.significand)
        let y = (significand - 1) / (significand + 1)
        let square = y * y
        var (term, sum) = (y, 0.0)
        for step in 0..<8 {
            sum += term / Double(2 * step + 1)
            term *= square
        }
        return 2 * sum + exponent * 0.693_147_180_559_945
    }

    /// Events, the earliest first; of one time, in the order of insertion.
    private struct Heap {
        private var items: [(time: Double, order: Int, event: Event)] = []
        private var count = 0

        mutating func insert(_ time: Double, _ event: Event) {
            count += 1
            items.append((time, count, event))
            var index = items.count - 1
            while index > 0, isBefore(index, (index - 1) / 2) {
                items.swapAt(index, (index - 1) / 2)
                index = (index - 1) / 2
            }
        }

        mutating func popFirst() -> (Double, Event)? {
            guard let first = items.first else { return nil }
            items.swapAt(0, items.count - 1)
            items.removeLast()
            var index = 0
            while 2 * index + 1 < items.count {
                var child = 2 * index + 1
                if child + 1 < items.count, isBefore(child + 1, child) { child += 1 }
                guard isBefore(child, index) else { break }
                items.swapAt(index, child)
                index = child
            }
            return (first.time, first.event)
        }

        private func isBefore(_ a: Int, _ b: Int) -> Bool {
            items[a].time == items[b].time ? items[a].order < items[b].order : items[a].time < items[b].time
        }
    }
}
