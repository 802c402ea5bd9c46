internal import ArgumentParser
internal import CofferCommandLine

/// What the command line says.
package struct LoadOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Measure the daemon, or the peer, that listens here.", valueName: "path"))
    var socket: String?

    @Option(help: "What listens there instead of the daemon: memcached, redis, http or grpc.")
    var peer: Peer?

    @Option(help: ArgumentHelp("What --peer http gets.", valueName: "path"))
    var path = "/"

    @Flag(help: "Measure a bare C echo of the same frames instead: the limit for Get.")
    var floor = false

    @Option(
        help: ArgumentHelp(
            """
            Measure SQLite's own durable transactions of connections x depth rows, in a new folder \
            inside this one: the limit for Store.
            """,
            valueName: "folder"))
    var floorCommits: String?

    @Flag(
        help: """
            Let --floor-commits measure connections x depth threads instead, each of which waits for its own \
            row: what SQLite gives callers that wait.
            """)
    var floorWriters = false

    @Option(
        name: .customLong("floor-page-bytes"),
        help: ArgumentHelp(
            "The page of --floor-commits: 1KiB as the embedded vault has, 4KiB as SQLite itself.", valueName: "size"))
    var floorPage = BytesOption(1024)

    @Option(help: ArgumentHelp("Connections that send.", valueName: "count"))
    var connections = 8

    @Option(help: ArgumentHelp("Further connections that stay open and send nothing.", valueName: "count"))
    var idle = 0

    @Option(help: ArgumentHelp("Calls in flight on each connection.", valueName: "count"))
    var depth = 1

    @Option(
        name: .customLong("seconds"),
        help: ArgumentHelp("How long to measure; a bare number is seconds.", valueName: "duration"))
    var measuredTime = SecondsOption(.seconds(5))

    @Option(
        name: .customLong("warmup"),
        help: ArgumentHelp("How long to run before measuring. (default: 1s; 0s with --requests)", valueName: "duration"))
    var warmupTime: SecondsOption?

    @Option(help: ArgumentHelp("Measure exactly this many calls, however long it takes.", valueName: "count"))
    var requests: Int?

    @Option(help: ArgumentHelp("The share of Store among the calls, 0 to 1; the rest is Get.", valueName: "share"))
    var mix = 0.0

    @Option(name: .customLong("size"), help: ArgumentHelp("The size of a value.", valueName: "size"))
    var valueSize = BytesOption(256)

    @Option(help: ArgumentHelp("How many distinct records.", valueName: "count"))
    var keys = 1000

    @Option(help: "How records are chosen: uniform or zipf (exponent 0.99).")
    var distribution = KeyDistribution.uniform

    @Option(help: "Seeds the choice of records and methods.")
    var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp(
            """
            Play the Gets, Stores and Deletes of this trace (see coffer-simulate make-trace) instead; the \
            vault's outages are left out. --prepare stores what it starts with, and empties the cache.
            """,
            valueName: "file"))
    var trace: String?

    @Option(help: ArgumentHelp("Play it so many times as fast as it says. (default: as fast as answers come)", valueName: "factor"))
    var speed: Double?

    @Flag(help: "Store every record once before the start.")
    var prepare = false

    @Flag(help: "Then read every record once.")
    var fill = false

    @Option(
        name: .customLong("max-age"),
        help: ArgumentHelp(
            "Maximum age of a cached answer; 0 asks the vault. A bare number is milliseconds.", valueName: "duration"))
    var maximumAge: MillisecondsOption?

    @Option(help: ArgumentHelp("Decode and compare one answer in this many.", valueName: "count"))
    var checkEvery = 1024

    @Option(help: "Send from this CPU only.")
    var cpu: Int32?

    @Option(help: "Let the echo of --floor run on this CPU only.")
    var floorCpu: Int32?

    @Flag(help: "Print one line of JSON instead of text.")
    package var json = false

    package init() {}

    var seconds: Double { measuredTime.duration / .seconds(1) }
    var warmup: Double? { warmupTime.map { $0.duration / .seconds(1) } }
    /// In bytes.
    var size: Int { valueSize.count }
    /// In milliseconds.
    var maxAge: UInt64? { maximumAge.map { UInt64($0.duration / .milliseconds(1)) } }
    var floorPageBytes: Int32 { Int32(clamping: floorPage.count) }

    package func validate() throws {
        guard [socket != nil, floor, floorCommits != nil].count(where: { $0 }) == 1 else {
            throw ValidationError.checked("say what to measure: one of --socket, --floor and --floor-commits")
        }
        guard !floorWriters || floorCommits != nil else {
            throw ValidationError.checked("--floor-writers is for --floor-commits")
        }
        guard !floorWriters || connections * depth <= 1024 else {
            throw ValidationError.checked("--floor-writers: expected connections x depth of at most 1024, got \(connections * depth)")
        }
        guard requests == nil || warmup ?? 0 == 0 else {
            throw ValidationError.checked("--requests measures every call: run the warm-up apart from it")
        }
        try checkPeer()
        try checkTrace()
        guard [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536].contains(floorPageBytes) else {
            throw ValidationError.checked("--floor-page-bytes: expected a power of two, 512B to 64KiB, got \(floorPageBytes)B")
        }
        try check("--connections", connections, in: 1...20_000)
        try check("--idle", idle, in: 0...20_000)
        try check("--depth", depth, in: 1...1024)
        try check("--seconds", seconds, in: 0.01...3600)
        try check("--warmup", warmup ?? 0, in: 0...3600)
        try check("--requests", requests ?? 1, in: 1...1_000_000_000)
        try check("--mix", mix, in: 0...1)
        try check("--size", size, in: 1...1_048_576)
        try check("--keys", keys, in: 1...16_777_216)
        try check("--cpu", cpu ?? 0, in: 0...1023)
        try check("--floor-cpu", floorCpu ?? 0, in: 0...1023)
        try check("--check-every", checkEvery, in: 1...1_000_000_000)
    }

    private func checkPeer() throws {
        guard let peer else { return }
        guard socket != nil, maxAge == nil else {
            throw ValidationError.checked("--peer needs --socket, and knows no --max-age")
        }
        guard peer.canStore || (!prepare && mix == 0 && keys == 1) else {
            throw ValidationError.checked("--peer \(peer.rawValue) reads one record: say --keys 1, and store nothing")
        }
        guard peer != .grpc || depth == 1 else {
            throw ValidationError.checked("--peer grpc has one call in flight on a connection: --depth 1")
        }
    }

    private func checkTrace() throws {
        guard trace != nil else {
            guard speed == nil else { throw ValidationError.checked("--speed is that of a trace: say --trace") }
            return
        }
        guard socket != nil, peer == nil, requests == nil, warmup == nil, mix == 0, !fill else {
            throw ValidationError.checked(
                "--trace needs --socket of a daemon, and knows no --peer, --requests, --warmup, --mix and --fill")
        }
        try check("--speed", speed ?? 1, in: 0.001...1_000_000)
    }

    private func check<T: Comparable>(_ name: String, _ value: T, in range: ClosedRange<T>) throws {
        guard range.contains(value) else {
            throw ValidationError.checked(
                "\(name): expected \(range.lowerBound) to \(range.upperBound), got \(value)")
        }
    }
}

extension KeyDistribution: ExpressibleByArgument {}
extension Peer: ExpressibleByArgument {}
