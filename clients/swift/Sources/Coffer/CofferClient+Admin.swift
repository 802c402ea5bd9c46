extension CofferClient {
    /// Whether the daemon and its vaults can do their work now.
    public func health(timeout: Duration? = nil) async throws -> DaemonHealth {
        DaemonHealth(
            try await admin.health(
                .init(), options: CofferCallOptions(timeout: timeout, isRepeatable: true)))
    }

    /// Counters, gauges and the limits in force, by name; the manual lists them.
    public func stats(timeout: Duration? = nil) async throws -> [String: UInt64] {
        let response = try await admin.stats(
            .init(), options: CofferCallOptions(timeout: timeout, isRepeatable: true))
        return Dictionary(response.stats.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    }

    /// Drops records from the daemon's cache; the vaults are not touched.
    ///
    /// - Returns: how many were dropped.
    @discardableResult
    public func invalidate(_ scope: InvalidationScope, timeout: Duration? = nil) async throws -> UInt64 {
        switch scope {
        case .all: break
        case .user(let user): try Bounds.checkTexts(("user", user))
        case .key(let key): try Bounds.checkTexts(("user", key.user), ("connection", key.connection))
        }
        var request = Coffer_V1_InvalidateRequest()
        switch scope {
        case .all: request.all = true
        case .user(let user): request.userID = user
        case .key(let key): request.key = Coffer_V1_Key(key)
        }
        return try await admin.invalidate(
            request, options: CofferCallOptions(timeout: timeout, isRepeatable: true)).dropped
    }

    /// Has the daemon store, read, compare and delete a test record in each vault.
    /// What fails there is in the result; this throws what every call may.
    ///
    /// - Parameter vault: the name of one; nil = each.
    public func examineVaults(
        _ vault: String? = nil, timeout: Duration? = nil
    ) async throws -> [VaultExamination] {
        try Bounds.checkTexts(("vault", vault))
        var request = Coffer_V1_DoctorRequest()
        request.vault = vault ?? ""
        return try await admin.doctor(request, options: CofferCallOptions(timeout: timeout)).vaults
            .map(VaultExamination.init)
    }
}

extension DaemonHealth {
    init(_ response: Coffer_V1_HealthResponse) {
        self.init(
            isServing: response.serving, version: response.version,
            uptime: .milliseconds(clamping: response.uptimeMs), vaults: response.vaults.map(Vault.init),
            warnings: response.warnings)
    }
}

extension Duration {
    static func milliseconds(clamping count: UInt64) -> Duration { .milliseconds(Int64(clamping: count)) }
    static func microseconds(clamping count: UInt64) -> Duration { .microseconds(Int64(clamping: count)) }
}
