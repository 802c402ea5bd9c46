import CofferCore
import Testing

@testable import CofferLoad

/// HTTP/2 frames by RFC 9113, headers by RFC 7541, written out by hand.
@Suite struct GRPCWireTests {
    private static let wire = GRPCWire(shape: RecordShape(valueBytes: 10))

    @Test func aRequestIsHeadersAndMessageOfOneStream() {
        let path = hexadecimal(Array("/coffer.v1.Credentials/Get".utf8))
        let headers = "8386" + "041a" + path + "0109" + hexadecimal(Array("localhost".utf8))
            + "0f1010" + hexadecimal(Array("application/grpc".utf8))
            + "0002" + hexadecimal(Array("te".utf8)) + "08" + hexadecimal(Array("trailers".utf8))
        // The third call of a connection is stream 5.
        #expect(
            hexadecimal(requestBytes(.get, by: Self.wire, key: 0x2a))
                == "000049" + "01" + "04" + "00000005" + headers
                + "00001a" + "00" + "01" + "00000005" + "0000000015" + RecordShapeTests.get42)
    }

    /// Settings and a window update, headers, the message, and the trailers.
    private static func response(_ message: [UInt8]) -> [UInt8] {
        let count = message.count
        return bytes("000004" + "08" + "00" + "00000000" + "00001000")
            + bytes("000001" + "01" + "04" + "00000005" + "88")
            + [0, UInt8((count + 5) >> 8), UInt8((count + 5) & 255), 0, 0, 0, 0, 0, 5]
            + [0, 0, 0, UInt8(count >> 8), UInt8(count & 255)] + message
            + bytes("000002" + "01" + "05" + "00000005" + "bfbf")
    }

    @Test func anAnswerEndsWithItsTrailers() throws {
        let message = EchoAnswers.getResponse(RecordShape(valueBytes: 10).value)
        let whole = Self.response(message)
        for count in 0..<whole.count {
            let isThere = try Array(whole[..<count]).withUnsafeBytes { try Self.wire.answer(in: $0) != nil }
            #expect(!isThere, "of \(count) bytes")
        }
        try (whole + whole).withUnsafeBytes { received in
            let answer = try #require(try Self.wire.answer(in: received))
            #expect(answer.bytes == whole.count)
            #expect(answer.status == StatusCode.ok.rawValue)
            #expect(Array(answer.payload) == message)
            #expect(Self.wire.fault(in: answer.payload.bytes, method: .get, key: 7) == nil)
        }
    }

    @Test func anAnswerWithoutAMessageIsNoOK() throws {
        // Trailers only.
        let refusal = bytes("000001" + "01" + "05" + "00000005" + "88")
        let status = try refusal.withUnsafeBytes { try #require(try Self.wire.answer(in: $0)).status }
        #expect(status == StatusCode.internal.rawValue)
    }

    @Test(arguments: [3, 7]) func stopsAtAnEndThatTheServerMakes(kind: UInt8) throws {
        let frame = bytes("000004") + [kind] + bytes("00" + "00000005" + "00000001")
        let error = #expect(throws: LoadError.self) {
            try frame.withUnsafeBytes { _ = try Self.wire.answer(in: $0) }
        }
        #expect(try #require(error).description == "the server sent a frame of type \(kind): it ended the call")
    }
}
