internal import COpenSSL

/// What OpenSSL does with its memory, in the whole process: libcurl's TLS too.
package enum OpenSSLMemory {
    /// From now on OpenSSL overwrites all that it frees, and not keys alone. Call it before
    /// anything else uses OpenSSL.
    ///
    /// - Returns: false if that was too late, and nothing has changed.
    package static func wipeWhatIsFreed() -> Bool { coffer_openssl_wipe() }
}
