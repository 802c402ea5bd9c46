internal import CBaselines

extension LoadOptions {
    var workload: Workload {
        Workload(
            connections: connections, idleConnections: idle, depth: depth, valueBytes: size,
            keys: UInt32(keys), distribution: distribution, storeShare: mix, seed: seed,
            checkEvery: UInt64(checkEvery))
    }

    var schedule: Schedule {
        Schedule(
            prepare: prepare, fill: fill,
            warmupSeconds: warmup ?? (requests == nil ? 1 : 0),
            length: requests.map(Schedule.Length.requests) ?? .seconds(seconds))
    }

    /// Measures what the options name.
    ///
    /// - Throws: `LoadError` if the run could not be carried to its end. Answers
    ///   other than OK do not throw: they are in the report.
    package func run() throws -> Report {
        raiseDescriptorLimit()
        if let cpu, coffer_pin_to_cpu(cpu) != 0 {
            throw LoadError.system("cannot run on CPU \(cpu)")
        }
        if let socket {
            return try measure(socket)
        }
        if let floorCommits {
            let run = floorWriters ? runWriterFloor : runCommitFloor
            return try run(floorCommits, floorPageBytes, workload, schedule)
        }
        return try runEchoFloor(workload: workload, schedule: schedule, cpu: floorCpu)
    }

    private func measure(_ socket: String) throws(LoadError) -> Report {
        let shape = RecordShape(valueBytes: size)
        return switch peer {
        case nil:
            try measure(socket, .daemon, by: FrameWire(shape: shape, valuesDiffer: true, maximumAge: maxAge))
        case .memcached: try measure(socket, .memcached, by: MemcachedWire(shape: shape))
        case .redis: try measure(socket, .redis, by: RedisWire(shape: shape))
        case .http: try measure(socket, .http, by: HTTPWire(path: path, shape: shape))
        case .grpc: try measure(socket, .grpc, by: GRPCWire(shape: shape))
        }
    }

    private func measure(
        _ socket: String, _ target: Report.Target, by wire: some Wire
    ) throws(LoadError) -> Report {
        var generator = try Generator(socket: socket, workload: workload, wire: wire)
        let (tally, seconds) = try generator.run(schedule)
        return Report(
            target, workload: workload, tally: tally, seconds: seconds, answers: tally.measured)
    }
}
