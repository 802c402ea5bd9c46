package import CofferCore

/// Where a page of a listing ended.
package struct ListCursor {
    /// Of `VaultKey.tag` and `VaultKey.userTag`.
    package static let tagBytes = 32

    package let userTag: [UInt8]
    package let tag: [UInt8]

    /// - Parameters:
    ///   - userTag: whose records are listed; nil = everyone's.
    ///   - bytes: as ``bytes`` gave them; nil = before the first record.
    /// - Throws: INVALID_ARGUMENT for bytes that no page of this vault ended with.
    package init(userTag: [UInt8]?, after bytes: [UInt8]?) throws(Failure) {
        guard let bytes else {
            self.userTag = userTag ?? []
            tag = []
            return
        }
        guard bytes.count == 2 * Self.tagBytes else {
            throw .badField("page_token", "was not issued by this vault; start from the first page")
        }
        self.userTag = Array(bytes[..<Self.tagBytes])
        tag = Array(bytes[Self.tagBytes...])
        guard userTag == nil || userTag == self.userTag else {
            throw .badField("page_token", "belongs to another listing; start from the first page")
        }
    }

    package init(userTag: [UInt8], tag: [UInt8]) {
        self.userTag = userTag
        self.tag = tag
    }

    /// For `VaultPage.next`.
    package var bytes: [UInt8] { userTag + tag }
}
