internal import CCurl
internal import CofferCore

/// libcurl as a whole: started once in a process.
enum CurlLibrary {
    private static let result = coffer_curl_start()

    /// Starts libcurl with an allocator that wipes, and takes the variables out of
    /// the environment that it and OpenSSL would obey.
    static func start() throws(Failure) {
        guard result == CURLE_OK else { throw .internalError("libcurl does not start, code \(result.rawValue)") }
    }
}
