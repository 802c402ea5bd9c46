/// Why sealing or opening a record failed.
package enum CryptoError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Damaged, sealed under a key or for a record other than this one, or not
    /// one of ours. Which of these is not told: it would help only who forges.
    case doesNotOpen
    /// More than ``Envelope/maximumPlaintextBytes``.
    case plaintextTooLarge(bytes: Int)
    /// A field of an ``EnvelopeContext`` has a size that is not allowed.
    case contextField(String, bytes: Int, allowed: ClosedRange<Int>)

    package var description: String {
        switch self {
        case .doesNotOpen:
            "the sealed record does not open: it is damaged, or was sealed under another key or for another record"
        case .plaintextTooLarge(let bytes):
            "a record of \(bytes) bytes is too large to seal; the limit is \(Envelope.maximumPlaintextBytes)"
        case .contextField(let field, let bytes, let allowed):
            "the envelope context's \(field) has \(bytes) bytes; "
                + "allowed are \(allowed.lowerBound) to \(allowed.upperBound)"
        }
    }
}
