/// What a frame is for.
package enum FrameKind: UInt8, Sendable {
    case request = 1
    case response = 2
    case cancel = 3
    case goAway = 4
}

/// The 24 bytes before every payload; integers are big-endian on the wire.
/// Specified in proto/PROTOCOL.md.
package struct FrameHeader: Equatable, Sendable {
    /// The size on the wire.
    package static let byteCount = 24
    /// The part of the header that the length field counts.
    package static let countedBytes = 20
    package static let version: UInt8 = 1
    /// The flag bit that says another response to the same call follows.
    package static let moreFlag: UInt16 = 1

    /// Bytes after the length field: 20 + payload.
    package var length: UInt32
    package var version: UInt8 = Self.version
    /// Raw, as hostile peers send any; see `FrameKind`.
    package var kind: UInt8
    package var flags: UInt16
    package var callID: UInt64
    /// Request: method id. Response: status code.
    package var methodOrStatus: UInt32
    /// Request: milliseconds the caller will wait, 0 = the server's default.
    /// Response: milliseconds to wait before a retry, 0 = no advice.
    package var timeoutOrRetry: UInt32

    package init(
        kind: FrameKind, flags: UInt16 = 0, callID: UInt64, methodOrStatus: UInt32 = 0,
        timeoutOrRetry: UInt32 = 0, payloadBytes: Int
    ) {
        length = UInt32(Self.countedBytes + payloadBytes)
        self.kind = kind.rawValue
        self.flags = flags
        self.callID = callID
        self.methodOrStatus = methodOrStatus
        self.timeoutOrRetry = timeoutOrRetry
    }

    /// Of an answer that is OK, and the last one.
    @inline(__always)
    package init(answering callID: UInt64, payloadBytes: Int) {
        length = UInt32(Self.countedBytes + payloadBytes)
        kind = FrameKind.response.rawValue
        flags = 0
        self.callID = callID
        methodOrStatus = 0
        timeoutOrRetry = 0
    }

    /// Reads 24 bytes.
    @inline(__always)
    package init(loading bytes: UnsafeRawPointer) {
        length = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
        version = bytes.load(fromByteOffset: 4, as: UInt8.self)
        kind = bytes.load(fromByteOffset: 5, as: UInt8.self)
        flags = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 6, as: UInt16.self))
        callID = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        methodOrStatus = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self))
        timeoutOrRetry = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 20, as: UInt32.self))
    }

    /// Writes 24 bytes.
    @inline(__always)
    package func store(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: length.bigEndian, as: UInt32.self)
        bytes.storeBytes(of: version, toByteOffset: 4, as: UInt8.self)
        bytes.storeBytes(of: kind, toByteOffset: 5, as: UInt8.self)
        bytes.storeBytes(of: flags.bigEndian, toByteOffset: 6, as: UInt16.self)
        bytes.storeBytes(of: callID.bigEndian, toByteOffset: 8, as: UInt64.self)
        bytes.storeBytes(of: methodOrStatus.bigEndian, toByteOffset: 16, as: UInt32.self)
        bytes.storeBytes(of: timeoutOrRetry.bigEndian, toByteOffset: 20, as: UInt32.self)
    }
}
