import CofferCore
import Testing

@testable import CofferCrypto

@Suite struct CacheSealerTests {
    private let key = BootKey()

    private func seal(_ plaintext: [UInt8], with sealer: CacheSealer) -> (bytes: [UInt8], nonce: UInt64) {
        var sealed = [UInt8](repeating: 0, count: plaintext.count + CacheSealer.overheadBytes)
        let nonce = plaintext.withUnsafeBytes { plaintext in
            sealed.withUnsafeMutableBytes { sealer.seal(plaintext, into: $0) }
        }
        return (sealed, nonce)
    }

    private func open(_ sealed: [UInt8], nonce: UInt64, with sealer: CacheSealer) -> [UInt8]? {
        var plaintext = [UInt8](repeating: 0xee, count: max(0, sealed.count - CacheSealer.overheadBytes))
        let opened = sealed.withUnsafeBytes { sealed in
            plaintext.withUnsafeMutableBytes { sealer.open(sealed, nonce: nonce, into: $0) }
        }
        if !opened, sealed.count >= CacheSealer.overheadBytes {
            #expect(plaintext.allSatisfy { $0 == 0 }, "wiped")
        }
        return opened ? plaintext : nil
    }

    @Test func opensWhatItSealedAtEverySmallSize() {
        let sealer = CacheSealer(key: key)
        var generator = SeededGenerator(seed: 5)
        for size in 0...300 {
            let plaintext = generator.bytes(size)
            let (sealed, nonce) = seal(plaintext, with: sealer)
            if size.isMultiple(of: 3) { sealer.rest() }
            #expect(open(sealed, nonce: nonce, with: sealer) == plaintext)
            if size >= 16 { #expect(Array(sealed.prefix(size)) != plaintext) }
        }
    }

    @Test func opensWhatAnotherThreadsSealerSealed() {
        let (one, other) = (CacheSealer(key: key), CacheSealer(key: key))
        let (sealed, nonce) = seal([1, 2, 3], with: one)
        #expect(open(sealed, nonce: nonce, with: other) == [1, 2, 3])
    }

    @Test func opensNothingUnderAnotherKey() {
        let sealer = CacheSealer(key: key)
        let (sealed, nonce) = seal([1, 2, 3], with: sealer)
        #expect(open(sealed, nonce: nonce, with: CacheSealer(key: BootKey())) == nil)
    }

    @Test func refusesEveryFlippedBitAndGoesOn() {
        let sealer = CacheSealer(key: key)
        let plaintext = [UInt8](0..<70)
        var (sealed, nonce) = seal(plaintext, with: sealer)
        for bit in 0..<sealed.count * 8 {
            sealed[bit / 8] ^= 1 << (bit % 8)
            #expect(open(sealed, nonce: nonce, with: sealer) == nil)
            sealed[bit / 8] ^= 1 << (bit % 8)
        }
        for bit in 0..<64 { #expect(open(sealed, nonce: nonce ^ 1 << bit, with: sealer) == nil) }
        #expect(open(Array(sealed.dropLast()), nonce: nonce, with: sealer) == nil)
        #expect(open([], nonce: nonce, with: sealer) == nil)
        #expect(open(sealed, nonce: nonce, with: sealer) == plaintext)
    }

    @Test func neverGivesANonceTwice() {
        let sealers = (0..<8).map { _ in CacheSealer(key: key) }
        var nonces: Set<UInt64> = []
        for _ in 0..<200 {
            for sealer in sealers {
                #expect(nonces.insert(seal([], with: sealer).nonce).inserted)
            }
        }
    }

    @Test func sealsInPlace() {
        let sealer = CacheSealer(key: key)
        var bytes = [UInt8](repeating: 7, count: 40 + CacheSealer.overheadBytes)
        let nonce = bytes.withUnsafeMutableBytes { bytes in
            sealer.seal(UnsafeRawBufferPointer(rebasing: bytes[..<40]), into: bytes)
        }
        #expect(open(bytes, nonce: nonce, with: sealer) == Array(repeating: 7, count: 40))
    }
}
