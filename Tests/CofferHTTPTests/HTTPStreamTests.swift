import CofferCore
import CofferHTTP
import Foundation
import Testing

/// Answers that are read while they come, in the clear and over TLS.
@Suite(.timeLimit(.minutes(2))) struct HTTPStreamTests {
    private func client(
        _ server: String, tls isSecure: Bool, _ change: (inout HTTPEndpoint) -> Void = { _ in }
    ) throws -> HTTPClient {
        let name = isSecure ? "\(server)_tls" : server
        var endpoint = try HostileServers.shared.get().endpoint(name, isSecure: isSecure)
        change(&endpoint)
        return try engine.get().client(endpoint)
    }

    private func stream(
        _ client: HTTPClient, idle: Duration = .seconds(20), within time: Duration = .seconds(20)
    ) async throws(HTTPError) -> HTTPStream {
        try await client.stream(.get(token: "t"), idle: idle, deadline: SystemClock().boot + time)
    }

    private func report(_ server: String, tls: Bool, seconds: Double = 5) async throws -> HostileServers.Report {
        try await HostileServers.shared.get().report(tls ? "\(server)_tls" : server, seconds: seconds)
    }

    private func text(_ piece: Secret?) -> String? {
        piece.map { $0.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    }

    private func error(_ call: () async throws(HTTPError) -> Secret?) async -> HTTPError? {
        do throws(HTTPError) {
            _ = try await call()
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [false, true])
    func piecesComeAsTheyAreSent(tls: Bool) async throws {
        let servers = try HostileServers.shared.get()
        let name = tls ? "stepped_tls" : "stepped"
        let client = try client("stepped", tls: tls)
        // The server sends a piece when it is told to, so nothing here has come with what is behind it.
        let stream = try await stream(client)
        #expect(stream.status == 200)
        #expect(stream.headers["transfer-encoding"] == "chunked")
        for number in 0..<5 {
            try await servers.step(name)
            #expect(text(try await stream.next()) == "tick \(number)")
        }
        try await servers.step(name)
        #expect(try await stream.next() == nil)
        #expect(try await stream.next() == nil)
        // The connection serves the next request, of either kind.
        for _ in 0..<6 { try await servers.step(name) }
        let whole = try await client.send(.get(token: "t"), deadline: SystemClock().boot + .seconds(20))
        #expect(whole.text == (0..<5).map { "tick \($0)" }.joined())
        #expect(try await report("stepped", tls: tls, seconds: 0).connections == 1)
    }

    @Test(arguments: [false, true])
    func anAnswerThatBreaksOffIsInterrupted(tls: Bool) async throws {
        let stream = try await stream(client("breaks", tls: tls))
        #expect(text(try await stream.next()) == "first")
        for _ in 0..<2 {
            #expect(await error(stream.next) == HTTPError(.interrupted, isUnsent: false))
        }
    }

    @Test(arguments: [false, true])
    func aServerThatStallsIsIdle(tls: Bool) async throws {
        let stream = try await stream(client("stalls", tls: tls), idle: .milliseconds(400))
        #expect(text(try await stream.next()) == "first")
        let clock = ContinuousClock()
        let began = clock.now
        #expect(await error(stream.next) == HTTPError(.idle, isUnsent: false))
        #expect((.milliseconds(200)...(.seconds(5))).contains(clock.now - began))
        #expect(try await report("stalls", tls: tls).open == 0)
    }

    @Test func eachPieceHasTheIdleTimeAnew() async throws {
        let stream = try await stream(client("ticks", tls: false), idle: .milliseconds(700))
        // A second in all.
        for number in 0..<5 { #expect(text(try await stream.next()) == "tick \(number)") }
        #expect(try await stream.next() == nil)
    }

    @Test(arguments: [false, true])
    func theDeadlineIsThatOfTheHead(tls: Bool) async throws {
        let silent = try client("headless", tls: tls)
        do throws(HTTPError) {
            _ = try await stream(silent, within: .seconds(2))
            Issue.record("a head that nobody sent")
        } catch {
            #expect(error == HTTPError(.deadline, isUnsent: false))
        }
        #expect(try await report("headless", tls: tls).open == 0)
        // Its body takes a second.
        let stream = try await stream(client("ticks", tls: tls), within: .milliseconds(900))
        var pieces = 0
        while try await stream.next() != nil { pieces += 1 }
        #expect(pieces == 5)
    }

    @Test(arguments: [false, true])
    func aCancelledTaskClosesTheConnection(tls: Bool) async throws {
        let stream = try await stream(client("left", tls: tls))
        let reading = Task { () async -> HTTPError? in
            _ = await error(stream.next)
            return await error(stream.next)
        }
        try await Task.sleep(for: .milliseconds(200))
        #expect(try await report("left", tls: tls, seconds: 0).open == 1)
        reading.cancel()
        #expect(await reading.value == HTTPError(.cancelled, isUnsent: false))
        #expect(await error(stream.next) == HTTPError(.cancelled, isUnsent: false))
        #expect(try await report("left", tls: tls).open == 0)
    }

    @Test(arguments: [false, true])
    func aStreamThatNobodyHoldsClosesTheConnection(tls: Bool) async throws {
        let client = try client("dropped", tls: tls)
        var stream: HTTPStream? = try await stream(client)
        #expect(stream?.status == 200)
        #expect(try await report("dropped", tls: tls, seconds: 0).open == 1)
        stream = nil
        #expect(try await report("dropped", tls: tls).open == 0)
    }

    /// Of 32 MiB no more is taken than what the kernel and 64 KiB hold, and the time that the reader takes is not
    /// the server's.
    @Test(arguments: [false, true])
    func aSlowReaderMakesTheServerWait(tls: Bool) async throws {
        let stream = try await stream(client("flood", tls: tls), idle: .milliseconds(500))
        let size = 32 << 20
        var read = 0
        var sent = [Int]()
        for _ in 0..<3 {
            try await Task.sleep(for: .milliseconds(700))
            sent.append(try await report("flood", tls: tls, seconds: 0).sent)
            // Less than what waits in all, so that libcurl has to wait after it, too.
            for _ in 0..<2 { read += try await check(stream.next(), at: read) }
        }
        #expect(sent.max()! < size / 2, "the server has sent \(sent) bytes to a reader of \(read)")
        while let piece = try await stream.next() { read += try check(piece, at: read) }
        #expect(read == size)
    }

    /// - Returns: how many bytes it has.
    private func check(_ piece: Secret?, at start: Int) throws -> Int {
        let piece = try #require(piece)
        #expect((1...StreamLimits.piece).contains(piece.count))
        let isRight = piece.withUnsafeBytes { bytes in
            // Not all, which takes a debug build long; more than one of every place in a word.
            stride(from: bytes.startIndex, to: bytes.endIndex, by: 13).allSatisfy { index in
                let place = start + index
                return bytes[index] == UInt8(truncatingIfNeeded: (place & ~7) >> (8 * (7 - place & 7)))
            }
        }
        #expect(isRight, "other bytes than were sent, from \(start) on")
        return piece.count
    }

    private enum StreamLimits {
        /// As libcurl brings them.
        static let piece = 16 << 10
    }

    @Test func otherRequestsGoOnBesideAStream() async throws {
        let client = try client("stalls", tls: false)
        let stream = try await stream(client)
        #expect(text(try await stream.next()) == "first")
        let second = try await self.stream(client)
        #expect(text(try await second.next()) == "first")
        stream.cancel()
        #expect(await error(stream.next) == HTTPError(.cancelled, isUnsent: false))
        let waiting = Task { await error(second.next) }
        try await Task.sleep(for: .milliseconds(100))
        second.cancel()
        #expect(await waiting.value == HTTPError(.cancelled, isUnsent: false))
    }

    @Test(arguments: [false, true])
    func theHeadIsThatOfTheAnswerAndNotAnInterimOne(tls: Bool) async throws {
        let stream = try await stream(client("interim", tls: tls))
        #expect(stream.status == 403)
        #expect(stream.headers["x-late"] == "1" && stream.headers["x-early"] == nil)
        #expect(text(try await stream.next()) == "no")
        #expect(try await stream.next() == nil)
    }

    @Test(arguments: ["bad_status", "garbage", "header_flood", "interim_flood", "close_in_headers"])
    func aHeadThatIsNoneIsNoStream(server: String) async throws {
        let endpoint = try HostileServers.shared.get().endpoint("\(server)_streamed", host: "localhost")
        let client = try engine.get().client(endpoint)
        let error = await #expect(throws: HTTPError.self) { _ = try await stream(client) }
        // No other cause would show that the head was looked at.
        switch error?.cause {
        case .malformed, .interrupted, .tooLarge: break
        default: Issue.record("\(String(describing: error?.cause))")
        }
    }

    @Test func anEngineThatIsClosedEndsItsStreams() async throws {
        let engine = try HTTPEngine.started()
        let endpoint = try HostileServers.shared.get().endpoint("closing", isSecure: false)
        let stream = try await stream(engine.client(endpoint))
        #expect(text(try await stream.next()) == "first")
        let waiting = Task { await error(stream.next) }
        try await Task.sleep(for: .milliseconds(100))
        engine.close()
        #expect(await waiting.value == HTTPError(.closed, isUnsent: false))
    }
}
