internal import CofferCore
internal import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// Somebody who does not wait for a write: `completion` runs on `queue`.
final class PromptCaller: LaneCaller, WorkItem {
    /// Kept until then: its threads answer.
    private let vault: EmbeddedVault
    private let version: String
    private let queue: any WorkQueue
    private let completion: @Sendable (Result<VaultReceipt, Failure>) -> Void
    private let outcome = Mutex<Result<WriteReply, Failure>?>(nil)

    /// - Parameter version: what is being written.
    init(
        _ version: String, to vault: EmbeddedVault, on queue: any WorkQueue,
        completion: @escaping @Sendable (Result<VaultReceipt, Failure>) -> Void
    ) {
        self.vault = vault
        self.version = version
        self.queue = queue
        self.completion = completion
    }

    func accept(_ outcome: Result<WriteReply, Failure>) -> (on: any WorkQueue, work: any WorkItem)? {
        self.outcome.withLock { $0 = outcome }
        return (queue, self)
    }

    func run() {
        guard let outcome = outcome.withLock({ $0 }) else { return }
        completion(Result { () throws(Failure) in try outcome.get().receipt(for: version) })
    }
}
