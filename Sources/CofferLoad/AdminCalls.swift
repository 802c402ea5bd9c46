internal import CofferCore
internal import Glibc

/// Calls of an operator, one at a time, on a connection of their own.
struct AdminCalls: ~Copyable {
    /// More than the daemon ever has to say of itself.
    private static let largestAnswer: UInt32 = 1 << 20

    private let descriptor: Int32

    init(socket: String) throws(LoadError) { descriptor = try openSocket(socket) }

    deinit { close(descriptor) }

    /// The daemon's counters, by name.
    func stats() throws(LoadError) -> [String: UInt64] {
        let answer = try call("coffer.v1.Admin/Stats", [])
        do throws(FieldReader.Malformed) {
            return try Self.stats(in: answer.span.bytes)
        } catch {
            throw LoadError("Stats: the message of \(answer.count) bytes does not decode")
        }
    }

    /// Empties the daemon's cache.
    func invalidateAll() throws(LoadError) {
        var all = MessageWriter()
        all.field(3, 1)
        _ = try call("coffer.v1.Admin/Invalidate", all.bytes)
    }

    private func call(_ method: String, _ payload: [UInt8]) throws(LoadError) -> [UInt8] {
        let request = FrameHeader.frame(kind: FrameHeader.Kind.request, code: Method.id(of: method), payload: payload)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            throw .system("\(method): cannot send")
        }
        let header = try receive(FrameHeader.bytes, method)
        let (length, status) = header.withUnsafeBytes { header in
            (
                header.baseAddress!.bigEndian(at: 0, as: UInt32.self),
                header.baseAddress!.bigEndian(at: FrameHeader.Offset.status, as: UInt32.self)
            )
        }
        guard header[FrameHeader.Offset.kind] == FrameHeader.Kind.response, length <= Self.largestAnswer else {
            throw LoadError("\(method): expected a response of at most \(Self.largestAnswer) bytes")
        }
        let answer = try receive(Int(length) + FrameHeader.lengthFieldBytes - FrameHeader.bytes, method)
        guard status == StatusCode.ok.rawValue else {
            throw LoadError(
                "\(method): \(StatusCode(rawValue: status)?.name ?? "UNDEFINED"): run as the daemon's own user")
        }
        return answer
    }

    private func receive(_ count: Int, _ method: String) throws(LoadError) -> [UInt8] {
        guard count >= 0 else { throw LoadError("\(method): an answer is shorter than its header") }
        var bytes = [UInt8](repeating: 0, count: count)
        guard count == 0 || recv(descriptor, &bytes, count, Int32(MSG_WAITALL)) == count else {
            throw LoadError("\(method): the server closed the connection")
        }
        return bytes
    }

    private static func stats(in answer: RawSpan) throws(FieldReader.Malformed) -> [String: UInt64] {
        var stats: [String: UInt64] = [:]
        var reader = FieldReader()
        while let field = try reader.next(in: answer) {
            guard case .bytes(1, let range) = field else { continue }
            let stat = answer.extracting(range)
            var (name, value) = ("", UInt64(0))
            var inner = FieldReader()
            while let field = try inner.next(in: stat) {
                switch field {
                case .bytes(1, let range): name = stat.extracting(range).text
                case .varint(2, let number): value = number
                default: continue
                }
            }
            stats[name] = value
        }
        return stats
    }
}
