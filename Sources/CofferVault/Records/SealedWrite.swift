internal import CofferCore
internal import Synchronization

/// A record in the format of its vault, on its way there. A class, so that it is
/// handed on without copies.
package final class SealedWrite: Sendable {
    let name: VaultKey
    let item: VaultItem
    let condition: WriteCondition
    let body: RecordBody
    /// What it was written as instead, if it kept the format of the record before it.
    private let keptFormat = Mutex<RecordFormat?>(nil)

    init(_ name: VaultKey, _ item: VaultItem, _ condition: WriteCondition, of body: RecordBody) {
        self.name = name
        self.item = item
        self.condition = condition
        self.body = body
    }

    func noteKept(_ format: RecordFormat) { keptFormat.withLock { $0 = format } }

    /// What is in the vault after it said this.
    package func record(_ receipt: VaultReceipt) -> Record {
        var body = body
        if let updatedAt = receipt.updatedAt { body.updatedAt = updatedAt }
        return Record(
            body: body, version: receipt.version, createdAt: receipt.createdAt,
            foreignFormat: keptFormat.withLock { $0 })
    }
}
