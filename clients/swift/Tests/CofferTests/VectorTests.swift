import SwiftProtobuf
import Testing

@testable import Coffer

/// The bytes that every implementation is tested with, made by another protobuf
/// library than the client's.
@Suite("Golden vectors")
struct VectorTests {
    private static let types: [any Message.Type] = [
        Coffer_V1_StoreRequest.self, Coffer_V1_StoreResponse.self, Coffer_V1_GetRequest.self,
        Coffer_V1_GetResponse.self, Coffer_V1_DeleteRequest.self, Coffer_V1_DeleteResponse.self,
        Coffer_V1_GetManyRequest.self, Coffer_V1_GetManyResponse.self, Coffer_V1_ListRequest.self,
        Coffer_V1_ListResponse.self, Coffer_V1_PingRequest.self, Coffer_V1_PingResponse.self, Coffer_V1_HealthRequest.self, Coffer_V1_HealthResponse.self,
        Coffer_V1_StatsRequest.self, Coffer_V1_StatsResponse.self, Coffer_V1_InvalidateRequest.self,
        Coffer_V1_InvalidateResponse.self, Coffer_V1_DoctorRequest.self, Coffer_V1_DoctorResponse.self,
        Coffer_V1_Failure.self,
    ]

    private static let methods: [String: UInt32] = [
        Coffer_V1_CredentialsMethods.store.fullName: Coffer_V1_CredentialsMethods.store.id,
        Coffer_V1_CredentialsMethods.get.fullName: Coffer_V1_CredentialsMethods.get.id,
        Coffer_V1_CredentialsMethods.delete.fullName: Coffer_V1_CredentialsMethods.delete.id,
        Coffer_V1_CredentialsMethods.getMany.fullName: Coffer_V1_CredentialsMethods.getMany.id,
        Coffer_V1_CredentialsMethods.list.fullName: Coffer_V1_CredentialsMethods.list.id,
        Coffer_V1_CredentialsMethods.ping.fullName: Coffer_V1_CredentialsMethods.ping.id,
        Coffer_V1_AdminMethods.health.fullName: Coffer_V1_AdminMethods.health.id,
        Coffer_V1_AdminMethods.stats.fullName: Coffer_V1_AdminMethods.stats.id,
        Coffer_V1_AdminMethods.invalidate.fullName: Coffer_V1_AdminMethods.invalidate.id,
        Coffer_V1_AdminMethods.doctor.fullName: Coffer_V1_AdminMethods.doctor.id,
    ]

    @Test("Every valid frame is taken apart as it should, and canonical ones are made again byte for byte")
    func frames() throws {
        let vectors = try Vector.read("frames.txt")
        #expect(vectors.count >= 50)
        for vector in vectors { try check(vector) }
    }

