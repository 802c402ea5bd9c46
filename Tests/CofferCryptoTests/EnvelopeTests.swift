import CofferCore
import Testing

@testable import CofferCrypto

@Suite struct EnvelopeTests {
    private let ring = KeyRing.sample()

    private func seal(_ plaintext: [UInt8], context: EnvelopeContext, generation: UInt64 = 1) throws -> [UInt8] {
        try ring.seal(Secret(plaintext), type: .value, generation: generation, context: context)
    }

    // MARK: What opens

    @Test func opensWhatItSealedAtEverySmallSize() throws {
        let context = try EnvelopeContext.sample()
        var generator = SeededGenerator(seed: 1)
        for size in 0...300 {
            let plaintext = generator.bytes(size)
            let sealed = try seal(plaintext, context: context)
            #expect(sealed.count == 84 + (4 + size + 63) / 64 * 64 + 16)
            #expect(try ring.open(sealed, type: .value, context: context).array == plaintext)
        }
    }

    @Test(arguments: [4091, 4092, 65_536, 1 << 20, Envelope.maximumPlaintextBytes - 1, Envelope.maximumPlaintextBytes])
    func opensWhatItSealedUpToTheLimit(size: Int) throws {
        let context = try EnvelopeContext.sample()
        let plaintext = Secret.random(count: size)
        let sealed = try ring.seal(plaintext, type: .cachedCopy, generation: .max, context: context)
        #expect(sealed.count <= size + 84 + 4 + 63 + 16)
        #expect(try ring.open(sealed, type: .cachedCopy, context: context).isEqual(to: plaintext))
    }

