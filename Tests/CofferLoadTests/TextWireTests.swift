import CofferCore
import Testing

@testable import CofferLoad

/// The text protocols on bytes alone. Requests and answers are as the servers'
/// own documents write them.
@Suite struct TextWireTests {
    private static let shape = RecordShape(valueBytes: 10)

    @Test func memcachedRequests() {
        let wire = MemcachedWire(shape: Self.shape)
        #expect(written(.get, by: wire, key: 0x2a) == "get load-0000002a\r\n")
        #expect(written(.store, by: wire, key: 0x2a) == "set load-0000002a 0 0 10\r\n0000002aij\r\n")
    }

    @Test func redisRequests() {
        let wire = RedisWire(shape: Self.shape)
        #expect(written(.get, by: wire, key: 0x2a) == "*2\r\n$3\r\nGET\r\n$13\r\nload-0000002a\r\n")
        #expect(
            written(.store, by: wire, key: 0x2a)
                == "*3\r\n$3\r\nSET\r\n$13\r\nload-0000002a\r\n$10\r\n0000002aij\r\n")
    }

    @Test func httpRequest() {
        let wire = HTTPWire(path: "/v1/a", shape: Self.shape)
        #expect(written(.get, by: wire, key: 0x2a) == "GET /v1/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }

    /// A value of eight bytes looks as the digits in the key do.
    @Test func aValueOfDigitsOnly() {
        let wire = MemcachedWire(shape: RecordShape(valueBytes: 8))
        #expect(written(.store, by: wire, key: 0x2a) == "set load-0000002a 0 0 8\r\n0000002a\r\n")
    }

    private static let http = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 14\r\n\r\n{\"0000000aij\"}"

    @Test(arguments: [
        (.memcached, "VALUE load-0000000a 0 10\r\n0000000aij\r\nEND\r\n", .ok, "0000000aij"),
        (.memcached, "STORED\r\n", .ok, ""),
        (.memcached, "END\r\n", .notFound, "END"),
        (.memcached, "SERVER_ERROR out of memory\r\n", .internal, "SERVER_ERROR out of memory"),
        (.redis, "$10\r\n0000000aij\r\n", .ok, "0000000aij"),
        (.redis, "+OK\r\n", .ok, ""),
        (.redis, "$-1\r\n", .notFound, "$-1"),
        (.redis, "-ERR unknown command\r\n", .internal, "-ERR unknown command"),
        (.http, http, .ok, "{\"0000000aij\"}"),
        (.http, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", .notFound, "HTTP/1.1 404 No"),
        (.http, "HTTP/1.1 503 Sealed\r\nContent-Length: 0\r\n\r\n", .internal, "HTTP/1.1 503 Se"),
    ] as [(Peer, String, StatusCode, String)])
    func answers(peer: Peer, text: String, status: StatusCode, payload: String) throws {
        let bytes = Array(text.utf8)
        // Whole only with its last byte, and not longer with what follows.
        for count in 0..<bytes.count {
            #expect(try answer(Array(bytes[..<count]), peer) == nil, "of \(count) bytes")
        }
        for received in [bytes, bytes + bytes] {
            let found = try #require(try answer(received, peer))
            #expect(found.bytes == bytes.count)
            #expect(found.status == status.rawValue)
            #expect(found.payload == payload)
        }
    }

    @Test(arguments: [
        (.memcached, "VALUE load-0000000a 0 3\r\n0000000aij\r\nEND\r\n", "expected END behind a value of 3 bytes"),
        (.http, "HTTP/1.0 200 OK\r\n\r\n", "expected an answer of HTTP/1.1"),
        (.http, "HTTP/1.1 200 OK\r\n\r\n", "expected a Content-Length in an answer with status 200"),
    ] as [(Peer, String, String)])
    func refuses(peer: Peer, text: String, message: String) throws {
        let error = #expect(throws: LoadError.self) { try answer(Array(text.utf8), peer) }
        #expect(try #require(error).description == message)
    }

    @Test func aValueIsThatOfItsRecord() {
        let value = Array("0000000aij".utf8)
        for wire in [MemcachedWire(shape: Self.shape) as any Wire, RedisWire(shape: Self.shape)] {
            #expect(wire.fault(in: value.span.bytes, method: .get, key: 10) == nil)
            #expect(
                wire.fault(in: value.span.bytes, method: .get, key: 11)
                    == "Get: record 11 came with another value: 10 bytes, expected 10")
        }
        let http = HTTPWire(path: "/", shape: Self.shape)
        let body = Array("{\"value\":\"00000000ij\"}".utf8)
        #expect(http.fault(in: body.span.bytes, method: .get, key: 10) == nil)
        #expect(
            http.fault(in: value.span.bytes, method: .get, key: 10) == "GET: the value is not in the body of 10 bytes")
    }

    private func answer(_ bytes: [UInt8], _ peer: Peer) throws -> (bytes: Int, status: UInt32, payload: String)? {
        let wire: any Wire =
            switch peer {
            case .memcached: MemcachedWire(shape: Self.shape)
            case .redis: RedisWire(shape: Self.shape)
            default: HTTPWire(path: "/", shape: Self.shape)
            }
        return try bytes.withUnsafeBytes { received in
            try wire.answer(in: received).map {
                ($0.bytes, $0.status, String(decoding: $0.payload, as: UTF8.self))
            }
        }
    }
}

/// The request of this call, the third one of its connection.
func written(_ method: CofferLoad.Method, by wire: some Wire, key: UInt32) -> String {
    String(decoding: requestBytes(method, by: wire, key: key), as: UTF8.self)
}

func requestBytes(_ method: CofferLoad.Method, by wire: some Wire, key: UInt32) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xff, count: wire.largestRequest)
    let count = bytes.withUnsafeMutableBytes {
        wire.write(method, to: $0.baseAddress!, callID: 0x0102, sequence: 3, key: key)
    }
    return Array(bytes[..<count])
}
