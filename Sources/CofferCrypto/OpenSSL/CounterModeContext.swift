internal import COpenSSL

/// AES-256 in counter mode: encrypts, and says nothing of changes. It holds the
/// expanded key until ``forget(zeros:)``, or until its own end, which wipes it.
struct CounterModeContext: ~Copyable {
    private let context: OpaquePointer

    init() {
        context = OpenSSL.required(EVP_CIPHER_CTX_new())
        OpenSSL.require(
            EVP_CipherInit_ex2(context, OpenSSL.aes256ECB, nil, nil, 1, nil) == 1
                && EVP_CIPHER_CTX_set_padding(context, 0) == 1, "cipher set-up")
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// - Parameter key: 32 bytes.
    func setUp(key: UnsafeRawBufferPointer) {
        precondition(key.count == AEADContext.keyBytes, "a 32-byte key")
        OpenSSL.require(EVP_CipherInit_ex2(context, nil, key.baseAddress, nil, 1, nil) == 1, "key set-up")
    }

    /// Encrypts, or decrypts, which is the same.
    ///
    /// - Parameters:
    ///   - nonce: never the same for two messages under a key.
    ///   - word: goes before the bytes, in place.
    ///   - out: as many bytes as `bytes`, which it may only overlap by being the same.
    @inline(__always)
    func apply(
        nonce: UInt64, to word: inout UInt64, _ bytes: UnsafeRawBufferPointer,
        into out: UnsafeMutableRawBufferPointer
    ) {
        precondition(bytes.count <= out.count, "room for the output")
        OpenSSL.require(
            coffer_ctr(context, nonce, &word, bytes.baseAddress, out.baseAddress, bytes.count), "encryption")
    }

    /// Replaces the key by one of zeros. The next use must bring its key.
    ///
    /// - Parameter zeros: 32 zero bytes.
    func forget(zeros: UnsafeRawBufferPointer) { setUp(key: zeros) }
}
