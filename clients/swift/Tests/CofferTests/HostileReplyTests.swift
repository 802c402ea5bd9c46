import Testing

@testable import Coffer

@Suite("What no daemon would send")
struct HostileReplyTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        /// What the text of the error says.
        let complaint: String
        let bytes: @Sendable (UInt64) throws -> [UInt8]
    }

    static func header(_ call: UInt64, _ change: (inout FrameHeader) -> Void) -> [UInt8] {
        var header = FrameHeader(.response, callID: call)
        change(&header)
        return FakePeer.frame(header)
    }

    static let fatalCases = [
        Case(testDescription: "a length over the limit", complaint: "at most 1114112 are accepted") {
            header($0) { $0.length = 1 << 30 }
        },
        Case(testDescription: "a length one byte over the limit", complaint: "1114113 bytes was announced") {
            header($0) { $0.length = (1 << 20) + (64 << 10) - 3 }
        },
        Case(testDescription: "a length below the header's", complaint: "at least 20, got 19") {
            header($0) { $0.length = 19 }
        },
        Case(testDescription: "HTTP", complaint: "was announced") { _ in Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8) },
        Case(testDescription: "version 2", complaint: "version 2") { header($0) { $0.version = 2 } },
        Case(testDescription: "an unknown flag", complaint: "flags 2") { header($0) { $0.flags = 2 } },
        Case(testDescription: "a request", complaint: "kind 1") { header($0) { $0.kind = 1 } },
        Case(testDescription: "an unknown kind", complaint: "kind 9") { header($0) { $0.kind = 9 } },
        Case(testDescription: "go-away for a call", complaint: "kind 4") { header($0) { $0.kind = 4 } },
    ]

    @Test("ends the call and the connection; the next call gets a new one", arguments: fatalCases)
    func fatal(_ hostile: Case) async throws {
        let script: FakeDaemon.Script = { peer, number in
            if number > 1 { return try answerGets(peer) }
            try peer.write(try hostile.bytes(try peer.read().header.callID))
            _ = try peer.read()
        }
        try await withDaemon(script) { client, daemon in
            let error = await #expect(throws: CofferError.self) {
                try await client.delete(user: "u", connection: "c")
            }
            #expect(error?.code == .internal)
            #expect(error?.message.contains(hostile.complaint) == true, "\(error?.message ?? "")")
            try await client.expectEcho("c")
            #expect(daemon.connectionCount == 2)
        }
    }

    @Test("Responses to calls that are not in flight are ignored")
    func strayResponses() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            while true {
                let request = try peer.read()
                let call = request.header.callID
                let response = try FakePeer.response(call, echo(request))
                try peer.write(Self.header(call + 7) { _ in } + Self.header(0) { _ in } + response + response)
            }
        }
        try await withDaemon(script) { client, daemon in
            try await client.expectEcho("c")
            try await client.expectEcho("d")
            #expect(daemon.connectionCount == 1)
        }
    }

    @Test("More announced where nothing may follow fails the call alone")
    func moreAfterTheEnd() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            try peer.write(Self.header(try peer.read().header.callID) { $0.flags = 1 })
            #expect(try peer.read().header.kind == FrameKind.cancel.rawValue)
            try answerGets(peer)
        }
        try await withDaemon(script) { client, daemon in
            #expect(await TransportTests.code { try await client.text() } == .internal)
            try await client.expectEcho("c")
            #expect(daemon.connectionCount == 1)
        }
    }

    @Test("A failure ends its call with its status, whatever it announces")
    func failureWithMore() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            for _ in 0..<2 {
                try peer.write(Self.header(try peer.read().header.callID) { $0.flags = 1; $0.methodOrStatus = 5 })
            }
            try answerGets(peer)
        }
        try await withDaemon(script) { client, daemon in
            #expect(await TransportTests.code { try await client.text() } == .notFound)
            let code = await TransportTests.code {
                for try await _ in client.credentials.getMany(.init()) {}
            }
            #expect(code == .notFound)
            try await client.expectEcho("c")
            #expect(daemon.connectionCount == 1)
        }
    }

    @Test("A payload that does not decode fails its call alone", arguments: [
        [0xFF], [0x0A, 0x05, 0x01], [0x12, 0x01, 0xFF],
    ] as [[UInt8]])
    func undecodablePayload(payload: [UInt8]) async throws {
        let script: FakeDaemon.Script = { peer, _ in
            let call = try peer.read().header.callID
            try peer.write(FakePeer.frame(FrameHeader(.response, callID: call, payloadBytes: payload.count), payload))
            try answerGets(peer)
        }
        try await withDaemon(script) { client, daemon in
            let error = await #expect(throws: CofferError.self) { try await client.text() }
            #expect(error?.message == "the response to coffer.v1.Credentials/Get does not decode")
            try await client.expectEcho("c")
            #expect(daemon.connectionCount == 1)
        }
    }

    @Test("A failure that does not decode keeps its code; an unknown code is UNKNOWN")
    func oddFailures() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            let first = try peer.read().header.callID
            try peer.write(
                FakePeer.frame(
                    FrameHeader(.response, callID: first, methodOrStatus: 14, timeoutOrRetry: 250, payloadBytes: 1),
                    [0xFF]))
            try peer.refuse(try peer.read().header.callID, .init(rawValue: 99), .init(rawValue: 1_234)!)
            _ = try peer.read()
        }
        try await withDaemon(script) { client, _ in
            let garbled = await #expect(throws: CofferError.self) { try await client.text() }
            #expect(garbled?.code == .unavailable && garbled?.retryAfter == .milliseconds(250))
            let unknown = await #expect(throws: CofferError.self) { try await client.text() }
            #expect(unknown?.code == .unknown && unknown?.reason.rawValue == 1_234)
        }
    }

    @Test("A failure for call 0 tells every call why the connection ends")
    func connectionFailure() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            _ = try peer.read()
            try peer.refuse(0, .invalidArgument, .malformed)
        }
        try await withDaemon(script) { client, _ in
            let error = await #expect(throws: CofferError.self) {
                try await client.delete(user: "u", connection: "c")
            }
            #expect(error?.code == .invalidArgument && error?.reason == .malformed)
        }
    }
}
