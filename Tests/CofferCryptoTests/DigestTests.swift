import CofferCore
import Testing

@testable import CofferCrypto

@Suite struct DigestTests {
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
    func hashes(_ text: String, _ hex: String) {
        #expect(Hex.text(Digest.sha256(Array(text.utf8))) == hex)
        #expect(Hex.text(Digest.sha256(Secret(text))) == hex)
    }

    /// RFC 4231, cases 1, 2 and 6 (a key longer than a block).
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0b, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func authenticates(_ key: [UInt8], _ text: String, _ hex: String) {
        let bytes = Array(text.utf8)
        #expect(Hex.text(Digest.hmacSHA256(bytes, key: Secret(key))) == hex)
        let chained = Digest.hmacSHA256Key(bytes, key: Secret(key))
        #expect(chained.withUnsafeBytes { Hex.text($0) } == hex)
    }
}
