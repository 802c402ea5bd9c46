internal import CLinux

/// Seals and opens cache entries under a ``BootKey``; one per thread.
///
/// - Call ``rest()`` before the thread waits for long. Until then OpenSSL's context, in
///   ordinary memory, holds the expanded key; afterwards nothing of it. Entries
///   used one after another share one key set-up.
/// - No call allocates.
/// - A nonce is never used twice under a key: `seal` gives it out, from a counter
///   in a range that only this sealer has.
///
/// AES-256-GCM, because within a turn it opened an entry of 320 bytes in half the
/// time of ChaCha20-Poly1305, and in two thirds of it with a key set-up and a rest
/// for each: through EVP of OpenSSL 3.0, on a processor with vector AES. Without
/// AES in hardware it would lose. AES-256-CTR takes less still, but would hand out
/// whatever a stray write left in the entry.
package final class CacheSealer {
    /// How many bytes sealing adds.
    package static let overheadBytes = AEADContext.tagBytes

    private static let counterBits: UInt64 = 48

    private let key: BootKey
    private let context = AEADContext()
    @exclusivity(unchecked) private var nextNonce: UInt64
    private let lastNonce: UInt64
    /// Whether `context` holds the boot key.
    @exclusivity(unchecked) private var isKeyed = false

    package init(key: BootKey) {
        self.key = key
        nextNonce = key.claimLane() << Self.counterBits
        lastNonce = nextNonce | (1 << Self.counterBits - 1)
    }

    /// Seals an entry.
    ///
    /// - Parameter sealed: `plaintext.count + 16` bytes; must not overlap it, unless
    ///   both start at the same address.
    /// - Returns: the nonce to open it with; keep it beside the entry.
    package func seal(
        _ plaintext: UnsafeRawBufferPointer, into sealed: UnsafeMutableRawBufferPointer
    ) -> UInt64 {
        precondition(nextNonce < lastNonce, "a cache sealer's nonces are used up")
        nextNonce += 1
        let nonce = nextNonce
        withNonceBytes(nonce) {
            context.seal(plaintext, key: keyIfNeeded(), nonce: $0, associated: Self.nothing, into: sealed)
        }
        return nonce
    }

    /// Opens an entry that any sealer of the same key sealed.
    ///
    /// - Parameter plaintext: `sealed.count - 16` bytes; wiped on failure.
    /// - Returns: false if the bytes, the nonce or the sizes are not those of an
    ///   entry: memory was damaged.
    package func open(
        _ sealed: UnsafeRawBufferPointer, nonce: UInt64, into plaintext: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard sealed.count == plaintext.count + Self.overheadBytes else { return false }
        let opened = withNonceBytes(nonce) {
            context.open(sealed, key: keyIfNeeded(), nonce: $0, associated: Self.nothing, into: plaintext)
        }
        if !opened, let start = plaintext.baseAddress { coffer_wipe(start, plaintext.count) }
        return opened
    }

    /// Whether OpenSSL's context holds nothing of the key.
    package var isResting: Bool { !isKeyed }

    /// Makes OpenSSL's context forget the key, and the key stream of the last entry.
    package func rest() {
        guard isKeyed else { return }
        context.forget(zeros: key.zeros)
        isKeyed = false
    }

    /// The key if the context needs it, which from then on has it.
    private func keyIfNeeded() -> UnsafeRawBufferPointer? {
        if isKeyed { return nil }
        isKeyed = true
        return key.bytes
    }

    /// The 12-byte nonce: 4 zero bytes, then the number.
    private func withNonceBytes<R>(_ nonce: UInt64, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        let (high, low) = (UInt32(truncatingIfNeeded: nonce >> 32), UInt32(truncatingIfNeeded: nonce))
        let words = (UInt32(0), high.bigEndian, low.bigEndian)
        return withUnsafeBytes(of: words, body)
    }

    private static var nothing: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }
}

@available(*, unavailable)
extension CacheSealer: Sendable {}
