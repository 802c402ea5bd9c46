internal import CofferCore
internal import CofferSQLite
internal import CofferVault
internal import CofferVaultKit

extension ListCursor {
    init(_ row: borrowing SQLiteRow) {
        self.init(userTag: row.blob(6), tag: row.blob(5))
    }
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
