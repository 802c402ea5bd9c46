/// Finds the next frame in the bytes that have arrived from a client.
///
/// Pure: the caller owns the bytes and acts on the outcome. A frame's length is
/// judged before its payload is awaited.
package struct FrameParser: Sendable {
    /// The largest value of the length field.
    package let maximumLength: UInt32

    package init(maximumFrameBytes: Int) {
        maximumLength = UInt32(maximumFrameBytes - 4)
    }

    package enum Outcome: Equatable, Sendable {
        /// More bytes are needed to say.
        case incomplete
        /// A whole frame: its payload follows the header at once.
        case frame(FrameHeader, payloadBytes: Int)
        /// The length is over the limit: answer, then skip this many bytes in all.
        case oversized(FrameHeader, frameBytes: Int)
        /// Not this protocol's version, or not a kind that clients send: answer, then close.
        case unsupported(FrameHeader)
        /// The length cannot be a frame's: answer, then close.
        case lengthTooSmall(UInt32)
        /// A text protocol has knocked by mistake.
        case text(isHTTP: Bool)
    }

    @inline(__always)
    package func next(in bytes: UnsafeRawBufferPointer) -> Outcome {
        guard bytes.count >= 4, let base = bytes.baseAddress else { return .incomplete }
        let length = UInt32(bigEndian: base.loadUnaligned(as: UInt32.self))
        if length > maximumLength && Self.isText(length) {
            return .text(isHTTP: Self.httpMethods.contains(length))
        }
        if length < UInt32(FrameHeader.countedBytes) { return .lengthTooSmall(length) }
        guard bytes.count >= FrameHeader.byteCount else { return .incomplete }
        let header = FrameHeader(loading: base)
        guard header.version == FrameHeader.version,
            header.kind == FrameKind.request.rawValue || header.kind == FrameKind.cancel.rawValue
        else { return .unsupported(header) }
        guard length <= maximumLength else {
            return .oversized(header, frameBytes: 4 + Int(length))
        }
        guard bytes.count >= 4 + Int(length) else { return .incomplete }
        return .frame(header, payloadBytes: Int(length) - FrameHeader.countedBytes)
    }

    /// How long the first frame will be, header included; nil while that is not known, or if
    /// it will not be taken.
    package func frameBytes(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= FrameHeader.byteCount, let base = bytes.baseAddress else { return nil }
        let length = UInt32(bigEndian: base.loadUnaligned(as: UInt32.self))
        guard (UInt32(FrameHeader.countedBytes)...maximumLength).contains(length) else { return nil }
        return 4 + Int(length)
    }

    /// Whether the four bytes read as a length are printable ASCII, tab, CR or LF.
    private static func isText(_ word: UInt32) -> Bool {
        withUnsafeBytes(of: word) { bytes in
            bytes.allSatisfy { (0x20...0x7E).contains($0) || $0 == 9 || $0 == 10 || $0 == 13 }
        }
    }

    /// The first four bytes of HTTP requests, as big-endian numbers.
    private static let httpMethods: Set<UInt32> = Set(
        ["GET ", "HEAD", "POST", "PUT ", "DELE", "OPTI", "PATC", "CONN", "TRAC", "PRI "].map {
            $0.utf8.reduce(0) { $0 << 8 | UInt32($1) }
        })
}
