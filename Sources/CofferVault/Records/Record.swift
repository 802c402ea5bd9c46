package import CofferCore

/// An opened record.
package struct Record: Sendable {
    package let body: RecordBody
    package let version: String
    /// When the record first came to be, by the vault's word.
    package let createdAt: WallMilliseconds

    package var key: RecordKey { body.key }
}
