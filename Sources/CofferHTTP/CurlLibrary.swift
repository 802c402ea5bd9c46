internal import CCurl
internal import CofferCore

/// libcurl as a whole: loaded and started once in a process.
enum CurlLibrary {
    private static let result = coffer_curl_start()

    /// Loads libcurl and starts it with an allocator that wipes, and takes the variables out of
    /// the environment that it and OpenSSL would obey.
    ///
    /// - Throws: FAILED_PRECONDITION if it is not there.
    static func start() throws(Failure) {
        guard result != CURLE_FAILED_INIT else {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "libcurl.so.4 with OpenSSL is not installed, and a vault on another host needs it; install libcurl4", isUnsent: true)
        }
        guard result == CURLE_OK else { throw .internalError("libcurl does not start, code \(result.rawValue)") }
    }
}
