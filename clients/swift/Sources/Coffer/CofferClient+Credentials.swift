import FoundationEssentials

extension CofferClient {
    /// Creates the credential, or replaces it whole: labels and expiry too.
    ///
    /// Never repeated once it may have been sent: on UNAVAILABLE or
    /// DEADLINE_EXCEEDED the write may have happened. With a condition it can be
    /// repeated safely by the caller.
    ///
    /// - Parameters:
    ///   - timeToLive: whole seconds until the record expires; nil = the vault's
    ///     default. A fraction of a second counts as a whole one.
    ///   - labels: at most 16; names to 64 bytes, values to 256. Not secret.
    @discardableResult
    public func store(
        _ credential: Credential, user: String, connection: String, timeToLive: Duration? = nil,
        labels: [String: String] = [:], condition: StoreCondition? = nil, timeout: Duration? = nil
    ) async throws -> StoreReceipt {
        try Bounds.checkCredential(credential.count)
        try Bounds.checkTexts(("user", user), ("connection", connection))
        try Bounds.checkLabels(labels)
        if case .version(let version) = condition { try Bounds.checkTexts(("version", version)) }
        var request = Coffer_V1_StoreRequest()
        request.userID = user
        request.connectionID = connection
        request.labels = labels
        request.ttlSeconds = try timeToLive.map(Self.wholeSeconds) ?? 0
        switch condition {
        case .version(let version): request.ifVersion = version
        case .absent: request.ifAbsent = true
        case nil: break
        }
        credential.withUnsafeBytes { request.credential = Data($0) }
        defer { request.credential.wipeInPlace() }
        return StoreReceipt(
            try await credentials.store(request, options: CofferCallOptions(timeout: timeout)))
    }

    /// The credential and what is known about it. NOT_FOUND for what was never
    /// stored, was deleted or has expired; never for a vault out of reach.
    ///
    /// - Parameter maximumAge: the oldest copy from the daemon's memory that will
    ///   do; nil = the configured TTL, zero = ask the vault now.
    public func credential(
        user: String, connection: String, maximumAge: Duration? = nil, timeout: Duration? = nil
    ) async throws -> CredentialRecord {
        try Bounds.checkTexts(("user", user), ("connection", connection))
        var request = Coffer_V1_GetRequest()
        request.userID = user
        request.connectionID = connection
        if let maximumAge { request.maxAgeMs = Self.milliseconds(maximumAge) }
        return CredentialRecord(
            consuming: try await credentials.get(
                request, options: CofferCallOptions(timeout: timeout, isRepeatable: true)))
    }

    /// Removes the credential. Not repeated once it may have been sent.
    ///
    /// - Parameter version: delete only if the vault has this version, else ABORTED.
    /// - Returns: whether a live record was there and this call removed it.
    @discardableResult
    public func delete(
        user: String, connection: String, ifVersion version: String? = nil, timeout: Duration? = nil
    ) async throws -> Bool {
        try Bounds.checkTexts(("user", user), ("connection", connection), ("version", version))
        var request = Coffer_V1_DeleteRequest()
        request.userID = user
        request.connectionID = connection
        if let version { request.ifVersion = version }
        return try await credentials.delete(request, options: CofferCallOptions(timeout: timeout)).existed
    }

    /// Many credentials, one result for each key in the order of `keys`. Asks
    /// for 256 at a time; each such call has the timeout to itself.
    public func credentials(
        _ keys: [CredentialKey], maximumAge: Duration? = nil, timeout: Duration? = nil
    ) async throws -> [Result<CredentialRecord, CofferError>] {
        var results: [Result<CredentialRecord, CofferError>] = []
        results.reserveCapacity(keys.count)
        var rest = keys[...]
        while !rest.isEmpty {
            results += try await batch(Array(rest.prefix(256)), maximumAge, timeout)
            rest = rest.dropFirst(256)
        }
        return results
    }

    /// Whether the daemon answers, which process it is, and its limits. No vault is asked.
    public func ping(timeout: Duration? = nil) async throws -> DaemonIdentity {
        DaemonIdentity(
            try await credentials.ping(.init(), options: CofferCallOptions(timeout: timeout, isRepeatable: true)))
    }

    /// Which connections a user has, without their credentials: each live record
    /// once, if nothing changes meanwhile, in no promised order.
    ///
    /// - Parameters:
    ///   - user: empty = all users, only for callers whose policy grants it.
    ///   - pageSize: entries asked for at a time, at most 1,000; 0 = 100.
    ///   - timeout: for each page.
    public func list(user: String, pageSize: UInt32 = 0, timeout: Duration? = nil) -> ConnectionList<Channel> {
        var request = Coffer_V1_ListRequest()
        request.userID = user
        request.pageSize = pageSize
        return ConnectionList(client: credentials, request: request, timeout: timeout)
    }

    private func batch(
        _ keys: [CredentialKey], _ maximumAge: Duration?, _ timeout: Duration?
    ) async throws -> [Result<CredentialRecord, CofferError>] {
        for key in keys { try Bounds.checkTexts(("user", key.user), ("connection", key.connection)) }
        var request = Coffer_V1_GetManyRequest()
        request.keys = keys.map(Coffer_V1_Key.init)
        if let maximumAge { request.maxAgeMs = Self.milliseconds(maximumAge) }
        var results = [Result<CredentialRecord, CofferError>?](repeating: nil, count: keys.count)
        let options = CofferCallOptions(timeout: timeout, isRepeatable: true)
        for try await response in credentials.getMany(request, options: options) {
            for result in response.results {
                let index = Int(result.index)
                guard index < keys.count, results[index] == nil else {
                    throw CofferError.badBatch("a result for key \(index), which needs none")
                }
                results[index] = Result(consuming: result)
            }
        }
        return try results.enumerated().map { index, result in
            guard let result else { throw CofferError.badBatch("no result for key \(index)") }
            return result
        }
    }

    private static func milliseconds(_ duration: Duration) -> UInt64 {
        let (seconds, attoseconds) = duration.components
        guard seconds >= 0 else { return 0 }
        let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000)
        let rest = UInt64(max(0, attoseconds) / 1_000_000_000_000_000)
        return overflow || whole > .max - rest ? .max : whole + rest
    }

    private static func wholeSeconds(_ duration: Duration) throws -> UInt32 {
        let (seconds, attoseconds) = duration.components
        let whole = seconds.addingReportingOverflow(attoseconds > 0 ? 1 : 0)
        guard !whole.overflow, let value = UInt32(exactly: whole.partialValue), value > 0 else {
            throw CofferError(
                .invalidArgument, .badField,
                "timeToLive: expected more than zero and at most 100 years, got \(duration)")
        }
        return value
    }
}
