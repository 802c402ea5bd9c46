import CProtobufC
import CofferCore
import CofferMessages
import CofferServer
import CofferWire
import Glibc

// Tells what the daemon makes of requests, for oracle.py to compare with
// Google's protobuf.
//
// Reads from stdin: method id (4 bytes, big-endian), length (4), payload; and so
// on. Writes one line for each: "accepted FIELDS" or "refused FAILURE".

/// Takes a decoded request of any method and prints it.
struct Printer: CredentialsHandler, AdminHandler {
    func store(_ request: UnsafePointer<Coffer__V1__StoreRequest>, _: inout Void) { print(request) }
    func get(_ request: UnsafePointer<Coffer__V1__GetRequest>, _: inout Void) { print(request) }
    func delete(_ request: UnsafePointer<Coffer__V1__DeleteRequest>, _: inout Void) { print(request) }
    func getMany(_ request: UnsafePointer<Coffer__V1__GetManyRequest>, _: inout Void) { print(request) }
    func list(_ request: UnsafePointer<Coffer__V1__ListRequest>, _: inout Void) { print(request) }
    func ping(_ request: UnsafePointer<Coffer__V1__PingRequest>, _: inout Void) { print(request) }
    func health(_ request: UnsafePointer<Coffer__V1__HealthRequest>, _: inout Void) { print(request) }
    func stats(_ request: UnsafePointer<Coffer__V1__StatsRequest>, _: inout Void) { print(request) }
    func invalidate(_ request: UnsafePointer<Coffer__V1__InvalidateRequest>, _: inout Void) { print(request) }
    func doctor(_ request: UnsafePointer<Coffer__V1__DoctorRequest>, _: inout Void) { print(request) }

    /// Every message of protobuf-c begins with its descriptor.
    private func print(_ message: UnsafeRawPointer) {
        let descriptor = message.load(as: UnsafePointer<ProtobufCMessageDescriptor>.self)
        Swift.print("accepted \(FieldPrinter.text(message, descriptor.pointee))")
    }

    func take(_ method: UInt32, _ payload: UnsafeRawBufferPointer, _ arena: Arena) throws(Failure) {
        var call: Void = ()
        if let method = CredentialsMethod(rawValue: method) {
            try dispatch(method, payload: payload, arena: arena, call: &call)
        } else if let method = AdminMethod(rawValue: method) {
            try dispatch(method, payload: payload, arena: arena, call: &call)
        } else {
            fatalError("oracle.py names a method that does not exist: \(method)")
        }
    }
}

/// All of stdin: some ten megabytes.
func readAll() -> [UInt8] {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = read(STDIN_FILENO, &piece, piece.count)
        guard count >= 0 else { fatalError("stdin: errno \(errno)") }
        if count == 0 { return bytes }
        bytes += piece[..<count]
    }
}

func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }

let printer = Printer()
let arena = Arena(capacity: 4 << 20)
var input = readAll()[...]
while !input.isEmpty {
    let length = Int(number(input.dropFirst(4).prefix(4)))
    let payload = Array(input.dropFirst(8).prefix(length))
    guard payload.count == length else { fatalError("half a request") }
    payload.withUnsafeBytes { payload in
        do throws(Failure) {
            try printer.take(number(input.prefix(4)), payload, arena)
        } catch {
            print("refused \(error.message)")
        }
    }
    arena.reset()
    input = input.dropFirst(8 + length)
}
