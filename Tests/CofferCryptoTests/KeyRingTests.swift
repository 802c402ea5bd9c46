import CofferCore
import Testing

@testable import CofferCrypto

@Suite struct KeyRingTests {
    @Test func namesRecordsWithoutAmbiguity() {
        let ring = KeyRing.sample()
        let tags = [
            ring.tag(user: "a:b", connection: "c"), ring.tag(user: "a", connection: "b:c"),
            ring.tag(user: "ab", connection: ""), ring.tag(user: "", connection: "ab"), ring.userTag("ab"),
            ring.userTag("a"),
        ]
        #expect(Set(tags).count == tags.count)
        #expect(tags.allSatisfy { $0.count == 32 })
        #expect(ring.tag(user: "a:b", connection: "c") == tags[0])
    }

    @Test func namesDependOnTheRingButNotOnItsTerms() throws {
        var ring = KeyRing.sample(terms: 1)
        let tag = ring.tag(user: "u", connection: "c")
        #expect(try KeyRing.derived(from: .key(.random(count: 32)), now: 1).tag(user: "u", connection: "c") != tag)
        try ring.promote(ring.addTerm(name: "second", now: 2))
        #expect(ring.tag(user: "u", connection: "c") == tag)
    }

    @Test func hasAKeyForEachPurpose() {
        let ring = KeyRing.sample()
        let keys = KeyRing.Purpose.allCases.map { ring.key(for: $0).array }
        #expect(Set(keys).count == keys.count)
        #expect(keys.allSatisfy { $0.count == 32 })
    }

    @Test func addsATermBeforeItSealsUnderIt() throws {
        var ring = KeyRing.sample(terms: 1)
        let id = try ring.addTerm(name: "second", now: 2)
        #expect(id == 2)
        #expect(ring.active.id == 1)
        try ring.promote(id)
        #expect(ring.active.id == 2)
        #expect(ring.terms.map(\.state) == [.decryptOnly, .active])
        #expect(ring.terms[0].key.array != ring.terms[1].key.array)

        let sealed = try ring.seal(Secret("x"), type: .value, generation: 1, context: .sample())
        #expect(sealed[8..<12] == [0, 0, 0, 2])
    }

    @Test func refusesAnUnknownTermAndKeepsTheActiveOne() {
        var ring = KeyRing.sample(terms: 1)
        #expect(throws: KeyError.self) { try ring.promote(2) }
        #expect(ring.active.id == 1)
    }

    @Test(arguments: ["", "a\nb", "\u{7f}", String(repeating: "x", count: 65)])
    func refusesATermName(name: String) {
        var ring = KeyRing.sample(terms: 1)
        #expect(throws: KeyError.self) { try ring.addTerm(name: name, now: 1) }
        #expect(ring.terms.count == 1)
    }

    @Test func limitsTheNumberOfTerms() throws {
        var ring = KeyRing.sample(terms: 1)
        for _ in 1..<KeyRing.maximumTerms { _ = try ring.addTerm(name: "another", now: 1) }
        #expect(throws: KeyError(.limit, "the key ring has 256 terms; the limit is 256")) {
            try ring.addTerm(name: "one more", now: 1)
        }
    }

    @Test func decodesWhatItEncodes() throws {
        var ring = KeyRing.sample(terms: 1)
        for _ in 1..<KeyRing.maximumTerms {
            _ = try ring.addTerm(name: String(repeating: "é", count: 32), now: .max)
        }
        let encoded = ring.encoded()
        // 100 and the preamble on top still fit into the file's limit.
        #expect(encoded.count + 1000 < KeyRingFile.maximumBytes)
        let decoded = try #require(KeyRing(decoding: encoded))
        #expect(decoded.encoded().isEqual(to: encoded))
    }

    @Test func decodesNothingElse() throws {
        let encoded = KeyRing.sample(terms: 3).encoded().array
        for length in 0..<encoded.count {
            #expect(KeyRing(decoding: Secret(Array(encoded[..<length]))) == nil)
        }
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<5_000 {
            var bytes = encoded
            for _ in 0..<3 { bytes[Int.random(in: 32..<bytes.count, using: &generator)] = generator.bytes(1)[0] }
            // Whatever decodes is a ring that encodes to the same bytes.
            guard let ring = KeyRing(decoding: Secret(bytes)) else { continue }
            #expect(ring.encoded().array == bytes)
        }
    }
}
