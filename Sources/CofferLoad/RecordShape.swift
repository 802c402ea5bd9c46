/// The records of a run: record n has the user `load-` with n in eight hexadecimal
/// digits, and a value that starts with the same digits, if it has room.
///
/// So a request frame for any record is a copy of one template with digits put in.
struct RecordShape {
    static let digits = 8
    static let connectionID = Array("main".utf8)

    /// The value of record 0.
    let value: [UInt8]

    init(valueBytes: Int) {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz".utf8)
        value = (0..<valueBytes).map { index in
            valueBytes >= Self.digits && index < Self.digits
                ? UInt8(ascii: "0") : alphabet[index % alphabet.count]
        }
    }

    var valueHasDigits: Bool { value.count >= Self.digits }

    /// The user of record 0.
    static var userID: [UInt8] { Array("load-00000000".utf8) }

    /// - Parameter maximumAge: milliseconds; nil = it says nothing of it.
    func getRequest(maximumAge: UInt64? = nil) -> [UInt8] {
        var writer = key()
        if let maximumAge { writer.field(3, maximumAge) }
        return writer.bytes
    }

    func storeRequest() -> [UInt8] {
        var writer = key()
        writer.field(3, value)
        return writer.bytes
    }

    func deleteRequest() -> [UInt8] { key().bytes }

    private func key() -> MessageWriter {
        var writer = MessageWriter()
        writer.field(1, Self.userID)
        writer.field(2, Self.connectionID)
        return writer
    }

    /// Eight hexadecimal digits, the first one in the highest byte.
    @inline(__always)
    static func hexadecimal(_ key: UInt32) -> UInt64 {
        var nibbles = UInt64(key)
        nibbles = (nibbles << 16 | nibbles) & 0x0000_ffff_0000_ffff
        nibbles = (nibbles << 8 | nibbles) & 0x00ff_00ff_00ff_00ff
        nibbles = (nibbles << 4 | nibbles) & 0x0f0f_0f0f_0f0f_0f0f
        let aboveNine = (nibbles &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return nibbles &+ 0x3030_3030_3030_3030 &+ aboveNine &* 39
    }
}

/// A request frame that becomes the one of any call by three stores.
struct FrameTemplate {
    private let template: RequestTemplate

    /// - Parameter maximumAge: of a Get, in milliseconds; nil = it says nothing of it.
    init(_ method: Method, shape: RecordShape, maximumAge: UInt64? = nil) {
        let payload =
            switch method {
            case .get: shape.getRequest(maximumAge: maximumAge)
            case .store: shape.storeRequest()
            case .delete: shape.deleteRequest()
            }
        template = RequestTemplate(
            FrameHeader.frame(kind: FrameHeader.Kind.request, code: method.id, payload: payload),
            shape: shape)
    }

    var frame: [UInt8] { template.bytes }

    /// Writes the frame of this call; `place` has room for all of it.
    @inline(__always)
    func write(to place: UnsafeMutableRawPointer, callID: UInt64, key: UInt32) {
        template.write(to: place, key: key)
        place.store(bigEndian: callID, at: FrameHeader.Offset.callID)
    }
}