    @Test func refusesMoreThanTheLimit() throws {
        let size = Envelope.maximumPlaintextBytes + 1
        let context = try EnvelopeContext.sample()
        #expect(throws: CryptoError.plaintextTooLarge(bytes: size)) {
            try ring.seal(.random(count: size), type: .value, generation: 1, context: context)
        }
    }

    @Test func sealsTheSameTextDifferentlyEachTime() throws {
        let context = try EnvelopeContext.sample()
        let first = try seal([1, 2, 3], context: context)
        let second = try seal([1, 2, 3], context: context)
        #expect(first[20...] != second[20...])
        #expect(Envelope.version(of: first) != Envelope.version(of: second))
    }

    @Test func opensWhatOlderTermsSealed() throws {
        let context = try EnvelopeContext.sample()
        let old = try KeyRing.sample(terms: 1).seal(Secret("old"), type: .value, generation: 1, context: context)
        #expect(try KeyRing.sample(terms: 3).open(old, type: .value, context: context).array == Array("old".utf8))
    }

    // MARK: What does not

    @Test(arguments: [0, 60, 61])
    func refusesEverySingleFlippedBit(size: Int) throws {
        let context = try EnvelopeContext.sample()
        var sealed = try seal(Array(repeating: 5, count: size), context: context)
        for bit in 0..<sealed.count * 8 {
            sealed[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: CryptoError.doesNotOpen) { try ring.open(sealed, type: .value, context: context) }
            sealed[bit / 8] ^= 1 << (bit % 8)
        }
        #expect(try ring.open(sealed, type: .value, context: context).count == size)
    }

    @Test func refusesEveryOtherLength() throws {
        let context = try EnvelopeContext.sample()
        let sealed = try seal(Array(repeating: 5, count: 100), context: context)
        for length in 0..<sealed.count {
            #expect(throws: CryptoError.doesNotOpen) {
                try ring.open(Array(sealed[..<length]), type: .value, context: context)
            }
            #expect(throws: CryptoError.doesNotOpen) {
                try ring.open(sealed + Array(repeating: 0, count: length + 1), type: .value, context: context)
            }
        }
    }

    @Test func refusesEveryOtherContext() throws {
        let contexts = try [
            EnvelopeContext.sample(), .sample(vault: 8), .sample(environment: "staging"),
            .sample(environment: ""), .sample(name: Array("u/d".utf8)), .sample(name: Array("u/c\0".utf8)),
            .sample(contentType: "record.v2"), .sample(environment: "productionu", name: Array("/c".utf8)),
            .sample(name: Array("u/crecord.v1".utf8), contentType: ""),
        ]
        for context in contexts {
            let sealed = try seal([1], context: context)
            for other in contexts where other != context {
                #expect(throws: CryptoError.doesNotOpen) { try ring.open(sealed, type: .value, context: other) }
            }
        }
    }

    @Test func refusesEveryOtherType() throws {
        let context = try EnvelopeContext.sample()
        for type in RecordType.allCases {
            let sealed = try ring.seal(Secret("x"), type: type, generation: 1, context: context)
            for other in RecordType.allCases where other != type {
                #expect(throws: CryptoError.doesNotOpen) { try ring.open(sealed, type: other, context: context) }
                var renamed = sealed
                renamed[6] = other.rawValue
                #expect(throws: CryptoError.doesNotOpen) { try ring.open(renamed, type: other, context: context) }
            }
        }
    }

    @Test func refusesRandomBytes() throws {
        let context = try EnvelopeContext.sample()
        let good = try seal(Array(repeating: 5, count: 70), context: context)
        var generator = SeededGenerator(seed: 2)
        for round in 0..<20_000 {
            var bytes = generator.bytes(Int.random(in: 0...400, using: &generator))
            // Half of them start as a good record does, to get past the first checks.
            if round.isMultiple(of: 2) {
                let start = good.prefix(Int.random(in: 1..<good.count, using: &generator))
                bytes = start + generator.bytes(good.count - start.count)
            }
            guard bytes != good else { continue }
            #expect(throws: CryptoError.doesNotOpen) { try ring.open(bytes, type: .value, context: context) }
            _ = Envelope.version(of: bytes)
            _ = Envelope.generation(of: bytes)
        }
    }

    @Test func tellsOneErrorWhateverTheCause() throws {
        let context = try EnvelopeContext.sample()
        let sealed = try seal([1], context: context)
        let causes: [(OpenFailure, Int, UInt8)] = [
            (.magic, 0, 1), (.version, 4, 2), (.suite, 5, 3), (.type, 6, 2), (.flags, 7, 1), (.term, 8, 1),
            (.commitment, 19, 1), (.commitment, 20, 1), (.commitment, 52, 1), (.tag, 84, 1),
            (.tag, sealed.count - 1, 1),
        ]
        for (cause, offset, change) in causes {
            var damaged = sealed
            damaged[offset] ^= change
            #expect(throws: CryptoError.doesNotOpen) { try ring.open(damaged, type: .value, context: context) }
            #expect(throws: cause, "at \(offset)") { try ring.opened(damaged, type: .value, context: context) }
        }
        #expect(throws: CryptoError.doesNotOpen) { try ring.open([], type: .value, context: context) }
        #expect(throws: OpenFailure.size) { try ring.opened([], type: .value, context: context) }
    }

    // MARK: Context and header

    @Test func checksTheSizesOfAContext() throws {
        let environment = String(repeating: "é", count: 128)
        _ = try EnvelopeContext.sample(environment: environment, name: Array(repeating: 1, count: 1024))
        #expect(throws: CryptoError.contextField("environment", bytes: 257, allowed: 0...256)) {
            try EnvelopeContext.sample(environment: environment + "x")
        }
        #expect(throws: CryptoError.contextField("name", bytes: 0, allowed: 1...1024)) {
            try EnvelopeContext.sample(name: [])
        }
        #expect(throws: CryptoError.contextField("name", bytes: 1025, allowed: 1...1024)) {
            try EnvelopeContext.sample(name: Array(repeating: 1, count: 1025))
        }
        #expect(throws: CryptoError.contextField("content type", bytes: 300, allowed: 0...256)) {
            try EnvelopeContext.sample(contentType: String(repeating: "x", count: 300))
        }
        #expect(throws: CryptoError.contextField("vault identity", bytes: 15, allowed: 16...16)) {
            try EnvelopeContext(
                vaultIdentity: Array(repeating: 1, count: 15), environment: "", name: [1], contentType: "")
        }
    }

    @Test func readsGenerationAndVersionFromTheHeader() throws {
        let salt = FixedRandom(pattern: [0xab, 0xcd, 0xef, 0x01, 0x23])
        let sealed = try ring.seal(
            Secret("x"), type: .value, generation: 0x0102_0304_0506_07ff, context: .sample(), random: salt)
        #expect(Envelope.generation(of: sealed) == 0x0102_0304_0506_07ff)
        #expect(Envelope.version(of: sealed) == "01020304050607ffabcdef01")
        #expect(Envelope.version(of: Array("{\"apiKey\":1}".utf8)) == nil)
        #expect(Envelope.generation(of: Array(sealed.dropLast())) == nil)
    }

    @Test func saysWhatWasExpected() {
        #expect(
            "\(CryptoError.plaintextTooLarge(bytes: 2_000_000))"
                == "a record of 2000000 bytes is too large to seal; the limit is 1114112")
        #expect(
            "\(CryptoError.contextField("name", bytes: 0, allowed: 1...1024))"
                == "the envelope context's name has 0 bytes; allowed are 1 to 1024")
    }
}

@Suite struct EnvelopeTextTests {
    @Test func readsWhatItWritesAtEverySize() throws {
        var generator = SeededGenerator(seed: 3)
        for size in 0...200 {
            let bytes = generator.bytes(size)
            let text = Envelope.text(bytes)
            #expect(text.hasPrefix("coffer1:"))
            #expect(try Envelope.bytes(ofText: Array(text.utf8)) == bytes)
        }
    }

    @Test func readsNoOtherWriting() throws {
        let text = Array(Envelope.text([0, 1, 2, 3]).utf8)
        for index in text.indices {
            for byte in UInt8.min...UInt8.max where byte != text[index] {
                var other = text
                other[index] = byte
                guard let bytes = try? Envelope.bytes(ofText: other) else { continue }
                #expect(Array(Envelope.text(bytes).utf8) == other)
            }
        }
    }
}
