internal import CofferCore
internal import CofferSQLite
internal import CofferVault

/// Where a page of a listing ended.
struct ListCursor {
    /// Of `VaultKey.tag` and `VaultKey.userTag`.
    static let tagBytes = 32

    var userTag: [UInt8]
    var tag: [UInt8]

    /// - Parameters:
    ///   - userTag: whose records are listed; nil = everyone's.
    ///   - bytes: as ``bytes`` gave them; nil = before the first record.
    /// - Throws: INVALID_ARGUMENT for bytes that no page of this vault ended with.
    init(userTag: [UInt8]?, after bytes: [UInt8]?) throws(Failure) {
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

    init(_ row: borrowing SQLiteRow) {
        userTag = row.blob(6)
        tag = row.blob(5)
    }

    var bytes: [UInt8] { userTag + tag }
}

extension SQLiteSession {
    /// A page stops short of `limit` when its payloads reach this many bytes,
    /// so that no page has to hold a thousand large ones.
    static var pageBytes: Int { 4 << 20 }

    /// At most `limit` live records behind `cursor`, in the order of the key.
    func list(
        ofOneUser: Bool, after cursor: ListCursor, limit: Int, now: WallMilliseconds
    ) throws(SQLiteError) -> VaultPage {
        var page = VaultPage(entries: [], next: nil)
        var last: [UInt8]?
        var bytes = 0
        let list = try statement(ofOneUser ? RecordTable.listUser : RecordTable.listAll)
        list.bind(1, cursor.userTag)
        list.bind(2, cursor.tag)
        list.bind(3, Int64(clamping: now))
        // One more shows whether a page follows.
        list.bind(4, Int64(min(limit, Int.max - 1) + 1))
        try list.scan { row in
            guard page.entries.count < limit, bytes < Self.pageBytes else {
                page.next = last
                return false
            }
            let item = Self.item(row)
            let place = ListCursor(row)
            page.entries.append(VaultPage.Entry(name: .tag(place.tag), item: item))
            bytes += item.payload.count
            last = place.bytes
            return true
        }
        return page
    }
}
