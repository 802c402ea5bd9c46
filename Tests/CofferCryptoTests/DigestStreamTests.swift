import CofferCrypto
import Testing

@Suite struct DigestStreamTests {
    /// However the bytes are cut.
    @Test(arguments: [1, 7, 63, 64, 65, 1_000])
    func piecesAreHashedAsTheWhole(_ size: Int) {
        let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var stream = DigestStream()
        for start in stride(from: 0, to: bytes.count, by: size) {
            stream.add(Array(bytes[start..<min(start + size, bytes.count)]).span.bytes)
        }
        #expect(stream.finish() == Digest.sha256(bytes))
    }

    @Test func nothingHasTheDigestOfNothing() { #expect(DigestStream().finish() == Digest.sha256([])) }
}
