package import CofferCore
package import CofferVault

/// A sealed record as bytes, for vaults that keep them, where a ``SealedDocument`` would be too large. Big-endian:
/// "coffer1b" · created (8) · updated (8) · expires (8) · length of the version (1), version · the envelope.
package enum SealedBinary {
    private static let mark = Array("coffer1b".utf8)
    /// The most bytes that stand beside the envelope.
    package static let overhead = mark.count + 3 * 8 + 1 + VaultItem.maximumVersionBytes

    /// - Parameter created: when the record first came to be, which the vault may know better than the item.
    package static func bytes(_ envelope: [UInt8], of item: VaultItem, created: WallMilliseconds) -> [UInt8] {
        let version = Array(item.version.utf8.prefix(VaultItem.maximumVersionBytes))
        let times = [created, item.updatedAt, item.expiresAt].flatMap { time in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: time >> UInt64($0)) }
        }
        return mark + times + [UInt8(version.count)] + version + envelope
    }

    /// Whether the bytes say that they are one, sound or not.
    package static func isMarked(_ bytes: Secret) -> Bool {
        bytes.withBytes { $0.byteCount >= mark.count && $0.extracting(0..<mark.count).isEqual(to: mark) }
    }

    /// Trusts nothing. A time that a ``SealedDocument`` has no room for is refused too: the record's next version may be one,
    /// and keeps the time at which the record was made.
    ///
    /// - Returns: nil for what is no sealed record.
    package static func item(_ bytes: Secret) -> VaultItem? {
        bytes.withBytes { bytes in
            var cursor = ByteCursor()
            guard cursor.array(count: mark.count, in: bytes) == mark,
                let created = time(&cursor, bytes), let updated = time(&cursor, bytes), let expires = time(&cursor, bytes),
                let count = cursor.integer(UInt8.self, in: bytes), (1...VaultItem.maximumVersionBytes).contains(Int(count)),
                let version = cursor.text(count: Int(count), in: bytes), version.utf8.allSatisfy({ $0 < 0x80 }),
                let envelope = cursor.array(count: cursor.remaining(in: bytes), in: bytes), !envelope.isEmpty
            else { return nil }
            return VaultItem(
                payload: .sealed(envelope), version: version, createdAt: created, updatedAt: updated, expiresAt: expires
            )
        }
    }
    private static func time(_ cursor: inout ByteCursor, _ bytes: RawSpan) -> WallMilliseconds? {
        cursor.integer(UInt64.self, in: bytes).flatMap { Int64(exactly: $0) == nil ? nil : $0 }
    }
}
