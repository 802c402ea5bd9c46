/// A frame of an input while it is being changed. What cannot be read as a frame
/// stays as it is, as `raw`.
enum Frame {
    case whole(header: [UInt8], payload: [UInt8])
    case raw([UInt8])

    static let headerBytes = 24

    static let methods: [UInt32] = [
        0x1B3A_0791, 0xCCD8_38EC, 0x4199_F38B, 0xBB43_5A83, 0xDFEA_E698,
        0xD66E_19E5, 0x94EC_83EE, 0x04ED_31B6, 0xE586_1B10,
    ]

    init(method: UInt32, callID: UInt8, payload: [UInt8]) {
        let id = withUnsafeBytes(of: method.bigEndian) { Array($0) }
        self = .whole(
            header: [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, callID] + id + [0, 0, 0, 0],
            payload: payload)
    }

    /// The frames of a stream; the last one may be raw.
    static func split(_ stream: ArraySlice<UInt8>) -> [Frame] {
        var frames: [Frame] = []
        var rest = stream
        while !rest.isEmpty {
            let counted = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            guard rest.count >= headerBytes, counted >= headerBytes - 4, rest.count >= counted + 4 else {
                frames.append(.raw(Array(rest)))
                break
            }
            let frame = rest.prefix(counted + 4)
            frames.append(
                .whole(header: Array(frame.prefix(headerBytes)), payload: Array(frame.dropFirst(headerBytes))))
            rest = rest.dropFirst(counted + 4)
        }
        return frames
    }

    /// The bytes, with a length that is true.
    var encoded: [UInt8] {
        switch self {
        case .raw(let bytes): return bytes
        case .whole(let header, let payload):
            let length = UInt32(header.count - 4 + payload.count)
            return withUnsafeBytes(of: length.bigEndian) { Array($0) } + header.dropFirst(4) + payload
        }
    }
}
