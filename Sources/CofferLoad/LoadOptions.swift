internal import ArgumentParser

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

    @Option(help: "The page of --floor-commits in bytes: 1024 as the embedded vault has, 4096 as SQLite itself.")
    var floorPageBytes: Int32 = 1024

    @Option(help: "Connections that send.")
    var connections = 8

    @Option(help: "Further connections that stay open and send nothing.")
    var idle = 0

    @Option(help: "Calls in flight on each connection.")
    var depth = 1

    @Option(help: "How long to measure.")
    var seconds = 5.0

    @Option(help: "How long to run before measuring. (default: 1; 0 with --requests)")
    var warmup: Double?

    @Option(help: "Measure exactly this many calls, however long it takes.")
    var requests: Int?

    @Option(help: "The share of Store among the calls, 0 to 1; the rest is Get.")
    var mix = 0.0

    @Option(help: "The size of a value in bytes.")
    var size = 256

    @Option(help: "How many distinct records.")
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

    @Option(help: "Play it so many times as fast as it says. (default: as fast as answers come)")
    var speed: Double?

    @Flag(help: "Store every record once before the start.")
    var prepare = false

    @Flag(help: "Then read every record once.")
    var fill = false

    @Option(help: "Ask the daemon for copies at most this many milliseconds old; 0 = from the vault.")
    var maxAge: UInt64?

    @Option(help: "Decode and compare one answer in this many.")
    var checkEvery = 1024

    @Option(help: "Send from this CPU only.")
    var cpu: Int32?

    @Option(help: "Let the echo of --floor run on this CPU only.")
    var floorCpu: Int32?

    @Flag(help: "Print one line of JSON instead of text.")
    package var json = false

    package init() {}

    package func validate() throws {
        guard [socket != nil, floor, floorCommits != nil].count(where: { $0 }) == 1 else {
            throw ValidationError("say what to measure: one of --socket, --floor and --floor-commits")
        }
        guard !floorWriters || floorCommits != nil else {
            throw ValidationError("--floor-writers is for --floor-commits")
        }
        guard !floorWriters || connections * depth <= 1024 else {
            throw ValidationError("--floor-writers: expected connections x depth of at most 1024, got \(connections * depth)")
        }
        guard requests == nil || warmup ?? 0 == 0 else {
            throw ValidationError("--requests measures every call: run the warm-up apart from it")
        }
        try checkPeer()
        try checkTrace()
        guard [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536].contains(floorPageBytes) else {
            throw ValidationError("--floor-page-bytes \(floorPageBytes): expected a power of two, 512 to 65536")
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
            throw ValidationError("--peer needs --socket, and knows no --max-age")
        }
        guard peer.canStore || (!prepare && mix == 0 && keys == 1) else {
            throw ValidationError("--peer \(peer.rawValue) reads one record: say --keys 1, and store nothing")
        }
        guard peer != .grpc || depth == 1 else {
            throw ValidationError("--peer grpc has one call in flight on a connection: --depth 1")
        }
    }

    private func checkTrace() throws {
        guard trace != nil else {
            guard speed == nil else { throw ValidationError("--speed is that of a trace: say --trace") }
            return
        }
        guard socket != nil, peer == nil, requests == nil, warmup == nil, mix == 0, !fill else {
            throw ValidationError(
                "--trace needs --socket of a daemon, and knows no --peer, --requests, --warmup, --mix and --fill")
        }
        try check("--speed", speed ?? 1, in: 0.001...1_000_000)
    }

    private func check<T: Comparable>(_ name: String, _ value: T, in range: ClosedRange<T>) throws {
        guard range.contains(value) else {
            throw ValidationError(
                "\(name): expected \(range.lowerBound) to \(range.upperBound), got \(value)")
        }
    }
}

extension KeyDistribution: ExpressibleByArgument {}
extension Peer: ExpressibleByArgument {}
