internal import CCurl
internal import CofferCore

/// libcurl as a whole: loaded and started once in a process.
enum CurlLibrary {
    private static let failure = failure(coffer_curl_start())

    /// Loads libcurl and starts it with an allocator that wipes, and takes the variables out of
    /// the environment that it and OpenSSL would obey.
    ///
    /// - Throws: FAILED_PRECONDITION if it is not there, or is another one than is needed; RESOURCE_EXHAUSTED if the system
    ///   has no memory or descriptor for it.
    static func start() throws(Failure) {
        if let failure { throw failure }
    }

    private static func failure(_ start: coffer_curl_start) -> Failure? {
        let words = withUnsafePointer(to: start) { String(cString: coffer_curl_words($0)) }
        switch start.outcome {
        case COFFER_CURL_STARTED: return nil
        case COFFER_CURL_NOT_LOADED:
            return unusable("cannot be loaded (\(words)); install libcurl4, or mend the file that is named")
        case COFFER_CURL_INCOMPLETE: return unusable("lacks \(words); install libcurl4 of Debian 12 or later")
        case COFFER_CURL_OLD:
            return unusable("is version \(words); expected 7.87 or later, install that")
        case COFFER_CURL_OTHER_TLS:
            return unusable("has another TLS library, \(words); expected one with OpenSSL: on Debian the package libcurl4")
        case COFFER_CURL_NO_RESOURCES:
            return Failure(
                .resourceExhausted, .limit,
                "libcurl.so.4 cannot be loaded (\(words)); raise the limits of memory and open files, or free some",
                isUnsent: true)
        default: return .internalError("libcurl does not start, code \(words)")
        }
    }

    private static func unusable(_ what: String) -> Failure {
        Failure(
            .failedPrecondition, .vaultRefused, "a vault that is reached by HTTP needs libcurl, and libcurl.so.4 \(what)",
            isUnsent: true)
    }
}
