import CofferCache
import CofferCore

/// One shard of the cache, its clients, a vault and the time, all played by a seed.
///
/// After every step all that Coffer promises of its cache is checked against a model
/// that knows everything. The same seed always does the same.
package struct Simulation {
    /// A broken promise, and how to see it again.
    package struct Violation: Error, CustomStringConvertible {
        package let seed: UInt64
        package let step: Int
        package let what: String
        package var description: String { "seed \(seed), step \(step): \(what)" }
    }

    /// A cached value says in its bytes which of these it is.
    struct Print {
        let key: Int
        let version: Int
        /// When the vault was asked, or the write set out.
        let startedAt: BootInstant
        let startStep: Int
        /// When the vault read it, or took it.
        let readStep: Int
    }

    struct Flying {
        let ticket: FlightTicket
        let key: Int
        let startedAt: BootInstant
        let startStep: Int
        var answer: ScriptedVault.Answer?
        var readStep = 0
    }

    struct Writing {
        let ticket: WriteTicket
        let key: Int
        let startedAt: BootInstant
        let startStep: Int
        let isPresent: Bool
        let expiresAt: WallMilliseconds
        var version: Int?
    }

    struct Waiting {
        let key: Int
        let maximumAge: UInt64
        let joinStep: Int
        let joinedAt: BootInstant
        /// The newest version that had been acknowledged.
        let floor: Int
    }

    static let keyCount = 24
    static let uids: [UInt32] = [1, 2, 3]

    let seed: UInt64
    let configuration: CacheConfiguration
    let keys: [RecordKey]
    var random: SplitMix
    var shard: CacheShard
    var vault = ScriptedVault(keys: keyCount)
    var now = BootInstant(nanoseconds: 1_000_000_000_000)
    var wall: WallMilliseconds = 1_000_000_000
    var step = 0

    var flights: [Flying] = []
    var writes: [Writing] = []
    var waiting: [UInt64: Waiting] = [:]
    var timers: [(until: BootInstant, flight: UInt64)] = []
    var lost: [Writing] = []
    var prints: [Print] = []
    var model: [KeyModel]
    var nextWaiter: UInt64 = 0

    package init(seed: UInt64) throws {
        self.seed = seed
        random = SplitMix(seed: seed)
        keys = try (0..<Self.keyCount).map { try RecordKey(user: "u\($0 / 8)", connection: "c\($0)") }
        configuration = CacheConfiguration(
            maximumBytes: random.pick([3_200, 1 << 20]), ttlMilliseconds: random.pick([10_000, 300_000]),
            negativeMilliseconds: random.pick([0, 5_000]),
            staleMilliseconds: random.pick([0, 60_000, 3_600_000]), maximumRefreshes: random.pick([0, 1, 4]),
            maximumWaiters: random.pick([2, 4_096]), maximumFlights: random.pick([3, 64]))
        model = Array(repeating: KeyModel(), count: Self.keyCount)
        for key in model.indices { model[key].floor = key }
        shard = CacheShard(configuration: configuration, index: 0, count: 1, seed: seed)
    }

    /// Keys 0 and 1 share a stripe; 2 and 3 the whole hash; the others nothing.
    static func hash(_ key: Int) -> UInt64 {
        switch key {
        case 0, 1: 1 << 32 | UInt64(key)
        case 2, 3: 2 << 32 | 2
        default: UInt64(key) << 32 | UInt64(key)
        }
    }

    /// - Throws: the first `Violation`.
    package mutating func run(steps: Int = 400) throws(Violation) {
        while step < steps {
            step += 1
            try act()
            try ringTimers()
            try checkBounds()
        }
        try finish()
    }

    private mutating func act() throws(Violation) {
        switch random.below(100) {
        case ..<34: try get(hotKey(), maximumAge: random.oneIn(6) ? random.pick([0, 3, 2_000, 20_000]) : .max)
        case ..<48: readOne()
        case ..<62: if !flights.isEmpty { try finishFetch(random.below(flights.count)) }
        case ..<66: beginWrite(hotKey())
        case ..<71: applyOne()
        case ..<75: if !writes.isEmpty { endWrite(random.below(writes.count)) }
        case ..<94: pass()
        case ..<96: changeVault()
        case ..<99: invalidate()
        default: if random.oneIn(4) { kill() }
        }
    }

    /// Few keys get most of the calls.
    private mutating func hotKey() -> Int { random.oneIn(3) ? random.below(Self.keyCount) : random.below(5) }

    /// Some time, mostly little; the wall clock may be set.
    private mutating func pass() {
        let ttl = Int64(configuration.ttlMilliseconds)
        let milliseconds: Int64 =
            switch random.below(12) {
            case 0: 1_500
            case 1: Int64(random.below(5_000))
            case 2: 29_000 + Int64(random.below(2_000))
            case 3: ttl - ttl / 5 + Int64(random.below(Int(ttl / 5)))
            case 4: ttl
            case 5: random.oneIn(4) ? Int64(configuration.staleMilliseconds) : 1
            default: Int64(random.below(8))
            }
        now = now + .milliseconds(milliseconds)
        wall += UInt64(milliseconds)
        if random.oneIn(12) { wall = wall + 40_000 - UInt64(random.below(80_000)) }
    }

    private mutating func changeVault() {
        switch random.below(6) {
        case 0, 1: vault.mood = .failing
        case 2: vault.mood = .refusing
        case 3: vault.lie = Int64(random.below(20_000)) - 10_000
        case 4:
            // By another host: nobody here has to see it before the TTL is over.
            _ = vault.write(random.below(Self.keyCount), isPresent: random.oneIn(2), expiresAt: 0, step: step)
        default: vault.mood = .well
        }
        if random.oneIn(2) { vault.mood = .well }
    }

    /// The daemon dies; its clients see their connections end.
    private mutating func kill() {
        shard = CacheShard(configuration: configuration, index: 0, count: 1, seed: random.next())
        lost += writes.filter { $0.version == nil }
        flights = []
        writes = []
        waiting = [:]
        timers = []
        for key in model.indices { model[key].forget() }
    }

    /// All that is under way ends; then nothing may be left.
    private mutating func finish() throws(Violation) {
        vault.mood = .well
        while !writes.isEmpty { endWrite(0) }
        while !flights.isEmpty { try finishFetch(0) }
        guard waiting.isEmpty else { throw violation("\(waiting.count) waiters were never answered") }
        guard shard.flightCount == 0 else { throw violation("\(shard.flightCount) flights are left") }
        _ = shard.invalidate(user: nil)
        guard shard.count == 0, shard.bytes == 0 else {
            throw violation("an empty cache has \(shard.count) entries and \(shard.bytes) bytes")
        }
    }

    func violation(_ what: String) -> Violation { Violation(seed: seed, step: step, what: what) }
}
