import CofferCore
import Testing

@testable import CofferCrypto

@Suite struct LegacyFormatTests {
    private let format: LegacyFormat

    init() throws { format = try LegacyFormat(passphrase: Secret("correct horse battery staple")) }

    @Test func opensWhatItSealed() throws {
        for size in [0, 1, 15, 16, 17, 300] {
            let plaintext = Secret.random(count: size)
            let text = try format.seal(plaintext)
            #expect(LegacyFormat.recognises(text))
            #expect(try format.open(text).isEqual(to: plaintext))
        }
    }

    @Test func opensNothingWithAnotherDigit() throws {
        let text = try format.seal(Secret("{\"k\":1}"))
        for index in text.indices {
            var other = text
            other[index] = text[index] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
            #expect(throws: CryptoError.doesNotOpen) { try format.open(other) }
        }
    }

    @Test func recognisesCleanHexOnly() throws {
        let text = try format.seal(Secret("{\"k\":1}"))
        #expect(LegacyFormat.recognises(text))
        #expect(!LegacyFormat.recognises(Array(String(decoding: text, as: UTF8.self).uppercased().utf8)))
        #expect(!LegacyFormat.recognises(Array(text.dropLast())))
        #expect(!LegacyFormat.recognises(Array(text.prefix(65))))
        #expect(LegacyFormat.recognises(Array(text.prefix(66))))
        for index in text.indices {
            var other = text
            other[index] = UInt8(ascii: "g")
            #expect(!LegacyFormat.recognises(other))
        }
    }

    @Test func recognisesNeitherJSONNorOurs() throws {
        let sealed = try KeyRing.sample().seal(Secret("x"), type: .value, generation: 1, context: .sample())
        #expect(!LegacyFormat.recognises(sealed))
        #expect(!LegacyFormat.recognises(Array(Envelope.text(sealed).utf8)))
        #expect(!LegacyFormat.recognises(Array("{\"apiKey\":\"sk\"}".utf8)))
        #expect(!Envelope.isText(try format.seal(Secret("x"))))
    }

    @Test func needsAPassphrase() {
        #expect(throws: KeyError.self) { try LegacyFormat(passphrase: Secret("")) }
    }
}
