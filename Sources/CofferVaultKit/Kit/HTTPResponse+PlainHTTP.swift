internal import CofferCore
package import CofferHTTP

extension HTTPResponse {
    /// A port that expects TLS got plain http, and its server says so: in the words of Go's
    /// servers, which HashiCorp Vault and OpenBao are, or of nginx.
    package var complainsOfPlainHTTP: Bool {
        guard status == 400, body.count <= 2_048 else { return false }
        return body.withBytes {
            $0.contains("HTTP request to an HTTPS server") || $0.contains("HTTP request was sent to HTTPS port")
        }
    }
}
