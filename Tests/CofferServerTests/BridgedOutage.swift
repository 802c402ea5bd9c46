import CofferCache
import CofferCore
import CofferVault
import Synchronization

@testable import CofferServer

/// A shard of the cache, the gate of its vault and their prober, joined as the daemon
/// joins them, in virtual time: callers read every key again and again while the vault
/// goes away and comes back.
struct BridgedOutage {
    enum Kind: CaseIterable {
        /// Calls fail at once.
        case refusing
        /// Calls hang until their time is over.
        case hanging
    }

    /// One read, by the clock of the simulation in seconds.
    struct Answer {
        let key: Int
        let asked: Double
        let answered: Double
        /// nil = it failed.
        let hit: Hit?
    }

    struct Hit {
        let isStale: Bool
        let ageMilliseconds: UInt64

        init(isStale: Bool, ageMilliseconds: UInt64) {
            self.isStale = isStale
            self.ageMilliseconds = ageMilliseconds
        }

        init(_ hit: CacheHit) { self.init(isStale: hit.isStale, ageMilliseconds: hit.ageMilliseconds) }
    }

    private struct Calling {
        let end: Double
        let began: BootInstant
        let ticket: FlightTicket
        let pass: CircuitBreaker.Pass
        let failure: Failure?
    }

    static let keys = 20
    private static let step = 0.1
    /// Between two reads of a key, in seconds.
    private static let interval = 2.0

    let kind: Kind
    let start: Double
    let end: Double
    private(set) var answers: [Answer] = []
    /// When the vault was asked, by a call or a check.
    private(set) var asked: [Double] = []
    /// When the breaker first opened.
    private(set) var opened = Double.infinity

    private var time = 0.0
    private var shard: CacheShard
    private var gate = AdmissionState(vault: "v", limits: VaultLimits())
    private let random: Dice
    private var waiting: [UInt64: (key: Int, asked: Double)] = [:]
    private var lastWaiter: UInt64 = 0
    private var calling: [Calling] = []
    private var queued: [UInt64: FlightTicket] = [:]
    private var lastQueued: UInt64 = 0
    private var patience: [(until: BootInstant, flight: UInt64)] = []
    private var check: (end: Double, failure: Failure?)?
    private let names: [RecordKey]

    init(_ kind: Kind, length: Double, staleSeconds: UInt64, seed: UInt64) throws {
        self.kind = kind
        start = 900
        end = start + length
        random = Dice(seed)
        names = try (0..<Self.keys).map { try RecordKey(user: "u\($0)", connection: "c") }
        shard = CacheShard(
            configuration: CacheConfiguration(ttlMilliseconds: 300_000, staleMilliseconds: staleSeconds * 1_000),
            index: 0, count: 1, seed: seed)
    }

    mutating func run(until stop: Double) {
        while time < stop {
            time += Self.step
            endCalls()
            giveUp()
            look()
            wake(gate.turn(now: now))
            for key in 0..<Self.keys where isDue(key) { read(key) }
            if opened == .infinity, gate.nextCheck != nil { opened = time }
        }
    }

    private var now: BootInstant { BootInstant(nanoseconds: 1_000_000_000_000 + UInt64(time * 1e9)) }
    private var wall: WallMilliseconds { 1_000_000_000 + UInt64(time * 1_000) }
    private var isAway: Bool { (start..<end).contains(time) }

    /// Each key has its own moment within the interval.
    private func isDue(_ key: Int) -> Bool {
        let phase = Self.interval * Double(key) / Double(Self.keys)
        return ((time - phase) / Self.interval).rounded(.down)
            != ((time - Self.step - phase) / Self.interval).rounded(.down)
    }

    private func hash(_ key: Int) -> UInt64 { UInt64(key + 1) << 32 | UInt64(key) }

    // MARK: Reads

    private mutating func read(_ key: Int) {
        let answer = names[key].withBytes { user, connection in
            shard.lookup(
                hash: hash(key), user: user, connection: connection, now: now, wall: wall, maximumAge: .max)
        }
        if case .hit(let hit) = answer {
            note(key, asked: time, Hit(hit))
            if hit.wantsRefresh,
                let ticket = shard.beginRefresh(
                    hash: hash(key), key: names[key], uid: 1, now: now, hasRoom: true)
            {
                fetchFromVault(ticket)
            }
            return
        }
        lastWaiter += 1
        let joined = shard.join(
            hash: hash(key), key: names[key], waiter: .task(lastWaiter), uid: 1, now: now, wall: wall,
            maximumAge: .max)
        switch joined {
        case .hit(let hit): note(key, asked: time, Hit(hit))
        case .absent, .refused: note(key, asked: time, nil)
        case .lead(let ticket, let until):
            waiting[lastWaiter] = (key, time)
            if let until { patience.append((until, ticket.id)) }
            fetchFromVault(ticket)
        case .follow(let flight, let until):
            waiting[lastWaiter] = (key, time)
            if let until { patience.append((until, flight)) }
        }
    }

