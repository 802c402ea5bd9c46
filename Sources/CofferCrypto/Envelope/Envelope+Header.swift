extension Envelope {
    /// The generation that the header states; nil if `sealed` is not an envelope
    /// of a known format. Authentic only once the record has opened.
    package static func generation(of sealed: [UInt8]) -> UInt64? {
        (try? header(of: sealed))?.generation
    }

    /// The version of a sealed record: 16 hex digits of the generation and 8 of
    /// the salt, so that two writes never share one even if a generation was
    /// given out twice. nil and authentic as above.
    package static func version(of sealed: [UInt8]) -> String? {
        guard let header = try? header(of: sealed) else { return nil }
        var bytes: [UInt8] = []
        bytes.append(bigEndian: header.generation)
        return Hex.text(bytes + header.salt.prefix(4))
    }
}
