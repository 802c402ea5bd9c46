internal import CofferCore

extension Envelope {
    /// What the text form of a sealed record starts with.
    package static let textPrefix = "coffer1:"

    /// The text form, for vaults that keep text only: `coffer1:` and the bytes in base64url.
    package static func text(_ sealed: [UInt8]) -> String {
        var text = Array(textPrefix.utf8)
        Base64URL.append(sealed, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether `text` claims to be the text form.
    package static func isText(_ text: [UInt8]) -> Bool { text.starts(with: textPrefix.utf8) }

    /// Reads exactly what ``text(_:)`` writes.
    ///
    /// - Throws: `.doesNotOpen` for anything else.
    package static func bytes(ofText text: [UInt8]) throws(CryptoError) -> [UInt8] {
        let encoded = text.dropFirst(textPrefix.utf8.count)
        guard isText(text), encoded.count <= (maximumBytes * 4 + 2) / 3, let bytes = Base64URL.bytes(encoded) else {
            throw .doesNotOpen
        }
        return bytes
    }
}
