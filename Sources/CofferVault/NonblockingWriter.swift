package import CofferCore

/// A vault of this process's own, which has a place for a write at once: so a Store
/// needs no task that waits for it.
package protocol NonblockingWriter: Sendable {
    /// Does what the vault's `write` does, without making the caller wait.
    ///
    /// - Parameters:
    ///   - queue: where `completion` runs.
    ///   - completion: gets what `write` returns or throws.
    func beginWrite(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant,
        on queue: any WorkQueue, completion: @escaping @Sendable (Result<VaultReceipt, Failure>) -> Void
    )
}

extension VaultAdapter where Self: NonblockingWriter {
    package var nonblockingWriter: (any NonblockingWriter)? { self }
}

/// A thread that does what others leave it.
package protocol WorkQueue: AnyObject, Sendable {
    /// Does these in order, soon; from any thread, with one wake-up for all of them.
    func post(_ work: [any WorkItem])
}

/// Something to be done on another thread.
package protocol WorkItem: AnyObject, Sendable {
    func run()
}
