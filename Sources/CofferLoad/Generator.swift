internal import CofferCore

/// The closed loop: one thread, one epoll. An answer's place is taken by the
/// next request; the requests of one turn of a connection leave with one send.
///
/// The clock is read once for each batch of answers: that is when they came, and
/// when the requests in their places start.
struct Generator<W: Wire>: ~Copyable {
    private enum Phase {
        /// Storing each record once; the next one.
        case prepare(next: UInt32)
        /// Reading each record once; the next one.
        case fill(next: UInt32)
        case warmup(until: UInt64)
        case measure(until: UInt64)
        /// Measuring; requests that have not been sent yet.
        case count(remaining: Int)
        /// Waiting for the last answers.
        case drain
    }

    private let workload: Workload
    private let wire: W
    private let connections: ConnectionSet

    private var chooser: KeyChooser
    private var random: LoadRandom
    /// A Store is a random number below this.
    private let storeThreshold: UInt64
    private var phase = Phase.drain
    private var inFlight = 0
    private var untilCheck: UInt64 = 1
    private var tally = Tally()
    private var measuredFrom: UInt64 = 0
    private var measuredTo: UInt64 = 0

    /// Opens all connections.
    init(socket: String, workload: Workload, wire: W) throws(LoadError) {
        self.workload = workload
        self.wire = wire
        chooser = KeyChooser(
            keys: workload.keys, distribution: workload.distribution, seed: workload.seed)
        random = LoadRandom(seed: ~workload.seed)
        storeThreshold = UInt64(workload.storeShare * 0x1p32)
        connections = try ConnectionSet(socket: socket, workload: workload, wire: wire)
    }

    /// Carries the schedule to its end.
    ///
    /// - Returns: what came back, and how long was measured, in seconds.
    mutating func run(_ schedule: Schedule) throws(LoadError) -> (tally: Tally, seconds: Double) {
        if schedule.prepare {
            phase = .prepare(next: 0)
            try loop()
        }
        if schedule.fill {
            phase = .fill(next: 0)
            try loop()
        }
        let start = monotonicNanoseconds()
        (measuredFrom, measuredTo) = (start, start)
        switch schedule.length {
        case .requests(let count):
            phase = .count(remaining: count)
        case .seconds(let seconds):
            let warmEnd = start + UInt64(schedule.warmupSeconds * 1e9)
            measuredFrom = warmEnd
            measuredTo = warmEnd + UInt64(seconds * 1e9)
            phase = .warmup(until: warmEnd)
        }
        try loop()
        return (tally, Double(measuredTo - measuredFrom) / 1e9)
    }

    /// Until no request is left to send and no answer to come.
    private mutating func loop() throws(LoadError) {
        for index in 0..<connections.count {
            let now = monotonicNanoseconds()
            for place in 0..<workload.depth { request(on: connections[index], place: place, now: now) }
            try connections.flush(index)
        }
        while inFlight > 0 {
            let ready = try connections.wait(milliseconds: patienceMilliseconds)
            if ready == 0 {
                throw LoadError(
                    "no answer for \(patienceMilliseconds)ms, with \(inFlight) calls in flight")
            }
            for event in 0..<max(0, ready) { try turn(connections.ready(event)) }
        }
    }

    private mutating func turn(_ index: Int) throws(LoadError) {
        if try connections[index].pointee.receive() { try takeAnswers(of: connections[index]) }
        if connections[index].pointee.hasUnsent { try connections.flush(index) }
    }

    private mutating func takeAnswers(
        of connection: UnsafeMutablePointer<Connection>
    ) throws(LoadError) {
        let now = monotonicNanoseconds()
        advance(to: now)
        var taken = 0
        while let answer = try wire.answer(in: connection.pointee.received(from: taken)) {
            let (place, call) = try connection.pointee.finish(answer, of: wire)
            inFlight -= 1
            record(answer, to: call, now: now)
            taken += answer.bytes
            request(on: connection, place: place, now: now)
        }
        if taken > 0 {
            connection.pointee.consume(taken)
        } else if connection.pointee.isFull {
            throw LoadError("an answer is larger than one to a Get of this size can be")
        }
    }

    @inline(__always)
    private mutating func record(_ answer: Answer, to call: Connection.Call, now: UInt64) {
        tally.record(status: answer.status)
        guard answer.status == StatusCode.ok.rawValue else {
            return tally.recordFailure(
                call.method, status: answer.status, text: wire.failure(in: answer.payload.bytes))
        }
        switch phase {
        case .measure: tally.record(latency: now - call.startedAt, of: call.method)
        case .count:
            tally.record(latency: now - call.startedAt, of: call.method)
            measuredTo = now
        case .prepare, .fill, .warmup, .drain: break
        }
        untilCheck -= 1
        guard untilCheck == 0 else { return }
        untilCheck = workload.checkEvery
        if let fault = wire.fault(in: answer.payload.bytes, method: call.method, key: call.key) {
            tally.recordWrongAnswer(fault)
        }
    }

    /// Puts the next request into this place, if there is one.
    @inline(__always)
    private mutating func request(
        on connection: UnsafeMutablePointer<Connection>, place: Int, now: UInt64
    ) {
        guard let (method, key) = nextCall() else { return }
        inFlight += 1
        connection.pointee.enqueue(wire, method, key: key, place: place, now: now)
    }

    @inline(__always)
    private mutating func nextCall() -> (Method, UInt32)? {
        switch phase {
        case .prepare(let next):
            guard next < workload.keys else { return nil }
            phase = .prepare(next: next + 1)
            return (.store, next)
        case .fill(let next):
            guard next < workload.keys else { return nil }
            phase = .fill(next: next + 1)
            return (.get, next)
        case .count(let remaining):
            guard remaining > 0 else { return nil }
            phase = .count(remaining: remaining - 1)
        case .warmup, .measure: break
        case .drain: return nil
        }
        let stores = storeThreshold > 0 && random.next() >> 32 < storeThreshold
        return (stores ? .store : .get, chooser.next())
    }

    @inline(__always)
    private mutating func advance(to now: UInt64) {
        if case .warmup(let end) = phase, now >= end { phase = .measure(until: measuredTo) }
        if case .measure(let end) = phase, now >= end { phase = .drain }
    }
}
