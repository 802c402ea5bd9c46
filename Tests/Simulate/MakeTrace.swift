import ArgumentParser
import CofferCacheSimulation
import CofferWorkload
import FoundationEssentials

struct MakeTrace: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Makes a trace; the same options make the same file.")

    @Argument(help: "Where it goes.") var file: String
    @Option(help: "Seeds all that is left to chance.") var seed: UInt64 = 1
    @Option(help: "Records at the start, and at each time after.") var records = TraceShape().records
    @Option(help: "The exponent of Zipf's law, by which Gets choose.") var exponent = TraceShape().exponent
    @Option(help: "How long it takes.") var seconds = TraceShape().seconds
    @Option(help: "Gets each second, by popularity.") var gets = TraceShape().getsPerSecond
    @Option(help: "How often somebody reads every record once.") var scans = TraceShape().scans
    @Option(help: "Records deleted each minute, with new ones in their place.")
    var replaced = TraceShape().replacedPerMinute
    @Option(help: "Records stored anew each minute.") var rotated = TraceShape().rotatedPerMinute
    @Option(help: "How often the vault is gone.") var outages = TraceShape().outages
    @Option(help: "For how many seconds each time.") var outageSeconds = TraceShape().outageSeconds

    func validate() throws {
        try check("--records", records, in: 1...1_000_000)
        try check("--exponent", exponent, in: 0...3)
        try check("--seconds", seconds, in: 1...604_800)
        try check("--gets", gets, in: 0...10_000)
        try check("--scans", scans, in: 0...1_000)
        try check("--replaced", replaced, in: 0...600)
        try check("--rotated", rotated, in: 0...60_000)
        try check("--outages", outages, in: 0...1_000)
        try check("--outage-seconds", outageSeconds, in: 0...604_800)
    }

    private func check<T: Comparable>(_ name: String, _ value: T, in range: ClosedRange<T>) throws {
        guard range.contains(value) else {
            throw ValidationError("\(name): expected \(range.lowerBound) to \(range.upperBound), got \(value)")
        }
    }

    func run() throws {
        var shape = TraceShape()
        shape.records = records
        shape.exponent = exponent
        shape.seconds = seconds
        shape.getsPerSecond = gets
        shape.scans = scans
        shape.replacedPerMinute = replaced
        shape.rotatedPerMinute = rotated
        shape.outages = outages
        shape.outageSeconds = outageSeconds
        let trace = TraceMaker(shape, random: SplitMix(seed: seed)).make()
        let text = trace.text(comment: "seed \(seed): \(shape.description)")
        try Data(text).write(to: URL(fileURLWithPath: file))
    }
}
