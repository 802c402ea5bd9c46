internal import CofferCore

/// A record in the format of its vault, on its way there. A class, so that it is
/// handed on without copies.
package final class SealedWrite: Sendable {
    let name: VaultKey
    let item: VaultItem
    let condition: WriteCondition
    private let body: RecordBody

    init(_ name: VaultKey, _ item: VaultItem, _ condition: WriteCondition, of body: RecordBody) {
        self.name = name
        self.item = item
        self.condition = condition
        self.body = body
    }

    /// What is in the vault after it said this.
    package func record(_ receipt: VaultReceipt) -> Record {
        Record(body: body, version: receipt.version, createdAt: receipt.createdAt)
    }
}
