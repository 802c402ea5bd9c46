/// The 24 bytes in front of every message, as proto/PROTOCOL.md lays them out.
enum FrameHeader {
    static let bytes = 24
    /// The length field does not count itself.
    static let lengthFieldBytes = 4
    static let version: UInt8 = 1
    /// A failure has a message of at most 1,024 bytes, an answer a version of 128.
    static let answerOverhead = 2048

    enum Kind {
        static let request: UInt8 = 1
        static let response: UInt8 = 2
        static let goAway: UInt8 = 4
    }

    enum Offset {
        static let version = 4
        static let kind = 5
        static let flags = 6
        static let callID = 8
        /// Of a response; a request has its method here.
        static let status = 16
    }

    /// A whole frame. `code` is the method of a request, the status of a response.
    static func frame(kind: UInt8, code: UInt32, payload: [UInt8]) -> [UInt8] {
        var frame: [UInt8] = []
        frame.reserveCapacity(bytes + payload.count)
        frame.append(bigEndian: UInt32(bytes - lengthFieldBytes + payload.count))
        frame += [version, kind, 0, 0]
        frame.append(bigEndian: UInt64(0))
        frame.append(bigEndian: code)
        frame.append(bigEndian: UInt32(0))
        return frame + payload
    }
}

extension [UInt8] {
    fileprivate mutating func append<T: FixedWidthInteger>(bigEndian value: T) {
        for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> T(shift)))
        }
    }
}

extension UnsafeRawPointer {
    func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: T.Type) -> T {
        T(bigEndian: loadUnaligned(fromByteOffset: offset, as: type))
    }
}

extension UnsafeMutableRawPointer {
    func store<T: FixedWidthInteger & BitwiseCopyable>(bigEndian value: T, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self)
    }
}
