package import CofferCore
package import CofferVault

extension VaultAdapter {
    /// What to keep of an item, for a vault that keeps envelopes and nothing else.
    ///
    /// - Throws: FAILED_PRECONDITION for text; INVALID_ARGUMENT for a payload that is empty or larger than
    ///   `maximumPayloadBytes`.
    package func envelope(of item: VaultItem) throws(Failure) -> [UInt8] {
        guard case .sealed(let envelope) = item.payload else { throw .sealedOnly(vault: name, kind: kind) }
        let limit = capabilities.maximumPayloadBytes
        guard (1...limit).contains(envelope.count) else {
            throw .payloadTooLarge(envelope.count, limit: limit, vault: name)
        }
        return envelope
    }
}

extension WriteCondition {
    /// - Parameter live: the record that is there; nil = none.
    /// - Throws: `.alreadyExists` or `.versionMismatch` if the condition is not met.
    package func check(_ live: VaultItem?) throws(Failure) {
        switch self {
        case .none: return
        case .ifAbsent: guard live == nil else { throw .alreadyExists }
        case .ifVersion(let version):
            guard live?.version.hasSameBytes(as: version) == true else { throw .versionMismatch }
        }
    }
}
