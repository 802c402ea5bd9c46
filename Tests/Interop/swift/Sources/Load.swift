import ArgumentParser
import Coffer
import FoundationEssentials
import Synchronization

/// Gets and Stores while somebody stops, kills and starts the daemon: see load.py.
struct Load: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads and writes until there were enough Gets and a file is there; prints \"N passed, N failed\".")

    private static let readers = 32
    private static let writers = 8
    private static let keys = 8

    @Option(help: "The daemon's socket.") var socket: String
    @Option(help: "The least Gets.") var gets: Int
    @Option(help: "The file that ends it. One with .ready behind its name says that the records are there.") var until: String

    /// What has happened so far, of all tasks.
    private final class Tally: Sendable {
        struct Counts {
            var gets = 0
            var stores = 0
            var ambiguous = 0
            var problems: [String] = []
        }

        let counts = Mutex(Counts())
        let isOver = Atomic(false)

        func complain(_ problem: String) { counts.withLock { $0.problems.append(problem) } }
    }

    func run() async throws {
        var configuration = CofferConfiguration(socketPath: socket)
        // The daemon is started anew on a machine that others use too.
        configuration.timeout = .seconds(60)
        configuration.reconnectWindow = .seconds(45)
        let client = CofferClient(configuration: configuration)
        for key in 0..<Self.keys {
            try await client.store(Credential("value-\(key)".utf8), user: "load", connection: "read-\(key)")
        }
        try Data().write(to: URL(filePath: until + ".ready"))
        let tally = Tally()
        await withTaskGroup { group in
            for number in 0..<Self.readers { group.addTask { await Self.read(client, number % Self.keys, tally) } }
            for number in 0..<Self.writers { group.addTask { await Self.write(client, number, tally) } }
            while !FileManager.default.fileExists(atPath: until) || tally.counts.withLock(\.gets) < gets {
                try? await Task.sleep(for: .milliseconds(20))
            }
            tally.isOver.store(true, ordering: .relaxed)
        }
        let counts = tally.counts.withLock(\.self)
        for problem in counts.problems.prefix(20) { print("FAIL \(problem)") }
        print("\(counts.gets) Gets, \(counts.stores) Stores, \(counts.ambiguous) of them ambiguous")
        print("\(counts.gets + counts.stores) passed, \(counts.problems.count) failed")
        if !counts.problems.isEmpty { throw ExitCode.failure }
    }

    private static func read(_ client: CofferClient<UnixSocketChannel>, _ key: Int, _ tally: Tally) async {
        while !tally.isOver.load(ordering: .relaxed) {
            do {
                let record = try await client.credential(user: "load", connection: "read-\(key)")
                if record.credential != Credential("value-\(key)".utf8) { tally.complain("a Get gave another record") }
                tally.counts.withLock { $0.gets += 1 }
            } catch {
                tally.complain("a Get failed: \(error)")
            }
        }
    }

    /// One record and its one writer: what it may hold.
    private static func write(_ client: CofferClient<UnixSocketChannel>, _ number: Int, _ tally: Tally) async {
        let name = "write-\(number)"
        var possible: Set<Int> = []
        var value = 0
        while !tally.isOver.load(ordering: .relaxed) || possible.isEmpty {
            value += 1
            do {
                try await client.store(Credential("\(value)".utf8), user: "load", connection: name)
                possible = [value]
            } catch let error as CofferError {
                if error.mayHaveHappened {
                    possible.insert(value)
                    tally.counts.withLock { $0.ambiguous += 1 }
                }
            } catch {
                tally.complain("a Store failed: \(error)")
            }
            tally.counts.withLock { $0.stores += 1 }
        }
        do {
            let held = try await client.credential(user: "load", connection: name, maximumAge: .zero).credential
            if !possible.contains(where: { held == Credential("\($0)".utf8) }) {
                tally.complain("\(name) holds something else than one of \(possible.count) possible values")
            }
        } catch {
            tally.complain("\(name) cannot be read: \(error)")
        }
    }
}
