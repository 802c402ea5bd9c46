internal import CofferWorkload
internal import CBaselines

extension LoadOptions {
    /// Whether the options name a trace: then `play` runs them, else `run`.
    package var hasTrace: Bool { trace != nil }

    /// Plays the trace that the options name.
    ///
    /// - Throws: `LoadError` if it could not be played to its end; `TraceError`, or what
    ///   Foundation throws, if the file cannot be read.
    package func play() throws -> TraceReport {
        guard let trace, let socket else { throw LoadError("--trace and --socket are missing") }
        raiseDescriptorLimit()
        if let cpu, coffer_pin_to_cpu(cpu) != 0 { throw LoadError.system("cannot run on CPU \(cpu)") }
        return try play(try Trace(path: trace), on: socket)
    }

    func play(_ trace: Trace, on socket: String) throws(LoadError) -> TraceReport {
        let admin = try AdminCalls(socket: socket)
        if prepare {
            try store(trace.records, on: socket)
            try admin.invalidateAll()
        }
        let before = try admin.stats()
        var run = try TraceRun(trace, socket: socket, workload: workload, speed: speed)
        let result = try run.run()
        let cache = TraceReport.Cache(before: before, after: try admin.stats())
        return report(trace, result, cache)
    }

    private func store(_ records: UInt32, on socket: String) throws(LoadError) {
        guard records > 0 else { return }
        var workload = workload
        workload.keys = records
        let wire = FrameWire(shape: RecordShape(valueBytes: size), valuesDiffer: true)
        var generator = try Generator(socket: socket, workload: workload, wire: wire)
        let (tally, _) = try generator.run(Schedule(prepare: true, length: .requests(0)))
        if let fault = tally.firstFault { throw LoadError("cannot store the records of the trace: \(fault)") }
    }

    private func report(
        _ trace: Trace, _ result: TraceRun.Result, _ cache: TraceReport.Cache
    ) -> TraceReport {
        let tally = result.tally
        var (gets, stores, deletes, outages) = (0, 0, 0, 0)
        for event in trace.events {
            switch event.action {
            case .get: gets += 1
            case .store: stores += 1
            case .delete: deletes += 1
            case .down: outages += 1
            case .up: break
            }
        }
        let rate = result.seconds > 0 ? Double(gets + stores + deletes) / result.seconds : 0
        return TraceReport(
            connections: connections, depth: depth, valueBytes: size, speed: speed,
            seconds: result.seconds, ratePerSecond: rate, gets: gets, stores: stores, deletes: deletes,
            absent: result.absent, skippedOutages: outages, hitRatio: cache.hitRatio, cache: cache,
            get: Report.Latency(tally.getLatency), store: Report.Latency(tally.storeLatency),
            delete: Report.Latency(result.deleteLatency), statuses: tally.statusCounts,
            wrongAnswers: tally.wrongAnswers, errors: tally.errors - result.absent, firstFault: tally.firstFault)
    }
}
