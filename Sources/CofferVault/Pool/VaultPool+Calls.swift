package import CofferCore

extension VaultPool {
    /// A page of records, vault after vault; at most one vault is asked. Records
    /// that a vault still has, though their route leads to another one now, are
    /// left out: no Get finds them.
    ///
    /// - Parameters:
    ///   - user: whose; nil = everyone's.
    ///   - cursor: `next` of the page before.
    ///   - limit: the most records; a page may have fewer, even none, with more to come.
    /// - Throws: INVALID_ARGUMENT for a cursor that is not of this listing, and
    ///   what the vault in turn fails with.
    package func list(
        user: String?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> RecordPage {
        let places = places(forUser: user)
        guard let first = places.first else { return RecordPage() }
        let start =
            try cursor.map { bytes throws(Failure) in try PoolCursor(bytes) } ?? PoolCursor(vault: first, inner: nil)
        guard let turn = places.firstIndex(of: start.vault) else { throw PoolCursor.foreign }
        var page = try await vaults[start.vault].store.list(
            user: user, after: start.inner, limit: limit, deadline: deadline)
        page.records.removeAll { !isHere($0.key.user, $0.key.connection, start.vault) }
        page.unreadable.removeAll { !$0.connection.isEmpty && !isHere($0.user, $0.connection, start.vault) }
        if let inner = page.next {
            page.next = PoolCursor(vault: start.vault, inner: inner).bytes
        } else {
            page.next = places.dropFirst(turn + 1).first.map { PoolCursor(vault: $0, inner: nil).bytes }
        }
        return page
    }

    private func isHere(_ user: String, _ connection: String, _ vault: Int) -> Bool {
        (try? place(of: RecordKey(user: user, connection: connection))) == vault
    }
}
