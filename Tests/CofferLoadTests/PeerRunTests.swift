import ArgumentParser
import CofferCore
import Glibc
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

/// Answers GET and SET of arrays of bulk strings, each connection on a thread of
/// its own.
private final class SmallRedis: Sendable {
    let path: String
    private let listener: Int32
    private let records = Mutex<[String: String]>([:])

    init() throws {
        path = "/tmp/small-redis-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(listener, 64) == 0)
        Self.onThread { [self] in
            while case let client = accept(listener, nil, nil), client >= 0 {
                Self.onThread { self.serve(client) }
            }
            close(listener)
        }
    }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        unlink(path)
    }

    private func serve(_ client: Int32) {
        var received = ""
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = recv(client, &buffer, buffer.count, 0), count > 0 {
            received += String(decoding: buffer[..<count], as: UTF8.self)
            var answers = ""
            while let answer = answer(to: &received) { answers += answer }
            _ = send(client, answers, answers.utf8.count, Int32(MSG_NOSIGNAL))
        }
        close(client)
    }

    /// Takes one whole command off the front; nil if there is none.
    private func answer(to received: inout String) -> String? {
        let lines = received.split(separator: "\r\n", omittingEmptySubsequences: false)
        guard lines.count > 1, let words = Int(lines[0].dropFirst()), lines.count > 1 + 2 * words else { return nil }
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

    private static func onThread(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Box(body)).toOpaque()
        pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, argument)
        pthread_detach(thread)
    }

    private final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
