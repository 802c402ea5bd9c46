import FoundationEssentials

/// From messages to the client's own types. Where a message holds a secret, it is
/// taken over and the message's copy overwritten.
extension CredentialRecord {
    init(consuming response: consuming Coffer_V1_GetResponse) {
        let source: Source =
            switch response.source {
            case .memory: .memory
            case .vault: .vault
            case .staleOnError: .staleOnError
            case .unspecified, .UNRECOGNIZED: .unknown
            }
        self.init(
            credential: Credential(consuming: &response.credential), version: response.version,
            labels: response.labels, createdAtMilliseconds: response.createdAtMs,
            updatedAtMilliseconds: response.updatedAtMs,
            expiresAtMilliseconds: response.expiresAtMs == 0 ? nil : response.expiresAtMs,
            source: source, age: .milliseconds(clamping: response.ageMs), isStale: response.stale,
            foreignFormat: response.foreignFormat.isEmpty ? nil : response.foreignFormat)
    }
}

extension Result<CredentialRecord, CofferError> {
    init(consuming result: consuming Coffer_V1_GetResult) {
        switch (result.status, result.outcome) {
        case (0, .record(let record)): self = .success(CredentialRecord(consuming: record))
        case (1..., .failure(let failure)):
            self = .failure(CofferError(failure, code: .init(rawValue: result.status)))
        case (1..., nil): self = .failure(CofferError(.init(rawValue: result.status), .unspecified, "no explanation was given"))
        default: self = .failure(.badBatch("a result whose status and content contradict each other"))
        }
    }
}

extension Credential {
    /// Takes the bytes over and overwrites where they came from.
    convenience init(consuming data: inout Data) {
        self.init(data)
        data.wipeInPlace()
    }
}

extension StoreReceipt {
    init(_ response: Coffer_V1_StoreResponse) {
        self.init(
            version: response.version, createdAtMilliseconds: response.createdAtMs,
            updatedAtMilliseconds: response.updatedAtMs,
            expiresAtMilliseconds: response.expiresAtMs == 0 ? nil : response.expiresAtMs)
    }
}

extension ConnectionEntry {
    init(_ entry: Coffer_V1_ListEntry) {
        self.init(
            key: CredentialKey(user: entry.userID, connection: entry.connectionID),
            error: entry.status == 0 ? nil : CofferError(entry.failure, code: .init(rawValue: entry.status)),
            version: entry.version, labels: entry.labels, createdAtMilliseconds: entry.createdAtMs,
            updatedAtMilliseconds: entry.updatedAtMs,
            expiresAtMilliseconds: entry.expiresAtMs == 0 ? nil : entry.expiresAtMs)
    }
}

extension Coffer_V1_Key {
    init(_ key: CredentialKey) {
        self.init()
        userID = key.user
        connectionID = key.connection
    }
}

extension CofferError {
    static func badBatch(_ what: String) -> CofferError {
        CofferError(.internal, .malformed, "the daemon answered GetMany with \(what)")
    }
}
