internal import CofferCore
internal import CofferVaultKit

/// Faults in words of ours, which hold nothing of etcd's.
extension EtcdFault {
    /// - Parameter isWrite: the call changes records.
    func failure(vault: String, isWrite: Bool) -> Failure {
        var failure = described(vault, isWrite: isWrite)
        failure.mayHaveWritten = isWrite && leavesDoubt
        return failure
    }

    private func described(_ vault: String, isWrite: Bool) -> Failure {
        switch self {
        case .foreign(let status): return Self.foreign(status, vault, isWrite: isWrite)
        case .plainHTTP:
            // What is behind the port has carried out nothing of the call.
            return Failure(
                .failedPrecondition, .vaultRefused,
                "the address is plain http, and etcd's port expects TLS; write https://", vault: vault, isUnsent: true)
        case .answerTooLarge:
            return Failure(
                .unavailable, .vaultFailed, "etcd's answer is larger than the daemon reads; check the endpoints", vault: vault)
        case .badRequest, .tooManyOperations:
            return HTTPFault.badRequest.failure(
                "etcd rejected this request; expected version 3.4 or newer with its limits as they come", vault: vault,
                writing: false)
        case .requestTooLarge:
            return HTTPFault.tooLarge.failure(
                "the record is larger than etcd accepts; raise its --max-request-bytes, or store less", vault: vault,
                writing: false)
        case .noSuchLease:
            return Failure(
                .failedPrecondition, .vaultRefused,
                "etcd does not know the lease that it granted for this record; check its log, and that all endpoints are members of one cluster",
                vault: vault)
        case .leaseTaken: return .etcdDown("etcd has leases with all ids that were tried; try again", vault)
        case .compacted: return .etcdDown("etcd no longer has the revision asked for; try again", vault)
        case .noToken, .badToken, .loginRefused, .authenticationIsOff, .denied: return access(vault)
        case .outOfSpace, .tooManyRequests, .notServing, .notCapable, .unavailable, .timeout, .internalError, .corrupt:
            return cluster(vault, isWrite: isWrite)
        }
    }

    private func access(_ vault: String) -> Failure {
        switch self {
        case .noToken:
            .etcdLogin("etcd demands a login, and none is configured; set user, and user_password_file or ETCDCTL_PASSWORD", vault)
        case .badToken: .etcdLogin("etcd rejected the token of a new login; check that all members have one token configuration", vault)
        case .loginRefused: .etcdLogin("etcd refused the login; check user and password", vault)
        case .authenticationIsOff:
            Failure(
                .failedPrecondition, .vaultRefused, "etcd has authentication switched off; remove user, or switch it on",
                vault: vault)
        default:
            HTTPFault.denied.failure(
                "the daemon's role in etcd may not do this; check it against the manual's page on etcd", vault: vault,
                writing: false)
        }
    }

    private func cluster(_ vault: String, isWrite: Bool) -> Failure {
        switch self {
        case .outOfSpace:
            // Writes fail until an operator acts; reads go on.
            Failure(
                .resourceExhausted, .disk,
                "etcd's database is full; its operator must compact and defragment it, and then disarm the alarm",
                vault: vault)
        case .tooManyRequests:
            HTTPFault.throttled.failure(
                "etcd has too many requests that are not yet applied; try later", vault: vault, writing: false,
                retryAfterMilliseconds: 100)
        case .notServing: .etcdDown("etcd has no leader at this moment; nothing was done, try again", vault)
        case .notCapable:
            Failure(
                .failedPrecondition, .vaultRefused,
                "no member of etcd can serve this call; expected a voting member of version 3.4 or newer among the endpoints",
                vault: vault)
        case .timeout:
            HTTPFault.timeout.failure("etcd did not finish the call in its own time", vault: vault, writing: false)
        case .corrupt:
            Failure(
                .internal, .vaultFailed, "etcd reports that the data of its members differs; its operator must repair it",
                vault: vault)
        case .internalError:
            Failure(
                .internal, .vaultFailed, "etcd reported an internal error; its own log says why", vault: vault,
                retryable: !isWrite)
        default: .etcdDown("this member of etcd cannot serve calls at this moment; try again", vault)
        }
    }

    private static func foreign(_ status: Int, _ vault: String, isWrite: Bool) -> Failure {
        switch status {
        case 404, 405:
            return Failure(
                .failedPrecondition, .vaultRefused,
                "what answers at the endpoint has no /v3; expected etcd 3.4 or newer with its JSON gateway on",
                vault: vault)
        case 429:
            return HTTPFault.throttled.failure(
                "a proxy before etcd limits the rate of calls; try later", vault: vault, writing: false)
        case 502, 503, 504: return .etcdDown("a proxy before etcd got no answer; try again", vault)
        default:
            let text = "what answers at the endpoint does not answer like etcd; check endpoints and proxies"
            return isWrite
                ? Failure(.internal, .vaultFailed, text, vault: vault)
                : Failure(.unavailable, .vaultFailed, text, vault: vault, retryable: true)
        }
    }
}

extension Failure {
    static func etcdDown(_ message: String, _ vault: String) -> Failure {
        Failure(.unavailable, .vaultFailed, message, vault: vault, retryable: true)
    }

    /// Nothing was done: each attempt found the record changed, until the deadline or the last of them.
    static func etcdContended(_ vault: String) -> Failure {
        Failure(
            .aborted, .vaultRefused, "others changed this record before each attempt; nothing was done, try again",
            vault: vault, retryable: true)
    }

    static func etcdLogin(_ message: String, _ vault: String) -> Failure {
        Failure(.unauthenticated, .vaultRefused, message, vault: vault)
    }

    /// An answer of etcd's that lacks what it must have.
    static func etcdGarbled(_ vault: String, isWrite: Bool) -> Failure {
        EtcdFault.foreign(status: 200).failure(vault: vault, isWrite: isWrite)
    }
}
