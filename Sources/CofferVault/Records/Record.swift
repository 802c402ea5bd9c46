package import CofferCore

/// An opened record.
package struct Record: Sendable {
    package let body: RecordBody
    package let version: String
    /// When the record first came to be, by the vault's word.
    package let createdAt: WallMilliseconds
    /// How it lies in the vault, if that is not how its store writes.
    package let foreignFormat: RecordFormat?

    package var key: RecordKey { body.key }
}
