package import CofferCore

extension HTTPError {
    /// What the caller of the vault is told.
    package func failure(vault: String) -> Failure {
        var failure = described(vault: vault)
        failure.isUnsent = isUnsent
        failure.mayHaveWritten = !isUnsent
        return failure
    }

    private func described(vault: String) -> Failure {
        switch cause {
        case .deadline:
            return .deadlineExceeded(vault: vault)
        case .idle:
            return unreachable(vault, "the vault sent nothing for too long; it is asked anew")
        case .cancelled:
            return Failure(.cancelled, .cancelled, "the call was cancelled", vault: vault)
        case .unresolved:
            return unreachable(vault, "the vault's host name does not resolve; check its address and the name server")
        case .refused:
            return unreachable(
                vault, "cannot connect to the vault; check that it runs, its address, and the firewall")
        case .interrupted:
            return unreachable(vault, "the connection to the vault broke before its answer was whole")
        case .malformed:
            return unreachable(vault, "the server at the vault's address does not speak HTTP; check the address and port")
        case .closed:
            return unreachable(vault, "the daemon has closed its connections to the vault: it is stopping")
        case .untrusted:
            return Failure(
                .failedPrecondition, .vaultUnreachable,
                "TLS with the vault failed: check its certificate (name, authority, dates, TLS 1.2 or newer), "
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
                .unavailable, .vaultFailed, "the vault's answer is larger than \(limit) bytes", vault: vault)
        }
    }

    private func unreachable(_ vault: String, _ message: String) -> Failure {
        Failure(.unavailable, .vaultUnreachable, message, vault: vault, retryable: true)
    }
}
