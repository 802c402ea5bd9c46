package import CofferCore

/// A vault of this process's own, which has a place for a write at once: so a Store
/// needs no task that waits for it.
package protocol PromptVault: VaultAdapter {
    /// Does what `write` does, without making the caller wait.
    ///
    /// - Parameter completion: gets what `write` returns or throws, on a thread of the
    ///   vault's that has others to serve, or on the caller's. It may not block.
    func beginWrite(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant,
        completion: @escaping @Sendable (Result<VaultReceipt, Failure>) -> Void
    )
}
