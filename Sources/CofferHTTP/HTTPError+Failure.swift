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
            return Failure(
                .failedPrecondition, .vaultUnreachable,
                "TLS with \(service) failed: check its certificate (name, authority, dates, TLS 1.2 or newer), "
                    + "that ca_file is there and right, and the client certificate if one is set",
                vault: vault)
        case .plaintext:
            return Failure(
                .failedPrecondition, .vaultUnreachable,
                "the address is https, but the server there does not speak TLS; check the port, or write http://",
                vault: vault)
        case .forbidden(let rule):
            return Failure(.failedPrecondition, .vaultUnreachable, "not allowed: \(rule)", vault: vault)
        case .tooLarge(let limit):
            return Failure(
                .unavailable, .vaultFailed, "the answer of \(service) is larger than \(limit) bytes; check \(place)", vault: vault)
        }
    }

    private func unreachable(_ vault: String, _ message: String) -> Failure {
        Failure(.unavailable, .vaultUnreachable, message, vault: vault, retryable: true)
    }
}