    private mutating func note(_ key: Int, asked: Double, _ hit: Hit?) {
        answers.append(Answer(key: key, asked: asked, answered: time, hit: hit))
    }

    private mutating func giveUp() {
        let now = now
        let over = patience.filter { $0.until <= now }
        patience.removeAll { $0.until <= now }
        for timer in over { deliver(shard.takeStale(flight: timer.flight, now: now, wall: wall), nil) }
    }

    private mutating func deliver(_ delivery: CacheDelivery, _ fresh: Hit?) {
        for (waiters, hit) in [(delivery.waiters, fresh), (delivery.servedStale, delivery.stale.map(Hit.init))] {
            for case .task(let number) in waiters {
                guard let (key, asked) = waiting.removeValue(forKey: number) else { continue }
                note(key, asked: asked, hit)
            }
        }
    }

    // MARK: The vault

    private mutating func fetchFromVault(_ ticket: FlightTicket) {
        lastQueued += 1
        switch gate.enqueue(lastQueued, deadline: now + .seconds(10), now: now, random: random) {
        case .go(let pass): call(ticket, pass)
        case .refused(let failure): finishFetch(ticket, failure, startedAt: now)
        case .wait: queued[lastQueued] = ticket
        }
    }

    private mutating func call(_ ticket: FlightTicket, _ pass: CircuitBreaker.Pass) {
        asked.append(time)
        let (duration, failure) = outcome
        calling.append(
            Calling(end: time + duration, began: now, ticket: ticket, pass: pass, failure: failure))
    }

    private var outcome: (seconds: Double, failure: Failure?) {
        guard isAway else { return (0.005, nil) }
        return kind == .hanging
            ? (5, .deadlineExceeded(vault: "v"))
            : (0.001, Failure(.unavailable, .vaultUnreachable, "no connection", retryable: true))
    }

    private mutating func endCalls() {
        let time = time
        let over = calling.filter { $0.end <= time }
        calling.removeAll { $0.end <= time }
        for call in over {
            let attempt = AdmissionState.Attempt(
                pass: call.pass, failure: call.failure, hasAnswer: false, began: call.began, allowance: .seconds(5))
            wake(gate.leave(attempt, now: now, wall: wall, random: random))
            finishFetch(call.ticket, call.failure, startedAt: call.began)
        }
    }

    private mutating func wake(_ wakes: [AdmissionState.Wake]) {
        for wake in wakes {
            guard let ticket = queued.removeValue(forKey: wake.id) else { continue }
            switch wake.result {
            case .success(let pass): call(ticket, pass)
            case .failure(let failure): finishFetch(ticket, failure, startedAt: now)
            }
        }
    }

    private mutating func finishFetch(_ ticket: FlightTicket, _ failure: Failure?, startedAt: BootInstant) {
        let value = CachedValue(sealed: Array(repeating: 7, count: 8), nonce: 1, fetchedAt: startedAt, expiresAt: 0)
        let outcome = failure?.flightOutcome ?? .found(value)
        guard let delivery = shard.complete(ticket, outcome, now: now, wall: wall) else { return }
        deliver(delivery, failure == nil ? Hit(isStale: false, ageMilliseconds: 0) : nil)
    }

    /// What the prober does, without its sleep.
    private mutating func look() {
        if let (end, failure) = check, end <= time {
            check = nil
            wake(gate.noteCheck(failure, allowance: .seconds(5), now: now, wall: wall, random: random))
        }
        guard check == nil, let due = gate.nextCheck, due <= now else { return }
        gate.beginCheck(at: now, random: random)
        asked.append(time)
        check = (time + outcome.seconds, outcome.failure)
    }
}

/// The same numbers for the same seed.
final class Dice: RandomSource {
    private let state: Mutex<UInt64>

    init(_ seed: UInt64) { state = Mutex(seed) }

    /// SplitMix64.
    private func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}
