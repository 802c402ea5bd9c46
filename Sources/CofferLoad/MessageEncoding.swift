/// Protobuf messages, written and read by hand: the generator shares no codec
/// with what it measures, so each checks the other.
struct MessageWriter {
    private(set) var bytes: [UInt8] = []

    mutating func field(_ number: UInt64, _ value: UInt64) {
        varint(number << 3)
        varint(value)
    }

    mutating func field(_ number: UInt64, _ value: some Collection<UInt8>) {
        varint(number << 3 | 2)
        varint(UInt64(value.count))
        bytes += value
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

/// A place in a message, from which fields are read front to back. Pass the same
/// bytes to every call. Allocates nothing.
struct FieldReader {
    enum Field: Equatable {
        case varint(number: UInt64, value: UInt64)
        case bytes(number: UInt64, range: Range<Int>)
    }

    /// The message does not decode, or holds a wire type that no message of ours has.
    struct Malformed: Error {}

    private var position = 0

    /// The next field; nil at the end.
    mutating func next(in message: RawSpan) throws(Malformed) -> Field? {
        guard position < message.byteCount else { return nil }
        let tag = try varint(in: message)
        switch tag & 7 {
        case 0:
            return .varint(number: tag >> 3, value: try varint(in: message))
        case 2:
            let count = try varint(in: message)
            guard count <= UInt64(message.byteCount - position) else { throw Malformed() }
            defer { position += Int(count) }
            return .bytes(number: tag >> 3, range: position..<position + Int(count))
        default:
            throw Malformed()
        }
    }

    private mutating func varint(in message: RawSpan) throws(Malformed) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard position < message.byteCount else { throw Malformed() }
            let byte = message.byte(at: position)
            position += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 {
                guard shift < 63 || byte <= 1 else { throw Malformed() }
                return value
            }
        }
        throw Malformed()
    }
}

extension RawSpan {
    func byte(at offset: Int) -> UInt8 {
        precondition(offset >= 0 && offset < byteCount)
        return unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }
}
