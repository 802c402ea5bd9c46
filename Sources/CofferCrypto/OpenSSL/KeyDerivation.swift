internal import COpenSSL
internal import CofferCore

/// Keys from keys and from passphrases.
enum KeyDerivation {
    /// HKDF-SHA-256 (RFC 5869), extract and expand.
    ///
    /// - Parameter count: at most 8,160 bytes.
    static func hkdf(_ key: Secret, salt: [UInt8], info: [UInt8], count: Int) -> Secret {
        salt.withUnsafeBytes { salt in
            info.withUnsafeBytes { info in hkdf(key, salt: salt, info: info, count: count) }
        }
    }

    static func hkdf(
        _ key: Secret, salt: UnsafeRawBufferPointer, info: UnsafeRawBufferPointer, count: Int
    ) -> Secret {
        precondition(count <= 255 * Digest.byteCount, "HKDF gives at most 255 digests")
        return key.withUnsafeBytes { key in
            Secret(count: count) { out in
                coffer_hkdf_sha256(
                    key.baseAddress!, key.count, salt.baseAddress, salt.count, info.baseAddress, info.count,
                    out.assumingMemoryBound(to: UInt8.self).baseAddress!, out.count)
            }
        }
    }

    /// scrypt (RFC 7914), 32 bytes out; uses `128 * blockSize << costLog2` bytes of memory meanwhile.
    ///
    /// - Throws: ``OutOfMemory`` when there is not that much.
    static func scrypt(
        _ passphrase: Secret, salt: [UInt8], costLog2: UInt8, blockSize: UInt64, parallelism: UInt64
    ) throws(OutOfMemory) -> Secret {
        let cost = UInt64(1) << UInt64(costLog2)
        // OpenSSL's own limit is 32 MiB; this one is exactly the need, and some.
        let memory = 128 * blockSize * (cost + parallelism + 2) + 4096
        return try passphrase.withUnsafeBytes { passphrase throws(OutOfMemory) in
            try Secret(count: 32) { out throws(OutOfMemory) in
                let text = passphrase.assumingMemoryBound(to: CChar.self)
                let key = out.assumingMemoryBound(to: UInt8.self)
                let done = EVP_PBE_scrypt(
                    text.baseAddress, text.count, salt, salt.count, cost, blockSize, parallelism, memory,
                    key.baseAddress, key.count)
                guard done == 1 else {
                    ERR_clear_error()
                    throw OutOfMemory()
                }
            }
        }
    }

    /// scrypt could not get the memory that it needs.
    struct OutOfMemory: Error {}
}
