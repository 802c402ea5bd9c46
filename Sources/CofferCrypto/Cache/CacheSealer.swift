internal import CLinux
internal import COpenSSL

/// Seals and opens cache entries under a ``BootKey``; one per thread.
///
/// - Call ``rest()`` before the thread waits for long. Until then OpenSSL's context, in
///   ordinary memory, holds the expanded key; afterwards nothing of it. Entries
///   used one after another share one key set-up.
/// - No call allocates.
/// - A nonce is never used twice under a key: `seal` gives it out, from a counter
///   in a range that only this sealer has.
///
/// AES-256 in counter mode, over the entry and a 64-bit sum of it: secrecy from who
/// reads memory, and notice of a stray write. A tag against forgery would guard
/// against somebody who writes to this process's memory, and who does so needs none;
/// GCM through EVP of OpenSSL 3.0 took three times the instructions for it.
package final class CacheSealer {
    /// How many bytes sealing adds.
    package static let overheadBytes = 8

    private static let counterBits: UInt64 = 48

    private let key: BootKey
    private let context = CounterModeContext()
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
    /// - Parameter sealed: `plaintext.count + 8` bytes; must not overlap it, unless
    ///   both start at the same address.
    /// - Returns: the nonce to open it with; keep it beside the entry.
    package func seal(
        _ plaintext: UnsafeRawBufferPointer, into sealed: UnsafeMutableRawBufferPointer
    ) -> UInt64 {
        precondition(nextNonce < lastNonce, "a cache sealer's nonces are used up")
        precondition(sealed.count == plaintext.count + Self.overheadBytes, "room for the sum")
        nextNonce += 1
        let nonce = nextNonce
        setUpKey()
        var sum = coffer_checksum(plaintext.baseAddress, plaintext.count)
        context.apply(nonce: nonce, to: &sum, plaintext, into: sealed)
        sealed.storeBytes(of: sum, toByteOffset: plaintext.count, as: UInt64.self)
        return nonce
    }

    /// Opens an entry that any sealer of the same key sealed.
    ///
    /// - Parameter plaintext: `sealed.count - 8` bytes; wiped on failure.
    /// - Returns: false if the bytes, the nonce or the sizes are not those of an
    ///   entry: memory was damaged.
    package func open(
        _ sealed: UnsafeRawBufferPointer, nonce: UInt64, into plaintext: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard sealed.count == plaintext.count + Self.overheadBytes else { return false }
        setUpKey()
        var sum = sealed.loadUnaligned(fromByteOffset: plaintext.count, as: UInt64.self)
        context.apply(
            nonce: nonce, to: &sum, UnsafeRawBufferPointer(rebasing: sealed[..<plaintext.count]), into: plaintext)
        let opened = sum == coffer_checksum(plaintext.baseAddress, plaintext.count)
        if !opened, let start = plaintext.baseAddress { coffer_wipe(start, plaintext.count) }
        return opened
    }

    /// Whether OpenSSL's context holds nothing of the key.
    package var isResting: Bool { !isKeyed }

    /// Makes OpenSSL's context forget the key.
    package func rest() {
        guard isKeyed else { return }
        context.forget(zeros: key.zeros)
        isKeyed = false
    }

    /// Sets up the key unless the context has it.
    @inline(__always)
    private func setUpKey() {
        guard !isKeyed else { return }
        isKeyed = true
        context.setUp(key: key.bytes)
    }
}

@available(*, unavailable)
extension CacheSealer: Sendable {}
