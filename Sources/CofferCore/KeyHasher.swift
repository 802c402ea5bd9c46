/// Hashes record keys with a secret seed, so that nobody can choose ids that
/// collide: SipHash-1-3 (Aumasson and Bernstein; the variant that hash tables use).
package struct KeyHasher: Sendable {
    private let k0: UInt64
    private let k1: UInt64

    package init(random: some RandomSource) {
        let seed = random.bytes(16)
        k0 = seed[..<8].reduce(0) { $0 << 8 | UInt64($1) }
        k1 = seed[8...].reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// The hash of (user, connection); the border between them counts.
    package func hash(user: RawSpan, connection: RawSpan) -> UInt64 {
        var state = State(k0, k1)
        state.compress(UInt64(user.byteCount))
        state.absorb(user)
        state.absorb(connection)
        return state.finish(UInt64(connection.byteCount))
    }

    package func hash(_ key: RecordKey) -> UInt64 {
        hash(user: key.user.utf8Span.span.bytes, connection: key.connection.utf8Span.span.bytes)
    }

    private struct State {
        var v0, v1, v2, v3: UInt64

        init(_ k0: UInt64, _ k1: UInt64) {
            v0 = 0x736f_6d65_7073_6575 ^ k0
            v1 = 0x646f_7261_6e64_6f6d ^ k1
            v2 = 0x6c79_6765_6e65_7261 ^ k0
            v3 = 0x7465_6462_7974_6573 ^ k1
        }

        mutating func round() {
            v0 &+= v1; v2 &+= v3
            v1 = v1 << 13 | v1 >> 51; v3 = v3 << 16 | v3 >> 48
            v1 ^= v0; v3 ^= v2
            v0 = v0 << 32 | v0 >> 32
            v2 &+= v1; v0 &+= v3
            v1 = v1 << 17 | v1 >> 47; v3 = v3 << 21 | v3 >> 43
            v1 ^= v2; v3 ^= v0
            v2 = v2 << 32 | v2 >> 32
        }

        mutating func compress(_ word: UInt64) {
            v3 ^= word
            round()
            v0 ^= word
        }

        /// The bytes as words, the last one padded with zeros: lengths are
        /// hashed apart, so the padding is no ambiguity.
        mutating func absorb(_ bytes: RawSpan) {
            var offset = 0
            while offset &+ 8 <= bytes.byteCount {
                compress(bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
                offset &+= 8
            }
            var tail: UInt64 = 0
            while offset < bytes.byteCount {
                tail = tail << 8 | UInt64(bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
                offset &+= 1
            }
            compress(tail)
        }

        mutating func finish(_ length: UInt64) -> UInt64 {
            compress(length)
            v2 ^= 0xff
            round()
            round()
            round()
            return v0 ^ v1 ^ v2 ^ v3
        }
    }
}
