/// What a sealed record is bound to: it opens under exactly this context.
///
/// Build it from where the record was found and who asks, never from what is
/// stored beside it.
package struct EnvelopeContext: Sendable, Equatable {
    static let label = Array("coffer.envelope.context.v1".utf8)

    package let vaultIdentity: [UInt8]
    package let environment: String
    package let name: [UInt8]
    package let contentType: String

    /// - Parameters:
    ///   - vaultIdentity: which vault; 16 bytes.
    ///   - environment: "production", …; at most 256 bytes of UTF-8.
    ///   - name: which record, in whatever form names it without ambiguity; 1 to 1024 bytes.
    ///   - contentType: how to read the plaintext; at most 256 bytes of UTF-8.
    /// - Throws: `.contextField` for a size that is not allowed.
    package init(
        vaultIdentity: [UInt8], environment: String, name: [UInt8], contentType: String
    ) throws(CryptoError) {
        try Self.check("vault identity", vaultIdentity.count, 16...16)
        try Self.check("environment", environment.utf8.count, 0...256)
        try Self.check("name", name.count, 1...1024)
        try Self.check("content type", contentType.utf8.count, 0...256)
        self.vaultIdentity = vaultIdentity
        self.environment = environment
        self.name = name
        self.contentType = contentType
    }

    private static func check(_ field: String, _ bytes: Int, _ allowed: ClosedRange<Int>) throws(CryptoError) {
        guard allowed.contains(bytes) else {
            throw .contextField(field, bytes: bytes, allowed: allowed)
        }
    }

    /// How many bytes `write` writes.
    var encodedByteCount: Int {
        let parts =
            Self.label.count + vaultIdentity.count + environment.utf8.count + name.count + 1
            + contentType.utf8.count
        return parts + 6 * ByteWriter.partOverheadBytes
    }

    /// Writes the bytes that enter key derivation and associated data.
    func write(for type: RecordType, to writer: inout ByteWriter) {
        writer.append(part: Self.label)
        writer.append(part: vaultIdentity)
        writer.append(part: environment)
        writer.append(part: name)
        writer.append(bigEndian: UInt32(1))
        writer.append(bigEndian: type.rawValue)
        writer.append(part: contentType)
    }
}
