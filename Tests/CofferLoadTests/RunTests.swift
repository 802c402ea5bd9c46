import ArgumentParser
import CofferCore
import Foundation
import Testing

@testable import CofferLoad

/// Whole runs: the generator against the C echo, and against SQLite.
@Suite(.serialized) struct RunTests {
    private static func run(
        _ arguments: String..., answers: EchoAnswers? = nil
    ) throws -> Report {
        let options = try LoadOptions.parse(["--floor"] + arguments)
        return try runEchoFloor(
            workload: options.workload, schedule: options.schedule, cpu: options.floorCpu,
            answers: answers)
    }

    @Test(arguments: [(1, 1), (8, 1), (3, 16), (16, 64)])
    func everyCallIsAnsweredRight(connections: Int, depth: Int) throws {
        let report = try Self.run(
            "--connections", "\(connections)", "--depth", "\(depth)", "--idle", "5",
            "--requests", "5000", "--check-every", "1")
        #expect(report.errors == 0)
        #expect(report.statuses == ["OK": 5000])
        let latency = try #require(report.get)
        #expect(latency.count == 5000)
        #expect(0 < latency.p50 && latency.p50 <= latency.p99 && latency.p99 <= latency.max)
        #expect(report.ratePerSecond > 0)
    }

    /// A child that cannot run where it should ends, rather than run elsewhere.
    @Test func theEchoRunsOnItsCPUOrNotAtAll() {
        #expect(throws: LoadError.self) { try Self.run("--requests", "1", "--floor-cpu", "1023") }
    }

    @Test func measuresForTheTimeAskedFor() throws {
        let report = try Self.run("--seconds", "0.2", "--warmup", "0.1")
        #expect(report.seconds == 0.2)
        let measured = try #require(report.get).count
        #expect(report.ratePerSecond == Double(measured) / 0.2)
        #expect(try #require(report.statuses["OK"]) > Int(measured))
    }

    @Test func mixesAndPrepares() throws {
        let report = try Self.run(
            "--mix", "0.25", "--prepare", "--keys", "1234", "--requests", "20000",
            "--check-every", "1")
        let stores = try #require(report.store).count
        // Five standard deviations of a binomial with 20,000 draws at a quarter.
        #expect((4694...5306).contains(stores))
        #expect(report.statuses == ["OK": 21234])
    }

    /// Requests and answers larger than any buffer of a socket.
    @Test func carriesLargeValues() throws {
        let report = try Self.run(
            "--size", "1048576", "--mix", "0.5", "--depth", "4", "--connections", "2",
            "--requests", "60", "--check-every", "1")
        #expect(report.errors == 0)
        #expect(report.statuses == ["OK": 60])
    }

    @Test func countsFailuresByStatus() throws {
        var answers = EchoAnswers(valueBytes: 256)
        var failure = MessageWriter()
        failure.field(1, 30)
        failure.field(2, Array("there is no record".utf8))
        answers.get = EchoAnswers.frame(status: .notFound, payload: failure.bytes)
        let report = try Self.run("--requests", "100", answers: answers)
        #expect(report.errors == 100)
        #expect(report.statuses == ["NOT_FOUND": 100])
        #expect(
            report.firstFault == "coffer.v1.Credentials/Get: NOT_FOUND: there is no record")
        #expect(report.get == nil)
    }

    @Test func noticesAWrongValue() throws {
        var answers = EchoAnswers(valueBytes: 256)
        answers.get = EchoAnswers.frame(
            payload: EchoAnswers.getResponse([UInt8](repeating: 0, count: 256)))
        let report = try Self.run(
            "--requests", "2049", "--connections", "1", answers: answers)
        // The first answer, and then one in 1,024.
        #expect(report.wrongAnswers == 3)
        #expect(report.errors == 3)
    }

    @Test(arguments: [
        (4, 2, "expected version 1, kind 2 and no flags"),
        (5, 4, "the server is draining"),
        (7, 1, "expected version 1, kind 2 and no flags"),
        (0, 0x7f, "an answer says it is"),
        (3, 0, "an answer says it is"),
    ] as [(Int, UInt8, String)])
    func stopsAtABrokenHeader(offset: Int, byte: UInt8, message: String) throws {
        var answers = EchoAnswers(valueBytes: 1)
        answers.get = EchoAnswers.frame(payload: [])
        answers.get[offset] = byte
        let error = #expect(throws: LoadError.self) {
            try Self.run("--requests", "10", "--size", "1", answers: answers)
        }
        #expect(try #require(error).description.contains(message))
    }

    @Test func saysThatNobodyListens() throws {
        let options = try LoadOptions.parse(["--socket", "/nowhere/coffer.sock"])
        let error = #expect(throws: LoadError.self) { try options.run() }
        #expect(
            error?.description == "cannot connect to /nowhere/coffer.sock: No such file or directory")
    }

    @Test func commitsRows() throws {
        let folder = try TemporaryFolder(in: TemporaryFolder.systemFolder)
        let options = try LoadOptions.parse([
            "--floor-commits", folder.path, "--connections", "16", "--requests", "160",
            "--keys", "100", "--prepare",
        ])
        let report = try options.run()
        #expect(report.target == .floorCommits)
        #expect(report.statuses == ["OK": 160])
        #expect(report.store?.count == 10)
        #expect(report.ratePerSecond > 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
}

