internal import CofferCore

/// Puts the pieces of a streamed answer together to lines.
struct EtcdWatchLines {
    /// etcd sends at most about two of its largest requests in a line, in base64: 4 MiB.
    static let maximumBytes = 16 << 20

    /// Of the line that is not over.
    private var pieces: [Secret] = []
    private var bytes = 0

    /// - Returns: the lines that are over now, without their ends and without empty ones; nil if one is too long.
    mutating func feed(_ piece: Secret) -> [Secret]? {
        var lines: [Secret] = []
        let isFit = piece.withBytes { region in
            var start = 0
            for offset in 0..<region.byteCount where region.byte(at: offset) == UInt8(ascii: "\n") {
                append(region.extracting(start..<offset))
                if let line = take() { lines.append(line) }
                start = offset + 1
            }
            append(region.extracting(start..<region.byteCount))
            return bytes <= Self.maximumBytes
        }
        return isFit ? lines : nil
    }

    private mutating func append(_ region: RawSpan) {
        guard region.byteCount > 0 else { return }
        pieces.append(Secret(copying: region))
        bytes += region.byteCount
    }

    private mutating func take() -> Secret? {
        defer { (pieces, bytes) = ([], 0) }
        guard bytes > 0 else { return nil }
        return pieces.count == 1
            ? pieces[0] : SecretWriter.build(count: bytes) { writer in for piece in pieces { writer.append(piece) } }
    }
}
