import CofferCore
import CofferVaultKit
import Testing

@Suite struct Base64Tests {
    /// RFC 4648, section 10.
    @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")])
    func textsAreThese(bytes: String, text: String) {
        #expect(Base64.text(Array(bytes.utf8)) == text)
        #expect(Base64.text(Secret(bytes)).text == text)
    }

    @Test func everyByteComesBack() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 37 + count) }
            let secret = SecretWriter.build(count: count) { writer in bytes.forEach { writer.append($0) } }
            let text = Base64.text(secret)
            #expect(text.text == Base64.text(bytes))
            #expect(JSON.string(text).string.flatMap { Base64.bytes($0, limit: 400) }?.isEqual(to: secret) == true)
        }
    }
}
