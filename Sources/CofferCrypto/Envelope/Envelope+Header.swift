internal import CofferCore

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
        // The generation, and behind it the salt.
        guard (try? header(of: sealed)) != nil else { return nil }
        return Hex.text(sealed[12..<24])
    }
}
