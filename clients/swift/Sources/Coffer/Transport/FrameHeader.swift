/// What a frame is for.
enum FrameKind: UInt8 {
    case request = 1
    case response = 2
    case cancel = 3
    case goAway = 4
}

/// The 24 bytes before every payload; integers are big-endian on the wire.
struct FrameHeader: Equatable {
    static let byteCount = 24
    /// The part of the header that the length field counts.
    static let countedBytes = 20
    static let version: UInt8 = 1
    /// Another response to the same call follows.
    static let moreFlag: UInt16 = 1

    /// Bytes after the length field: 20 + payload.
    var length: UInt32
    var version: UInt8 = Self.version
    /// Raw, as a broken peer sends any; see `FrameKind`.
    var kind: UInt8
    var flags: UInt16 = 0
    var callID: UInt64
    /// Request: method id. Response: status code.
    var methodOrStatus: UInt32 = 0
    /// Request: milliseconds the caller will wait. Response: milliseconds to
    /// wait before a retry, 0 = no advice.
    var timeoutOrRetry: UInt32 = 0

    init(
        _ kind: FrameKind, callID: UInt64, flags: UInt16 = 0, methodOrStatus: UInt32 = 0,
        timeoutOrRetry: UInt32 = 0, payloadBytes: Int = 0
    ) {
        length = UInt32(Self.countedBytes + payloadBytes)
        self.kind = kind.rawValue
        self.flags = flags
        self.callID = callID
        self.methodOrStatus = methodOrStatus
        self.timeoutOrRetry = timeoutOrRetry
    }

    /// Reads 24 bytes.
    init(loading bytes: UnsafeRawBufferPointer) {
        func load<T: FixedWidthInteger>(_ offset: Int, as type: T.Type) -> T {
            T(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
        }
        length = load(0, as: UInt32.self)
        version = bytes[4]
        kind = bytes[5]
        flags = load(6, as: UInt16.self)
        callID = load(8, as: UInt64.self)
        methodOrStatus = load(16, as: UInt32.self)
        timeoutOrRetry = load(20, as: UInt32.self)
    }

    /// Writes 24 bytes.
    func store(to bytes: UnsafeMutableRawBufferPointer) {
        bytes.storeBytes(of: length.bigEndian, toByteOffset: 0, as: UInt32.self)
        bytes[4] = version
        bytes[5] = kind
        bytes.storeBytes(of: flags.bigEndian, toByteOffset: 6, as: UInt16.self)
        bytes.storeBytes(of: callID.bigEndian, toByteOffset: 8, as: UInt64.self)
        bytes.storeBytes(of: methodOrStatus.bigEndian, toByteOffset: 16, as: UInt32.self)
        bytes.storeBytes(of: timeoutOrRetry.bigEndian, toByteOffset: 20, as: UInt32.self)
    }
}
