internal import CYardsticks

extension LoadOptions {
    var workload: Workload {
        Workload(
            connections: connections, idleConnections: idle, depth: depth, valueBytes: size,
            keys: UInt32(keys), distribution: distribution, storeShare: mix, seed: seed,
            checkEvery: UInt64(checkEvery))
    }

    var schedule: Schedule {
        Schedule(
            prepare: prepare,
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
            return try runAgainstDaemon(socket: socket, workload: workload, schedule: schedule)
        }
        if let floorCommits {
            return try runCommitFloor(folder: floorCommits, workload: workload, schedule: schedule)
        }
        return try runEchoFloor(workload: workload, schedule: schedule, cpu: floorCpu)
    }
}

/// Measures the server that listens on `socket`.
func runAgainstDaemon(
    socket: String, workload: Workload, schedule: Schedule
) throws(LoadError) -> Report {
    var generator = try Generator(socket: socket, workload: workload)
    let (tally, seconds) = try generator.run(schedule)
    return Report(
        .daemon, workload: workload, tally: tally, seconds: seconds, answers: tally.measured)
}
