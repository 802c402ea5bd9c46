package import CofferCore

/// A passphrase as it was given: one line end (LF or CRLF) at its end does not count,
/// wherever it comes from. Versions before had other rules, so what they took is kept too.
package struct Passphrase: Sendable {
    /// Without the line end.
    package let text: Secret
    /// What versions before took for it, where that is something else: they may have made
    /// a key ring with it.
    package let former: Secret?

    /// As a variable has it: versions before took all of it.
    ///
    /// - Throws: `.badKey` if there is nothing but a line end.
    package init(inVariable given: Secret) throws(KeyError) { try self.init(given, former: given) }

    /// As a file has it: versions before left out an LF only.
    ///
    /// - Throws: as the other.
    init(inFile given: Secret) throws(KeyError) {
        let former = given.withBytes { bytes in
            let hasEnd = bytes.byteCount > 0 && bytes.byte(at: bytes.byteCount - 1) == UInt8(ascii: "\n")
            return Secret(copying: bytes.extracting(first: bytes.byteCount - (hasEnd ? 1 : 0)))
        }
        try self.init(given, former: former)
    }

    private init(_ given: Secret, former: Secret) throws(KeyError) {
        text = given.withoutLineEnd
        guard text.count > 0 else {
            throw KeyError(.badKey, "the passphrase is empty; give one that is hard to guess")
        }
        self.former = former.count == text.count ? nil : former
    }
}
