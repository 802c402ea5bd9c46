/// Measures the server that listens on `socket`.
func runAgainstDaemon(
    socket: String, workload: Workload, schedule: Schedule
) throws(LoadError) -> Report {
    var generator = try Generator(socket: socket, workload: workload)
    let (tally, seconds) = try generator.run(schedule)
    return Report(
        .daemon, workload: workload, tally: tally, seconds: seconds, answers: tally.measured)
}
