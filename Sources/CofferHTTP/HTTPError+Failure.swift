package import CofferCore

extension HTTPError {
    /// What the caller of the vault is told. Of a read, take `ofRead`.
    ///
    /// - Parameters:
    ///   - service: who was asked: "the vault", "AWS Secrets Manager".
    ///   - place: what says where that is.
    package func failure(
        vault: String, of service: String = "the vault", at place: String = "its address"
    ) -> Failure {
        var failure = described(vault, service, place)
        failure.isUnsent = isUnsent
        failure.mayHaveWritten = !isUnsent
        return failure
    }

    private func described(_ vault: String, _ service: String, _ place: String) -> Failure {
        switch cause {
        case .deadline:
            return .deadlineExceeded(vault: vault)
        case .idle:
            return unreachable(vault, "\(service) sent nothing for too long")
        case .cancelled:
            return Failure(.cancelled, .cancelled, "the call was cancelled", vault: vault)
        case .unresolved:
            return unreachable(vault, "the host name of \(service) does not resolve; check \(place) and the name server")
        case .refused:
            return unreachable(
                vault, "cannot connect to \(service); check that it runs, \(place), and the firewall")
        case .interrupted:
            return unreachable(vault, "the connection to \(service) broke before its answer was whole")
        case .malformed:
            return unreachable(vault, "what answers in the place of \(service) does not speak HTTP; check \(place)")
        case .closed:
            return Failure(
                .unavailable, .draining, "the daemon has closed its connections to \(service): it is stopping",
                vault: vault, retryable: true)
        case .untrusted:
            return untrusted(
                vault,
                "TLS with \(service) failed: check its certificate (TLS 1.2 or newer, key, signature and usage), "
                    + "that ca_file is there and right, and the client certificate if one is set")
        case .unknownAuthority:
            return untrusted(
                vault,
                "TLS with \(service) failed: no trusted authority issued its certificate; set ca_file to the "
                    + "authority that did, and check that the server shows its whole chain")
        case .wrongName:
            return untrusted(
                vault,
                "TLS with \(service) failed: its certificate is for another name; check \(place), or set server_name "
                    + "to a name that the certificate has")
        case .outdated:
            return untrusted(
                vault,
                "TLS with \(service) failed: its certificate has expired or is not valid yet; renew it, or correct "
                    + "this host's clock")
        case .plaintext:
            return untrusted(
                vault, "the address is https, but the server there does not speak TLS; check the port, or write http://")
        case .forbidden(let rule): return untrusted(vault, "not allowed: \(rule)")
        case .tooLarge(let limit):
            return Failure(
                .unavailable, .vaultFailed, "the answer of \(service) is larger than \(limit) bytes; check \(place)", vault: vault)
        }
    }

    private func untrusted(_ vault: String, _ message: String) -> Failure {
        Failure(.failedPrecondition, .vaultUnreachable, message, vault: vault)
    }

    private func unreachable(_ vault: String, _ message: String) -> Failure {
        Failure(.unavailable, .vaultUnreachable, message, vault: vault, retryable: true)
    }
}
