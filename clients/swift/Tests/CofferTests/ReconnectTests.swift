import SwiftProtobuf
import Testing

@testable import Coffer

@Suite("Losing the daemon and finding it again")
struct ReconnectTests {
    /// Reads one request, then hangs up; the second connection answers.
    private static let losesTheFirst: FakeDaemon.Script = { peer, number in
        if number > 1 { return try MemoryDaemon().serve(peer, number) }
        _ = try peer.read()
    }

    @Test func aGetThatMayHaveBeenSentIsRepeated() async throws {
        try await withDaemon(Self.losesTheFirst) { client, daemon in
            #expect(await TransportTests.code { try await client.text() } == .notFound)
            #expect(daemon.connectionCount == 2)
        }
    }

    @Test func aStoreThatMayHaveBeenSentIsNot() async throws {
        try await withDaemon(Self.losesTheFirst) { client, daemon in
            let error = await #expect(throws: CofferError.self) {
                try await client.store(Credential("s".utf8), user: "u", connection: "c")
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("a write may have happened") == true)
            #expect(daemon.connectionCount == 1)
        }
    }

    @Test func aReadIsMadeAgainWhileTheDaemonComesAndGoes() async throws {
        let script: FakeDaemon.Script = { peer, number in
            if number > 4 { return try answerGets(peer) }
            _ = try peer.read()
        }
        try await withDaemon(script) { client, daemon in
            try await client.expectEcho("c")
            #expect(daemon.connectionCount == 5)
        }
    }

    @Test func aReadIsMadeAgainForNoLongerThanTheWindow() async throws {
        let window = Duration.milliseconds(300)
        try await withDaemon({ peer, _ in _ = try peer.read() }, configure: { $0.reconnectWindow = window }) { client, daemon in
            let start = ContinuousClock.now
            #expect(await TransportTests.code { try await client.text() } == .unavailable)
            #expect(window...(.seconds(8)) ~= .now - start)
            #expect(2..<100 ~= daemon.connectionCount)
        }
    }

    @Test func aStoreThatEachDrainingDaemonRefusesIsMadeAgainWhileTheyComeAndGo() async throws {
        let script: FakeDaemon.Script = { peer, number in
            if number > 4 { return try MemoryDaemon().serve(peer, number) }
            // Its go-away does not come: the refusal says enough.
            try peer.refuse(try peer.read().header.callID, .unavailable, .draining)
            _ = try peer.read()
        }
        try await withDaemon(script) { client, daemon in
            try await client.store(Credential("s".utf8), user: "u", connection: "c")
            #expect(daemon.connectionCount == 5)
        }
    }

    /// Whatever became of the call.
    @Test func aReadIsNeverSaidToHaveWritten() async throws {
        for script in [{ peer, _ in _ = try peer.read() }, { peer, _ in while true { _ = try peer.read() } }] as [FakeDaemon.Script] {
            try await withDaemon(script) { client, _ in
                for call in [
                    { try await client.credential(user: "u", connection: "c", timeout: .milliseconds(60)) },
                    { try await client.health(timeout: .milliseconds(60)) },
                    { try await client.credentials([.init(user: "u", connection: "c")], timeout: .milliseconds(60)) },
                    { try await client.credentials.get(.init(), options: .init(timeout: .milliseconds(60))) },
                    { try await client.admin.stats(.init(), options: .init(timeout: .milliseconds(60))) },
                ] as [() async throws -> Any] {
                    let error = await #expect(throws: CofferError.self) { _ = try await call() }
                    #expect(error?.message.contains("write") == false, "\(String(describing: error))")
                }
            }
        }
    }

    @Test func aStoreThatRanOutOfTimeSaysWhetherItWasSent() async throws {
        try await withDaemon({ peer, _ in while true { _ = try peer.read() } }) { client, _ in
            for (timeout, ending) in [(Duration.milliseconds(60), "a write may have happened"), (.zero, "was not sent")] {
                let error = await #expect(throws: CofferError.self) {
                    try await client.store(Credential("s".utf8), user: "u", connection: "c", timeout: timeout)
                }
                #expect(error?.code == .deadlineExceeded && error?.message.hasSuffix(ending) == true, "\(String(describing: error))")
            }
        }
    }

    @Test func aStreamIsRepeatedBeforeItsFirstResponseOnly() async throws {
        let script: FakeDaemon.Script = { peer, number in
            let call = try peer.read().header.callID
            if number > 1 { try peer.respond(call, Coffer_V1_GetManyResponse(), more: true) }
        }
        try await withDaemon(script) { client, daemon in
            var responses = 0
            let error = await #expect(throws: CofferError.self) {
                for try await _ in client.credentials.getMany(.init(), options: .init(isRepeatable: true)) {
                    responses += 1
                }
            }
            #expect(error?.code == .unavailable)
            #expect(responses == 1)
            #expect(daemon.connectionCount == 2)
        }
    }

    @Test("A Store on a connection that was lost while idle takes a new one")
    func idleLoss() async throws {
        let (lost, continuation) = AsyncStream.makeStream(of: Void.self)
        let script: FakeDaemon.Script = { peer, number in
            let call = try peer.read().header.callID
            try peer.respond(call, Coffer_V1_StoreResponse.with { $0.version = "v\(number)" })
            peer.hangUp()
            continuation.yield()
        }
        try await withDaemon(script) { client, _ in
            // Whether or not this end has noticed: what is not sent is sent again.
            var losses = lost.makeAsyncIterator()
            for round in 1...50 {
                let receipt = try await client.store(Credential("s".utf8), user: "u", connection: "c")
                #expect(receipt.version == "v\(round)")
                await losses.next()
            }
        }
    }

    @Test("Closing the client ends calls on a connection that is draining, too")
    func closeReachesADrainingConnection() async throws {
        let script: FakeDaemon.Script = { peer, number in
            if number > 1 { return try MemoryDaemon().serve(peer, number) }
            _ = try peer.read()
            try peer.goAway()
            while true { _ = try peer.read() }
        }
        try await withDaemon(script) { client, daemon in
            let old = try await client.channel.connection(until: .now + .seconds(1))
            let waiting = Task { await TransportTests.code { try await client.text(timeout: .seconds(20)) } }
            while old.unusableSince == nil { try await Task.sleep(for: .milliseconds(1)) }
            #expect(await TransportTests.code { try await client.text("other") } == .notFound)
            #expect(daemon.connectionCount == 2)
            let began = ContinuousClock.now
            client.close()
            #expect(await waiting.value == .cancelled)
            #expect(ContinuousClock.now - began < .seconds(5))
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func goAwayLetsCallsFinishAndMovesOn() async throws {
        let (told, continuation) = AsyncStream.makeStream(of: Void.self)
        let gate = Gate()
        let script: FakeDaemon.Script = { peer, number in
            if number > 1 { return try answerGets(peer) }
            let request = try peer.read()
            try peer.goAway()
            continuation.yield()
            gate.wait()
            try peer.respond(request.header.callID, try echo(request))
            // The client hangs up once nothing is in flight.
            #expect(throws: FakePeer.Ended.self) { try peer.read() }
            continuation.yield()
        }
        try await withDaemon(script) { client, daemon in
            let old = try await client.channel.connection(until: .now + .seconds(1))
            let inFlight = Task { try await client.text("old") }
            var events = told.makeAsyncIterator()
            await events.next()
            while old.unusableSince == nil { await Task.yield() }
            try await client.expectEcho("new")
            gate.open()
            let text = try await inFlight.value
            #expect(text == "old")
            await events.next()
            #expect(daemon.connectionCount == 2)
        }
    }

    /// One who has no right to any call: the daemon closes before it reads.
    @Test func aConnectionThatMayNotStaySaysWhy() async throws {
        try await withDaemon({ peer, _ in try Self.turnAway(peer) }) { client, daemon in
            let error = await #expect(throws: CofferError.self) { try await client.text("c") }
            #expect(error?.code == .permissionDenied)
            #expect(daemon.connectionCount == 1)
            // Nothing that was sent on such a connection is carried out.
            let write = await #expect(throws: CofferError.self) {
                try await client.store(Credential("s".utf8), user: "u", connection: "c")
            }
            #expect(write?.code == .permissionDenied && write?.message == "no")
            #expect(daemon.connectionCount == 2)
        }
    }

    /// Says no and closes, without reading.
    private static func turnAway(_ peer: FakePeer) throws {
        let payload: [UInt8] = try Coffer_V1_Failure.with {
            $0.reason = .denied
            $0.message = "no"
        }.serializedBytes()
        try peer.write(
            FakePeer.frame(
                FrameHeader(
                    .goAway, callID: 0, methodOrStatus: CofferError.Code.permissionDenied.rawValue,
                    payloadBytes: payload.count), payload))
        peer.hangUp()
    }

    /// A call may come between the end of a connection and the channel's next look at it.
    @Test func aCallAfterTheEndOfItsConnectionSaysWhyThatEnded() async throws {
        try await withDaemon({ peer, _ in try Self.turnAway(peer) }) { client, _ in
            let connection = try await client.channel.connection(until: .now + .seconds(1))
            while connection.state.withLock({ $0.status != .closed }) { await Task.yield() }
            let call = try client.channel.outgoing(
                Coffer_V1_StatsRequest(), Coffer_V1_AdminMethods.stats, CofferCallOptions())
            let lost = await #expect(throws: ConnectionLost.self) { try await connection.reply(to: call) }
            #expect(lost?.cause.code == .permissionDenied && lost?.wasTurnedAway == true)
            #expect(lost?.mayHaveBeenSent == false)
        }
    }

    /// Writing fails at once when the daemon has closed; what it said before waits to be read.
    @Test func aCallAfterAFailedWriteWaitsForTheReason() async throws {
        let gate = Gate()
        let script: FakeDaemon.Script = { peer, _ in
            gate.wait()
            try Self.turnAway(peer)
        }
        try await withDaemon(script) { client, _ in
            let connection = try await client.channel.connection(until: .now + .seconds(1))
            connection.state.withLock { state in
                connection.socket.shutdownWriting()
                state.outbound.append(Frame(FrameHeader(.cancel, callID: 9)), startingCall: nil)
                connection.flush(&state)
                #expect(state.status == .draining)
            }
            let call = try client.channel.outgoing(
                Coffer_V1_StatsRequest(), Coffer_V1_AdminMethods.stats, CofferCallOptions())
            let reply = Task { try await connection.reply(to: call) }
            while connection.state.withLock({ $0.calls.isEmpty && $0.status != .closed }) { await Task.yield() }
            gate.open()
            let lost = await #expect(throws: ConnectionLost.self) { try await reply.value }
            #expect(lost?.cause.code == .permissionDenied)
        }
    }

    @Test func aCallRefusedByADrainingDaemonIsMadeAgain() async throws {
        let script: FakeDaemon.Script = { peer, number in
            if number > 1 { return try MemoryDaemon().serve(peer, number) }
            let call = try peer.read().header.callID
            try peer.goAway()
            try peer.refuse(call, .unavailable, .draining)
            _ = try peer.read()
        }
        try await withDaemon(script) { client, daemon in
            try await client.store(Credential("s".utf8), user: "u", connection: "c")
            #expect(daemon.connectionCount == 2)
        }
    }

    @Test func aWriteThatADrainCutOffIsNotMadeAgain() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            try peer.refuse(try peer.read().header.callID, .unavailable, .draining, mayHaveHappened: true)
            _ = try peer.read()
        }
        try await withDaemon(script) { client, daemon in
            let error = await #expect(throws: CofferError.self) {
                try await client.store(Credential("s".utf8), user: "u", connection: "c")
            }
            #expect(error?.reason == .draining && error?.mayHaveHappened == true)
            #expect(daemon.connectionCount == 1)
        }
    }

    @Test func aDaemonThatIsAwayForAMomentIsWaitedFor() async throws {
        let daemon = FakeDaemon { peer, _ in
            let request = try peer.read()
            try peer.respond(request.header.callID, try echo(request))
        }
        let client = CofferClient(socketPath: daemon.path)
        try await client.expectEcho("before")
        daemon.stop()
        async let answer = client.text("after")
        try await Task.sleep(for: .milliseconds(150))
        let restarted = FakeDaemon(path: daemon.path, answerGets)
        defer { restarted.stop() }
        let text = try await answer
        #expect(text == "after")
    }

    @Test func aDaemonThatNeverWasThereFailsAtOnce() async throws {
        let path = FakeDaemon.freshPath()
        let client = CofferClient(socketPath: path)
        let start = ContinuousClock.now
        let error = await #expect(throws: CofferError.self) { try await client.text() }
        #expect(error?.description == "UNAVAILABLE: cofferd is not running at \(path); start it, or set COFFER_SOCKET")
        #expect(ContinuousClock.now - start < .seconds(1))
    }

    @Test func aPathTooLongForASocketSaysSo() async throws {
        let client = CofferClient(socketPath: "/" + String(repeating: "x", count: 107))
        let error = await #expect(throws: CofferError.self) { try await client.text() }
        #expect(
            error?.description
                == "INVALID_ARGUMENT: the path of the socket has 108 bytes, expected 1 to 107; set COFFER_SOCKET to another one")
    }

    @Test("A call waits for a full backlog no longer than its own time")
    func busy() async throws {
        let daemon = try BusyListener()
        let client = CofferClient(socketPath: daemon.path)
        let start = ContinuousClock.now
        let error = await #expect(throws: CofferError.self) { try await client.text(timeout: .milliseconds(200)) }
        #expect(error?.code == .unavailable)
        #expect(ContinuousClock.now - start < .seconds(2))
    }
}
