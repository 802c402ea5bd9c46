import ArgumentParser
import CofferCore
import Synchronization
import Testing

@testable import CofferLoad

/// Whole runs of the generator against a server whose answers come in order and
/// name no call: a redis of thirty lines.
@Suite(.serialized) struct PeerRunTests {
    @Test(arguments: [(1, 1), (3, 16), (2, 7)])
    func answersGoToTheirCallsByOrder(connections: Int, depth: Int) throws {
        let server = try SmallRedis()
        defer { server.stop() }
        let options = try LoadOptions.parse([
            "--peer", "redis", "--socket", server.path, "--connections", "\(connections)", "--depth", "\(depth)",
            // No multiple of any depth, so that the order survives the change of phase.
            "--keys", "101", "--prepare", "--fill", "--requests", "5003", "--check-every", "1",
        ])
        let report = try options.run()
        #expect(report.target == .redis)
        #expect(report.firstFault == nil)
        #expect(report.statuses == ["OK": 5205])
        #expect(report.get?.count == 5003)
    }

    @Test func missingRecordsAreCounted() throws {
        let server = try SmallRedis()
        defer { server.stop() }
        let report = try LoadOptions.parse([
            "--peer", "redis", "--socket", server.path, "--connections", "1", "--requests", "10",
        ]).run()
        #expect(report.statuses == ["NOT_FOUND": 10])
        #expect(report.firstFault == "coffer.v1.Credentials/Get: NOT_FOUND: $-1")
    }
}

/// Answers GET and SET of arrays of bulk strings.
private final class SmallRedis: Sendable {
    private let server: SmallServer
    var path: String { server.path }

    init() throws {
        let records = Records()
        server = try SmallServer { received in
            var text = String(decoding: received, as: UTF8.self)
            var answers = ""
            while let answer = records.answer(to: &text) { answers += answer }
            received = Array(text.utf8)
            return Array(answers.utf8)
        }
    }

    func stop() { server.stop() }

    private final class Records: Sendable {
        private let records = Mutex<[String: String]>([:])

        /// Takes one whole command off the front; nil if there is none.
        func answer(to received: inout String) -> String? {
            let lines = received.split(separator: "\r\n", omittingEmptySubsequences: false)
            guard lines.count > 1, let words = Int(lines[0].dropFirst()), lines.count > 1 + 2 * words
            else { return nil }
            received = lines[(1 + 2 * words)...].joined(separator: "\r\n")
            let key = String(lines[4])
            return records.withLock { records in
                guard words == 2 else {
                    records[key] = String(lines[6])
                    return "+OK\r\n"
                }
                return records[key].map { "$\($0.utf8.count)\r\n\($0)\r\n" } ?? "$-1\r\n"
            }
        }
    }
}
