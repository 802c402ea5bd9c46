import Glibc
import SwiftProtobuf
import Testing

@testable import Coffer

@Suite("Frames, calls and their ends over a real socket")
struct TransportTests {
    @Test("A reply that comes in pieces", arguments: [1, 2, 23, 25])
    func fragmentedReply(pieceBytes: Int) async throws {
        let script: FakeDaemon.Script = { peer, _ in
            while true {
                let request = try peer.read()
                let bytes = try FakePeer.response(request.header.callID, echo(request))
                for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
                    try peer.write(Array(bytes[start..<min(start + pieceBytes, bytes.count)]))
                }
            }
        }
        try await withDaemon(script) { client, _ in
            try await client.expectEcho("first")
            try await client.expectEcho("second")
        }
    }

    @Test func repliesInTheReverseOrder() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            let requests = try (0..<20).map { _ in try peer.read() }
            for request in requests.reversed() { try peer.respond(request.header.callID, try echo(request)) }
            _ = try peer.read()
        }
        try await withDaemon(script) { client, _ in
            try await withThrowingTaskGroup { group in
                for index in 0..<20 {
                    group.addTask { try await client.expectEcho("c\(index)") }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("1,000 calls at once share one connection", .timeLimit(.minutes(1)))
    func thousandCalls() async throws {
        try await withDaemon(answerGets) { client, daemon in
            try await withThrowingTaskGroup { group in
                for index in 0..<1_000 {
                    group.addTask { try await client.expectEcho("c\(index)") }
                }
                try await group.waitForAll()
            }
            #expect(daemon.connectionCount == 1)
        }
    }

    @Test func largestCredentialBothWays() async throws {
        let memory = MemoryDaemon()
        try await withDaemon(memory.serve) { client, _ in
            let secret = Credential([UInt8](repeating: 0xA5, count: 1 << 20))
            try await client.store(secret, user: "u", connection: "c")
            let got = try await client.credential(user: "u", connection: "c").credential
            #expect(got == secret)
        }
    }

    @Test func tooLargeARequestIsNotSent() async throws {
        let memory = MemoryDaemon()
        try await withDaemon(memory.serve) { client, daemon in
            let error = await #expect(throws: CofferError.self) {
                try await client.store(
                    Credential([UInt8](repeating: 1, count: 2 << 20)), user: "u", connection: "c")
            }
            #expect(error?.code == .invalidArgument && error?.reason == .credentialTooLarge)
            let fields = Dictionary(uniqueKeysWithValues: (0..<1_000).map { ("label\($0)", String(repeating: "x", count: 1_200)) })
            let whole = await #expect(throws: CofferError.self) {
                try await client.store(Credential("s".utf8), user: "u", connection: "c", labels: fields)
            }
            #expect(whole?.code == .resourceExhausted && whole?.reason == .frameTooLarge)
            #expect(daemon.connectionCount == 0)
        }
    }

    @Test("A daemon that reads nothing fills the queue, not the memory")
    func queueLimit() async throws {
        let gate = Gate()
        defer { gate.open() }
        let script: FakeDaemon.Script = { peer, _ in
            _ = try peer.read()
            gate.wait()
        }
        try await withDaemon(script, configure: { $0.maximumQueuedBytes = 1 << 20 }) { client, _ in
            let codes = await withTaskGroup { group in
                for _ in 0..<20 {
                    group.addTask {
                        await Self.code {
                            try await client.store(
                                Credential([UInt8](repeating: 1, count: 200 << 10)), user: "u",
                                connection: "c", timeout: .milliseconds(500))
                        }
                    }
                }
                return await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
            }
            #expect(codes[.resourceExhausted, default: 0] >= 10)
            #expect(codes[.deadlineExceeded, default: 0] >= 1)
            #expect(codes.count == 2)
        }
    }

    // MARK: Cancellation and time

    @Test func cancellingTheTaskTellsTheDaemon() async throws {
        let (cancels, continuation) = AsyncStream.makeStream(of: (UInt64, FrameHeader).self)
        let script: FakeDaemon.Script = { peer, _ in
            let call = try peer.read().header.callID
            continuation.yield((call, FrameHeader(.request, callID: call)))
            continuation.yield((call, try peer.read().header))
            try peer.refuse(call, .cancelled, .cancelled)
            try answerGets(peer)
        }
        try await withDaemon(script) { client, daemon in
            let task = Task { try await client.text() }
            var received = cancels.makeAsyncIterator()
            _ = await received.next()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            let (call, header) = try #require(await received.next())
            #expect(header == FrameHeader(.cancel, callID: call))
            try await client.expectEcho("next")
            #expect(daemon.connectionCount == 1)
        }
    }

    @Test func aCancelledTaskSendsNothing() async throws {
        try await withDaemon(answerGets) { client, daemon in
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await client.text()
            }
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(daemon.connectionCount == 0)
        }
    }

    @Test func theTimeoutIsToldAndKept() async throws {
        let (headers, continuation) = AsyncStream.makeStream(of: FrameHeader.self)
        let script: FakeDaemon.Script = { peer, _ in
            while true { continuation.yield(try peer.read().header) }
        }
        try await withDaemon(script) { client, _ in
            let start = ContinuousClock.now
            let error = await #expect(throws: CofferError.self) {
                try await client.text(timeout: .milliseconds(120))
            }
            #expect(error?.code == .deadlineExceeded && error?.isRetryable == true)
            #expect((.milliseconds(120)...(.seconds(5))).contains(ContinuousClock.now - start))
            var received = headers.makeAsyncIterator()
            let request = try #require(await received.next())
            #expect((100...120).contains(request.timeoutOrRetry))
            #expect(await received.next() == FrameHeader(.cancel, callID: request.callID))
        }
    }

    @Test func aShortTimeoutIsNotHeldUpByALongOne() async throws {
        let script: FakeDaemon.Script = { peer, _ in while true { _ = try peer.read() } }
        try await withDaemon(script) { client, _ in
            let long = Task { try await client.text(timeout: .seconds(60)) }
            try await Task.sleep(for: .milliseconds(50))
            await #expect(throws: CofferError.deadlineExceeded) { try await client.text(timeout: .milliseconds(50)) }
            long.cancel()
            await #expect(throws: CancellationError.self) { try await long.value }
        }
    }

    @Test func closingEndsCallsInFlight() async throws {
        let (started, continuation) = AsyncStream.makeStream(of: Void.self)
        let script: FakeDaemon.Script = { peer, _ in
            _ = try peer.read()
            continuation.yield()
            _ = try peer.read()
        }
        try await withDaemon(script) { client, _ in
            let task = Task { await Self.code { try await client.delete(user: "u", connection: "c") } }
            for await _ in started { break }
            client.close()
            #expect(await task.value == .cancelled)
            #expect(await Self.code { try await client.text() } == .cancelled)
        }
    }

    @Test func droppingTheClientHangsUp() async throws {
        let (ended, continuation) = AsyncStream.makeStream(of: Void.self)
        let daemon = FakeDaemon { peer, _ in
            defer { continuation.yield() }
            try answerGets(peer)
        }
        defer { daemon.stop() }
        do {
            let client = CofferClient(socketPath: daemon.path)
            try await client.expectEcho("c")
        }
        for await _ in ended { break }
    }

    // MARK: Streams

    @Test func leavingAStreamCancelsTheCall() async throws {
        let (headers, continuation) = AsyncStream.makeStream(of: FrameHeader.self)
        let script: FakeDaemon.Script = { peer, _ in
            let call = try peer.read().header.callID
            try peer.respond(call, Coffer_V1_GetManyResponse(), more: true)
            continuation.yield(try peer.read().header)
        }
        try await withDaemon(script) { client, _ in
            for try await _ in client.credentials.getMany(.init()) { break }
            var received = headers.makeAsyncIterator()
            #expect(await received.next()?.kind == FrameKind.cancel.rawValue)
        }
    }

    @Test func cancellingTheTaskOfAStreamThrows() async throws {
        let (answered, continuation) = AsyncStream.makeStream(of: Void.self)
        let script: FakeDaemon.Script = { peer, _ in
            let call = try peer.read().header.callID
            try peer.respond(call, Coffer_V1_GetManyResponse(), more: true)
            continuation.yield()
            _ = try peer.read()
        }
        try await withDaemon(script) { client, _ in
            let task = Task { for try await _ in client.credentials.getMany(.init()) {} }
            for await _ in answered { break }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test func aStreamThatFloodsItsConsumerEnds() async throws {
        let count = Connection.maximumWaitingReplies + 2
        let (flooded, continuation) = AsyncStream.makeStream(of: Void.self)
        let script: FakeDaemon.Script = { peer, _ in
            let call = try peer.read().header.callID
            for _ in 0..<count { try peer.respond(call, Coffer_V1_GetManyResponse(), more: true) }
            // Its cancel says that the client has seen them all.
            _ = try peer.read()
            continuation.yield()
        }
        try await withDaemon(script) { client, _ in
            let error = await #expect(throws: CofferError.self) {
                var floods = flooded.makeAsyncIterator()
                var responses = 0
                for try await _ in client.credentials.getMany(.init()) {
                    responses += 1
                    if responses == 1 { await floods.next() }
                }
            }
            #expect(error?.code == .resourceExhausted)
        }
    }

    static func code(_ body: () async throws -> some Any) async -> CofferError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? CofferError)?.code ?? .unknown
        }
    }
}
