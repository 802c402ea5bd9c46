internal import COpenSSL

/// An AES-256-GCM context of OpenSSL: it holds the expanded key until the next
/// one or until its own end, which wipes it.
struct AEADContext: ~Copyable {
    static let keyBytes = 32
    static let tagBytes = 16

    private let context: OpaquePointer

    /// - Parameter nonceBytes: the size of every nonce; other than 12 only for
    ///   what somebody else wrote.
    init(nonceBytes: Int = 12) {
        context = OpenSSL.required(EVP_CIPHER_CTX_new())
        OpenSSL.require(EVP_CipherInit_ex2(context, OpenSSL.aes256GCM, nil, nil, 1, nil) == 1, "cipher set-up")
        guard nonceBytes != 12 else { return }
        OpenSSL.require(
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, Int32(nonceBytes), nil) == 1, "nonce size")
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// Writes ciphertext and tag: `plaintext.count + 16` bytes.
    ///
    /// - Parameter key: 32 bytes; nil = that of the last use.
    func seal(
        _ plaintext: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer?, nonce: UnsafeRawBufferPointer,
        associated: UnsafeRawBufferPointer, into sealed: UnsafeMutableRawBufferPointer
    ) {
        precondition(sealed.count == plaintext.count + Self.tagBytes, "room for ciphertext and tag")
        precondition(key.map { $0.count == Self.keyBytes } ?? true, "a 32-byte key")
        OpenSSL.require(
            coffer_aead_seal(
                context, key?.baseAddress, nonce.baseAddress!, associated.baseAddress, associated.count,
                plaintext.baseAddress, plaintext.count, sealed.baseAddress, sealed.baseAddress! + plaintext.count),
            "encryption")
    }

    /// Reads what `seal` wrote; false, and unauthenticated bytes in `plaintext`
    /// that the caller must wipe, if it is anything else.
    func open(
        _ sealed: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer?, nonce: UnsafeRawBufferPointer,
        associated: UnsafeRawBufferPointer, into plaintext: UnsafeMutableRawBufferPointer
    ) -> Bool {
        precondition(sealed.count == plaintext.count + Self.tagBytes, "ciphertext and tag")
        precondition(key.map { $0.count == Self.keyBytes } ?? true, "a 32-byte key")
        return coffer_aead_open(
            context, key?.baseAddress, nonce.baseAddress!, associated.baseAddress, associated.count,
            sealed.baseAddress, plaintext.count, sealed.baseAddress! + plaintext.count, plaintext.baseAddress)
    }
}
