internal import CofferCore
internal import CofferWorkload

/// Plays a trace on a daemon. The calls of one record come one after another, in
/// their order: each record belongs to a lane, which has one call in flight. There
/// are as many lanes as `connections` times `depth`.
struct TraceRun: ~Copyable {
    private struct Lane {
        /// Its calls in `order`.
        var next: Int
        let end: Int
        var isBusy = false
    }

    /// What came back.
    struct Result {
        let tally: Tally
        let deleteLatency: LatencyHistogram
        /// Gets that were rightly answered with NOT_FOUND.
        let absent: Int
        let seconds: Double
    }

    private let trace: Trace
    private let wire: FrameWire
    private let workload: Workload
    private let connections: ConnectionSet
    /// Times as fast as the trace says; nil = as fast as answers come.
    private let speed: Double?
    /// Numbers of events, lane by lane.
    private let order: [Int]
    private var lanes: [Lane]
    /// Events before this may be sent.
    private var due = 0
    private var isThere: [Bool]
    private var inFlight = 0
    private var answered = 0
    private var tally = Tally()
    private var deleteLatency = LatencyHistogram()
    private var absent = 0
    private var untilCheck: UInt64 = 1

    /// Opens all connections.
    init(_ trace: Trace, socket: String, workload: Workload, speed: Double?) throws(LoadError) {
        self.trace = trace
        self.workload = workload
        self.speed = speed
        wire = FrameWire(shape: RecordShape(valueBytes: workload.valueBytes), valuesDiffer: true)
        connections = try ConnectionSet(socket: socket, workload: workload, wire: wire)
        var calls = [[Int]](repeating: [], count: workload.connections * workload.depth)
        for (number, event) in trace.events.enumerated() {
            if let key = event.action.key { calls[Int(key) % calls.count].append(number) }
        }
        order = calls.flatMap(\.self)
        var start = 0
        lanes = calls.map { calls in
            defer { start += calls.count }
            return Lane(next: start, end: start + calls.count)
        }
        isThere = (0..<trace.keys).map { $0 < trace.records }
    }

    /// Plays all of it.
    ///
    mutating func run() throws(LoadError) -> Result {
        let start = monotonicNanoseconds()
        var lastAnswer = start
        while answered < order.count {
            let now = monotonicNanoseconds()
            try release(now, since: start)
            let before = answered
            let ready = try connections.wait(milliseconds: pause(now, since: start))
            for event in 0..<max(0, ready) { try turn(connections.ready(event)) }
            if answered > before || inFlight == 0 { lastAnswer = now }
            guard now - lastAnswer < UInt64(patienceMilliseconds) * 1_000_000 else {
                throw LoadError("no answer for \(patienceMilliseconds)ms, with \(inFlight) calls in flight")
            }
        }
        return Result(
            tally: tally, deleteLatency: deleteLatency, absent: absent,
            seconds: Double(monotonicNanoseconds() - start) / 1e9)
    }

    /// When an event may be sent, in nanoseconds from the start.
    private func moment(_ event: Int) -> UInt64 {
        speed.map { UInt64(Double(trace.events[event].time) * 1e6 / $0) } ?? 0
    }

    /// Sends what has become due, where nothing is in its way.
    private mutating func release(_ now: UInt64, since start: UInt64) throws(LoadError) {
        while due < trace.events.count, moment(due) <= now - start {
            due += 1
            guard let key = trace.events[due - 1].action.key else { continue }
            let lane = Int(key) % lanes.count
            sendNext(of: lane, now: now)
            try connections.flush(lane / workload.depth)
        }
    }

    /// Milliseconds until the next event is due, a tenth of the patience at most.
    private func pause(_ now: UInt64, since start: UInt64) -> Int32 {
        let longest = patienceMilliseconds / 10
        guard due < trace.events.count else { return longest }
        let wait = moment(due) - min(moment(due), now - start)
        return min(longest, Int32(clamping: wait / 1_000_000 + 1))
    }

    private mutating func sendNext(of lane: Int, now: UInt64) {
        guard !lanes[lane].isBusy, lanes[lane].next < lanes[lane].end, order[lanes[lane].next] < due else { return }
        let action = trace.events[order[lanes[lane].next]].action
        lanes[lane].next += 1
        lanes[lane].isBusy = true
        inFlight += 1
        let (method, key): (Method, UInt32) =
            switch action {
            case .get(let key): (.get, key)
            case .store(let key): (.store, key)
            case .delete(let key): (.delete, key)
            case .down, .up: preconditionFailure("an event without a record is in no lane")
            }
        connections[lane / workload.depth].pointee.enqueue(
            wire, method, key: key, place: lane % workload.depth, now: now)
    }

    private mutating func turn(_ index: Int) throws(LoadError) {
        let connection = connections[index]
        if try connection.pointee.receive() {
            let now = monotonicNanoseconds()
            var taken = 0
            while let answer = try wire.answer(in: connection.pointee.received(from: taken)) {
                let (place, call) = try connection.pointee.finish(answer, of: wire)
                record(answer, to: call, now: now)
                taken += answer.bytes
                inFlight -= 1
                answered += 1
                lanes[index * workload.depth + place].isBusy = false
                sendNext(of: index * workload.depth + place, now: now)
            }
            if taken > 0 {
                connection.pointee.consume(taken)
            } else if connection.pointee.isFull {
                throw LoadError("an answer is larger than one to a Get of this size can be")
            }
        }
        try connections.flush(index)
    }

    private mutating func record(_ answer: Answer, to call: Connection.Call, now: UInt64) {
        tally.record(status: answer.status)
        let isAbsent = call.method == .get && !isThere[Int(call.key)]
        if isAbsent && answer.status == StatusCode.notFound.rawValue { return absent += 1 }
        guard answer.status == StatusCode.ok.rawValue else {
            return tally.recordFailure(
                call.method, status: answer.status, text: wire.failure(in: answer.payload.bytes))
        }
        if call.method == .delete {
            deleteLatency.record(now - call.startedAt)
        } else {
            tally.record(latency: now - call.startedAt, of: call.method)
        }
        if call.method != .get { isThere[Int(call.key)] = call.method == .store }
        if isAbsent { tally.recordWrongAnswer("Get: record \(call.key) came, and there is none") }
        untilCheck -= 1
        guard untilCheck == 0 else { return }
        untilCheck = workload.checkEvery
        if let fault = wire.fault(in: answer.payload.bytes, method: call.method, key: call.key) {
            tally.recordWrongAnswer(fault)
        }
    }
}
