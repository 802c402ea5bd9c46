import CofferCore
import CofferMessages
import CofferServer
import CofferWire
import Testing

/// The generated dispatcher over the real scan and the real protobuf-c.
@Suite("Dispatch of requests")
struct DispatchTests {
    /// Notes what it is called with.
    private final class Recorder: CredentialsHandler {
        var calls: [String] = []

        private func note(_ call: String) -> String {
            calls.append(call)
            return call
        }

        func store(_ request: UnsafePointer<Coffer__V1__StoreRequest>, _ call: inout Int) throws(Failure) -> String {
            let request = request.pointee
            return note("\(call) store \(String(cString: request.user_id)) \(request.credential.len) bytes")
        }
        func get(_ request: UnsafePointer<Coffer__V1__GetRequest>, _ call: inout Int) throws(Failure) -> String {
            note("\(call) get \(String(cString: request.pointee.connection_id))")
        }
        func delete(_ request: UnsafePointer<Coffer__V1__DeleteRequest>, _ call: inout Int) throws(Failure) -> String {
            throw .notFound
        }
        func getMany(_ request: UnsafePointer<Coffer__V1__GetManyRequest>, _ call: inout Int) throws(Failure) -> String {
            note("\(call) getMany \(request.pointee.n_keys) keys")
        }
        func list(_ request: UnsafePointer<Coffer__V1__ListRequest>, _ call: inout Int) throws(Failure) -> String {
            note("\(call) list \(request.pointee.page_size)")
        }
        func ping(_ request: UnsafePointer<Coffer__V1__PingRequest>, _ call: inout Int) throws(Failure) -> String {
            note("\(call) ping")
        }
    }

    private let recorder = Recorder()
    private let arena = Arena(capacity: 1 << 16)

    private func dispatch(_ method: CredentialsMethod, _ payload: [UInt8]) throws(Failure) {
        var failure: Failure?
        payload.withUnsafeBytes { bytes in
            do throws(Failure) {
                var call = 7
                let handled = try recorder.dispatch(method, payload: bytes, arena: arena, call: &call)
                #expect(handled == recorder.calls.last)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    @Test func eachMethodGetsItsOwnMessage() throws {
        try dispatch(.store, [0x0A, 1, 0x75, 0x1A, 2, 0, 0xFF])
        try dispatch(.get, [0x12, 1, 0x63])
        try dispatch(.getMany, [0x0A, 3, 0x0A, 1, 0x75, 0x0A, 0])
        try dispatch(.list, [0x18, 9])
        #expect(recorder.calls == ["7 store u 2 bytes", "7 get c", "7 getMany 2 keys", "7 list 9"])
    }

    @Test func whatAMethodThrowsComesThrough() {
        #expect(throws: Failure.notFound) { try dispatch(.delete, []) }
    }

    @Test("The scan refuses before protobuf-c sees it", arguments: [
        ([0x0A, 9, 0x75], "coffer.v1.StoreRequest.user_id"),
        ([0x0A, 1, 0x75, 0x0A, 1, 0x75], "coffer.v1.StoreRequest.user_id"),
        ([0x32, 1, 0x76, 0x38, 1], "coffer.v1.StoreRequest.if_absent"),
        ([0x2A, 2, 0x18, 1], "coffer.v1.StoreRequest.labels"),
    ] as [([UInt8], String)])
    func malformed(payload: [UInt8], place: String) {
        let failure = #expect(throws: Failure.self) { try dispatch(.store, payload) }
        #expect(failure?.code == .invalidArgument && failure?.reason == .malformed)
        #expect(failure?.message.hasPrefix(place + ":") == true, "\(failure?.message ?? "")")
        #expect(recorder.calls.isEmpty)
    }

    /// 32-bit FNV-1a, as the protocol has it.
    private func hash(_ name: String) -> UInt32 {
        name.utf8.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }

    @Test("A method's id is the hash of its name, and ids tell all methods apart")
    func ids() {
        for method in CredentialsMethod.allCases { #expect(method.rawValue == hash(method.fullName)) }
        for method in AdminMethod.allCases { #expect(method.rawValue == hash(method.fullName)) }
        let ids = CredentialsMethod.allCases.map(\.rawValue) + AdminMethod.allCases.map(\.rawValue)
        #expect(Set(ids).count == 10)
        #expect(CredentialsMethod.allCases.filter(\.streamsResponse) == [.getMany])
    }
}
