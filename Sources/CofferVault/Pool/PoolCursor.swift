import CofferCore

/// Where a listing over several vaults goes on: a format byte (1), the vault's
/// place in the configuration (2, big-endian), and the vault's own cursor, if
/// there is one, behind a byte 1; else a byte 0 and nothing.
struct PoolCursor {
    private static let format: UInt8 = 1
    private static let headerBytes = 4

    var vault: Int
    /// Where the page before ended; nil = at the start of this vault.
    var inner: [UInt8]?

    init(vault: Int, inner: [UInt8]?) {
        self.vault = vault
        self.inner = inner
    }

    /// - Throws: INVALID_ARGUMENT for bytes that no listing gave out.
    init(_ bytes: [UInt8]) throws(Failure) {
        guard bytes.count >= Self.headerBytes, bytes[0] == Self.format,
            bytes[3] == 1 || (bytes[3] == 0 && bytes.count == Self.headerBytes)
        else { throw Self.foreign }
        vault = Int(bytes[1]) << 8 | Int(bytes[2])
        inner = bytes[3] == 1 ? Array(bytes[Self.headerBytes...]) : nil
    }

    var bytes: [UInt8] {
        [Self.format, UInt8(vault >> 8), UInt8(vault & 0xFF), inner == nil ? 0 : 1] + (inner ?? [])
    }

    static let foreign = Failure.badField(
        "page_token", "was not issued by this daemon for this listing; start from the first page")
}