    private func check(_ vector: Vector) throws {
        let comment = Comment(rawValue: vector.name)
        var reader = FrameReader(maximumFrameBytes: CofferConfiguration.largestFrameBytes)
        var rest = vector.bytes[...]
        var taken: (FrameHeader, Frame)?
        while taken == nil, !rest.isEmpty {
            let count = reader.append { memory -> Int? in
                let part = rest.prefix(memory.count)
                memory.copyBytes(from: part)
                return part.count
            }
            rest = rest.dropFirst(try #require(count))
            taken = try reader.next()
        }
        let (header, frame) = try #require(taken, comment)
        #expect(rest.isEmpty, comment)
        #expect(header.callID == UInt64(vector.fields["call"] ?? "0"), comment)
        switch vector.outcome {
        case "request":
            #expect(header.kind == FrameKind.request.rawValue, comment)
            #expect(String(header.timeoutOrRetry) == vector.fields["timeout"], comment)
            let name = try #require(vector.fields["method"], comment).replacing("%2F", with: "/")
            #expect(header.methodOrStatus == Self.methods[name], comment)
        case "response":
            let reply = Reply(header, frame)
            let code = CofferError.Code(rawValue: reply.status)
            #expect(code.description == vector.fields["status"], comment)
            #expect(String(reply.retryMilliseconds) == vector.fields["retry"], comment)
            #expect(reply.more == (vector.fields["more"] == "1"), comment)
        case "cancel": #expect(header.kind == FrameKind.cancel.rawValue, comment)
        default: #expect(header.kind == FrameKind.goAway.rawValue, comment)
        }
        if let typeName = vector.fields["type"] { try checkMessage(frame, typeName, vector) }
    }

    private func checkMessage(_ frame: Frame, _ typeName: String, _ vector: Vector) throws {
        let type = try #require(Self.types.first { $0.protoMessageName == typeName }, "\(typeName)")
        let message = try type.init(serializedBytes: frame)
        guard vector.fields["canonical"] == "1" else { return }
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        let again: [UInt8] = try message.serializedBytes(options: options)
        #expect(again == Array(vector.bytes.dropFirst(FrameHeader.byteCount)), Comment(rawValue: vector.name))
    }

    /// What swift-protobuf reads where the protocol asks a client to refuse: the
    /// last of two values, text with a NUL, any number of elements and of unknown
    /// fields, groups among them; see README.md.
    private static let lenient: Set<String> = [
        "group", "singular-twice", "nul-in-text", "1025-unknown-fields",
        "a-megabyte-of-unknown-fields", "a-megabyte-of-labels",
    ]

    @Test("What a daemon must not send ends the call, and the connection where it must")
    func badResponses() async throws {
        let vectors = try Vector.read("bad-responses.txt")
        #expect(vectors.count >= 20)
        #expect(Self.lenient.isSubset(of: vectors.map(\.name)))
        for vector in vectors { try await checkBadResponse(vector) }
    }

    /// Whatever came back, the daemon had the request.
    @Test("A write that ends by what a daemon must not send may have happened, and a read has not")
    func badResponsesToWrites() async throws {
        var count = 0
        for vector in try Vector.read("bad-responses.txt") where !Self.lenient.contains(vector.name) {
            try await withDaemon({ peer, _ in
                _ = try peer.read()
                try peer.write(vector.bytes)
                while true { _ = try peer.read() }
            }) { client, _ in
                do {
                    _ = try await client.store(Credential("s".utf8), user: "u", connection: "c", timeout: .seconds(5))
                } catch let error as CofferError {
                    // What is malformed for a Get only, a Store takes; and some are failures as they should be.
                    guard error.reason == .malformed || error.code == .internal else { return }
                    count += 1
                    #expect(error.mayHaveHappened && error.message.hasSuffix("a write may have happened"), "\(vector): \(error)")
                }
                let read = await #expect(throws: CofferError.self, "\(vector)") { try await client.text(timeout: .milliseconds(200)) }
                #expect(read?.mayHaveHappened == false, "\(vector)")
            }
        }
        #expect(count >= 10)
    }

    private func checkBadResponse(_ vector: Vector) async throws {
        let script: FakeDaemon.Script = { peer, number in
            if number > 1 { return try answerGets(peer) }
            _ = try peer.read()
            try peer.write(vector.bytes)
            // A cancel may come first, where the call was ended early.
            while true {
                let request = try peer.read()
                if request.header.kind == FrameKind.request.rawValue {
                    try peer.respond(request.header.callID, try echo(request))
                }
            }
        }
        try await withDaemon(script) { client, daemon in
            var options = CofferCallOptions()
            options.timeout = .seconds(5)
            var request = Coffer_V1_GetRequest()
            request.connectionID = "c"
            // A Get would be made again on the next connection.
            let method = CofferMethod<Coffer_V1_GetRequest, Coffer_V1_GetResponse>(id: 1, fullName: "test")
            let code = await TransportTests.code { [request, options] in
                try await client.credentials.channel.response(to: request, of: method, options: options)
            }
            if Self.lenient.contains(vector.name) {
                #expect(code == nil, "\(vector)")
            } else {
                #expect(code?.description ?? "OK" == vector.fields["status"], "\(vector)")
            }
            try await client.expectEcho("next")
            #expect(daemon.connectionCount == (vector.fields["then"] == "closed" ? 2 : 1), "\(vector)")
        }
    }
}