@Suite struct WriterFloorTests {
    private func run(_ arguments: String...) throws -> Report {
        let folder = try TemporaryFolder(in: TemporaryFolder.systemFolder)
        defer { #expect(try! FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty) }
        return try LoadOptions.parse(
            ["--floor-commits", folder.path, "--floor-writers", "--keys", "100"] + arguments
        ).run()
    }

    @Test(arguments: ["1", "16"])
    func everyWriterWaitsForItsRow(connections: String) throws {
        let report = try run("--connections", connections, "--requests", "400", "--prepare")
        #expect(report.target == .floorWriters)
        let rows = try #require(report.store?.count)
        // What is under way when it is enough is counted, too.
        #expect(rows >= 400 && rows < 400 + 100 * 16)
        #expect(report.statuses == ["OK": Int(rows)])
        #expect(report.storeShare == 1)
        // Nobody's row is durable before a sync has begun and ended.
        #expect(try #require(report.store?.p50) > 10)
        #expect(abs(report.ratePerSecond - Double(rows) / report.seconds) < 1)
    }

    @Test func endsWhenTheTimeIsOver() throws {
        let report = try run("--connections", "4", "--seconds", "0.3", "--warmup", "0.1")
        #expect(report.seconds >= 0.3 && report.seconds < 2)
        #expect(try #require(report.store?.count) > 10)
    }
}

@Suite struct ReportTests {
    private static let report = Report(
        target: .daemon, connections: 8, idleConnections: 3, depth: 2, valueBytes: 256, keys: 1000,
        distribution: .zipf, storeShare: 0, seconds: 5, ratePerSecond: 1234.5,
        get: Report.Latency(count: 6172, p50: 35.04, p99: 80.06, p999: 100, max: 2000.1),
        store: nil, statuses: ["OK": 6171, "NOT_FOUND": 1], wrongAnswers: 0, errors: 1,
        firstFault: "Get: gone")

    @Test func textIsForPeople() {
        #expect(
            Self.report.text == """
                daemon: 8 x 2, 256-byte values, 1000 records (zipf), 0 % Store, 3 idle connections
                rate     1235 /s over 5.00 s
                Get      p50 35.0 µs  p99 80.1 µs  p99.9 100.0 µs  max 2000.1 µs
                status   OK 6171, NOT_FOUND 1
                errors   1
                first    Get: gone
                """)
    }

    @Test func jsonIsForPrograms() throws {
        let json = try Self.report.json()
        #expect(!json.contains("\n"))
        let back = try JSONDecoder().decode(Report.self, from: Data(json.utf8))
        #expect(back.ratePerSecond == 1234.5)
        #expect(back.get?.p99 == 80.06)
        #expect(back.statuses == Self.report.statuses)
    }
}
