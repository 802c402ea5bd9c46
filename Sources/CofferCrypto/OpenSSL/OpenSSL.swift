internal import COpenSSL

/// Algorithms of libcrypto, looked up once: a look-up by name takes longer than
/// sealing a small record.
enum OpenSSL {
    // Fetched objects are reference counted and immutable; any thread may use them.
    nonisolated(unsafe) static let aes256GCM = required(EVP_CIPHER_fetch(nil, "AES-256-GCM", nil))
    nonisolated(unsafe) static let aes256ECB = required(EVP_CIPHER_fetch(nil, "AES-256-ECB", nil))

    /// Unwraps what OpenSSL gives unless memory ran out or it was built without
    /// the algorithm. The daemon cannot go on without either.
    static func required(_ object: OpaquePointer?) -> OpaquePointer {
        guard let object else { fatalError("OpenSSL 3 with AES-256 is needed") }
        return object
    }

    /// Stops at a failure that no input can cause: memory ran out inside OpenSSL.
    static func require(_ success: Bool, _ operation: StaticString) {
        guard success else { fatalError("OpenSSL failed in \(operation)") }
    }
}
