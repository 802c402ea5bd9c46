import CofferCore
import CofferVault
import CofferVaultKit
import Testing

/// Sealed records as bytes, which anybody who may write to the vault can put there.
@Suite struct SealedBinaryTests {
    private static func item(_ created: WallMilliseconds, _ updated: WallMilliseconds, _ expires: WallMilliseconds) -> VaultItem {
        VaultItem(payload: .sealed([1, 2, 3]), version: "v", createdAt: created, updatedAt: updated, expiresAt: expires)
    }

    private static func readBack(_ item: VaultItem) -> VaultItem? {
        let bytes = SealedBinary.bytes([1, 2, 3], of: item, created: item.createdAt)
        return SealedBinary.item(bytes.withUnsafeBytes { Secret(copying: $0) })
    }

    /// The record's next version may be a `SealedDocument`, which keeps the time at which the record was made.
    @Test func everyTimeThatIsReadFitsADocumentToo() throws {
        let latest = WallMilliseconds(Int64.max)
        let item = Self.item(latest, latest, latest)
        #expect(Self.readBack(item) == item)
        let document = SealedDocument(SealedDocument.json([1, 2, 3], of: item, created: latest))
        #expect(document?.created == latest && document?.updated == latest && document?.expires == latest)
    }

    @Test(arguments: [WallMilliseconds(1) << 63, .max]) func aTimeThatNoDocumentHasIsRefused(time: WallMilliseconds) {
        for item in [Self.item(time, 0, 0), Self.item(0, time, 0), Self.item(0, 0, time)] {
            #expect(Self.readBack(item) == nil)
            #expect(SealedDocument(SealedDocument.json([1, 2, 3], of: item, created: item.createdAt)) == nil)
        }
    }
}
