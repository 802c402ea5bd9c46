extension DaemonHealth {
    /// One configured vault.
    public struct Vault: Equatable, Sendable {
        /// Whether calls reach the vault.
        public enum Breaker: Equatable, Sendable {
            /// The vault has none, or the daemon is newer than this client.
            case unknown
            /// They do.
            case closed
            /// They fail at once, and for how much longer.
            case open(retryIn: Duration)
            /// One of them does, to see whether the vault works again.
            case halfOpen
        }

        /// How Stores and Deletes end.
        public enum Writes: Equatable, Sendable {
            /// None has ended since the daemon started, or the daemon is older or newer than this client.
            case unknown
            /// One has succeeded, and none failed since.
            case work
            /// The last one failed, as others will: a policy forbids them, or the disk is full.
            case fail(CofferError.Reason)
        }

        /// The configured name.
        public let name: String
        /// For instance `embedded`.
        public let kind: String
        /// What records are written as: `sealed`, `json`, `legacy-aes`.
        public let format: String
        /// The routes that lead here, in their order, for people.
        public let routes: [String]
        /// The check made for this call succeeded.
        public let isReachable: Bool
        /// Why it did not; nil if it did, or if the daemon is older. With another reason than
        /// `vaultUnreachable` and `deadline` the vault was reached, and refused.
        public let checkFailure: CofferError?
        /// How long that check took.
        public let latency: Duration
        /// When a call last succeeded, in Unix milliseconds; nil = not since the start.
        public let lastGoodContactMilliseconds: UInt64?
        /// The class of the last failure; `unspecified` = none since the start.
        public let lastFailure: CofferError.Reason
        /// When that was, in Unix milliseconds; nil = not since the start.
        public let lastFailureMilliseconds: UInt64?
        /// Whether Stores and Deletes succeed: a vault may answer reads and refuse writes.
        public let writes: Writes
        /// Whether calls reach the vault.
        public let breaker: Breaker
        /// Calls that the vault is working on.
        public let inFlight: UInt64
        /// Calls that wait for others of the vault to end.
        public let queued: UInt64
        /// Calls since the start.
        public let calls: UInt64
        /// Those of them that failed.
        public let failures: UInt64
        /// How often one was tried again.
        public let retries: UInt64
        /// Calls that were refused without asking the vault.
        public let refusals: UInt64
    }
}

extension DaemonHealth.Vault {
    init(_ vault: Coffer_V1_VaultHealth) {
        self.init(
            name: vault.name, kind: vault.kind, format: vault.format, routes: vault.routes,
            isReachable: vault.reachable, checkFailure: CofferError(checkOf: vault), latency: .microseconds(clamping: vault.latencyUs),
            lastGoodContactMilliseconds: vault.lastGoodContactMs == 0 ? nil : vault.lastGoodContactMs,
            lastFailure: CofferError.Reason(rawValue: vault.lastFailure.rawValue),
            lastFailureMilliseconds: vault.lastFailureMs == 0 ? nil : vault.lastFailureMs,
            writes: Writes(vault), breaker: Breaker(vault), inFlight: vault.inFlight, queued: vault.queued, calls: vault.calls,
            failures: vault.failures, retries: vault.retries, refusals: vault.refusals)
    }
}

extension DaemonHealth.Vault.Writes {
    init(_ vault: Coffer_V1_VaultHealth) {
        self =
            switch vault.writes {
            case .work: .work
            case .fail: .fail(CofferError.Reason(rawValue: vault.writeFailure.rawValue))
            case .unspecified, .UNRECOGNIZED: .unknown
            }
    }
}

extension DaemonHealth.Vault.Breaker {
    init(_ vault: Coffer_V1_VaultHealth) {
        self =
            switch vault.breaker {
            case .closed: .closed
            case .open: .open(retryIn: .milliseconds(clamping: vault.breakerRetryMs))
            case .halfOpen: .halfOpen
            case .unspecified, .UNRECOGNIZED: .unknown
            }
    }
}

extension CofferError {
    /// Nil if the check succeeded.
    fileprivate init?(checkOf vault: Coffer_V1_VaultHealth) {
        guard vault.checkStatus != 0 else { return nil }
        self.init(vault.checkFailure, code: Code(rawValue: vault.checkStatus))
    }
}
