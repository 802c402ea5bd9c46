internal import CCurl

/// What libcurl's result means to a caller.
struct CurlFailure {
    let cause: HTTPError.Cause

    /// - Parameters:
    ///   - text: libcurl's words, which alone tell a broken handshake from a refused one.
    ///   - wasSent: the request may have left.
    ///   - refusal: the rule that a resolved address broke.
    ///   - verification: OpenSSL's result for the server's certificate: X509_V_….
    init(_ code: CURLcode, text: UnsafePointer<CChar>, wasSent: Bool, refusal: String?, verification: Int) {
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            cause = .unresolved
        case CURLE_COULDNT_CONNECT:
            cause = refusal.map { .forbidden($0) } ?? .refused
        case CURLE_SSL_CONNECT_ERROR:
            cause = Self.isPlaintext(text) ? .plaintext : Self.isBrokenHandshake(text) ? .refused : .untrusted
        case CURLE_PEER_FAILED_VERIFICATION:
            cause = Self.isForAnotherName(text) ? .wrongName : Self.distrust(verification)
        case CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER, CURLE_SSL_CACERT_BADFILE,
            CURLE_SSL_CRL_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT,
            CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_ENGINE_INITFAILED, CURLE_USE_SSL_FAILED:
            cause = .untrusted
        case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY, CURLE_HTTP2, CURLE_BAD_CONTENT_ENCODING:
            cause = .malformed
        case CURLE_OUT_OF_MEMORY:
            // What libcurl says of a header line over its own limit, 100 KiB.
            cause = .tooLarge(limit: Transfer.maximumHeaderBytes)
        default:
            // Out of time here: connecting took too long, or the answer came too slowly.
            cause = wasSent ? .interrupted : .refused
        }
    }

    /// libcurl compares the name itself, before it asks OpenSSL how the chain verified, and only its words say that
    /// this failed.
    private static func isForAnotherName(_ text: UnsafePointer<CChar>) -> Bool {
        let words = String(cString: text)
        return words.contains("matches target ") || words.contains("match target ")
    }

    /// What is wrong with the server's certificate chain.
    private static func distrust(_ verification: Int) -> HTTPError.Cause {
        switch Int32(truncatingIfNeeded: verification) {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            .unknownAuthority
        case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID: .outdated
        default: .untrusted
        }
    }

    /// OpenSSL's "wrong version number" and "packet length too long": the first bytes are no TLS record.
    private static func isPlaintext(_ text: UnsafePointer<CChar>) -> Bool {
        let words = String(cString: text)
        return words.contains("error:0A00010B") || words.contains("error:0A0000C6")
    }

    /// The connection broke within the handshake: a server that restarts does that too.
    private static func isBrokenHandshake(_ text: UnsafePointer<CChar>) -> Bool {
        let words = String(cString: text)
        // OpenSSL's own objections carry a code; this one is "unexpected eof".
        return !words.contains("error:") || words.contains("error:0A000126")
    }
}
