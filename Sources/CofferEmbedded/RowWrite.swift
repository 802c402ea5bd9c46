internal import CofferCore
internal import CofferVault

/// What a write puts into the table. A class, so that it goes from thread to thread
/// as one reference.
final class RowWrite: Sendable {
    let userTag: [UInt8]
    let tag: [UInt8]
    let version: String
    let payload: [UInt8]
    let updatedAt: WallMilliseconds
    /// 0 = never.
    let expiresAt: WallMilliseconds
    let condition: WriteCondition

    init(_ key: VaultKey, _ item: VaultItem, _ condition: WriteCondition) {
        userTag = key.userTag
        tag = key.tag
        version = item.version
        payload = item.payload.envelope ?? []
        updatedAt = item.updatedAt
        expiresAt = item.expiresAt
        self.condition = condition
    }
}
