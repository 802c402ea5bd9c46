internal import CofferCore
internal import CofferVault

/// Duties about listings. Records of others may be in the vault, so what is
/// listed of everyone is looked at only where it is ours.
extension Bench {
    /// `perUser` records of each of `users`, by tag.
    private func fill(users: Int, perUser: Int) async throws -> [[UInt8]: VaultItem] {
        var written: [[UInt8]: VaultItem] = [:]
        for user in 0..<users {
            for connection in 0..<perUser {
                let key = try key("user-\(user)", "connection-\(connection)")
                let item = item("\(user)-\(connection)", payload: [UInt8(user), UInt8(connection)])
                try await write(key, item)
                written[key.tag] = item
            }
        }
        return written
    }

    private func compare(_ entries: [VaultPage.Entry], with written: [[UInt8]: VaultItem], _ what: String) throws {
        let ours = entries.filter { written[$0.tag] != nil }
        try require(Set(ours.map(\.tag)).count == ours.count, "\(what): an entry came twice")
        try require(ours.count == written.count, "\(what): \(ours.count) entries of \(written.count)")
        for entry in ours {
            try require((try? entry.item.get()) == written[entry.tag], "\(what): an entry has another item")
        }
    }

    func listsOneUser() async throws {
        guard hasListing else { return try await refusesListing() }
        let nobody = try key("nobody", "c").vaultUser
        try require(try await listAll(nobody, limit: 10).isEmpty, "a user without records has some")
        let written = try await fill(users: 3, perUser: 5)
        for user in 0..<3 {
            let tags = Set(try (0..<5).map { try key("user-\(user)", "connection-\($0)").tag })
            let entries = try await listAll(try key("user-\(user)", "c").vaultUser, limit: 100)
            try require(entries.count == 5, "a user with 5 records has \(entries.count)")
            try compare(entries, with: written.filter { tags.contains($0.key) }, "one user")
        }
    }

    func listsEveryone() async throws {
        guard hasListing else { return try await refusesListing() }
        let written = try await fill(users: 4, perUser: 4)
        try compare(try await listAll(nil, limit: 100), with: written, "everyone")
        let gone = try key("user-1", "connection-2")
        _ = try await remove(gone)
        let left = try await listAll(nil, limit: 100)
        try require(!left.contains { $0.tag == gone.tag }, "a removed record is listed")
    }

    func listsInPagesOfAnySize() async throws {
        guard hasListing else { return try await refusesListing() }
        let written = try await fill(users: 3, perUser: 7)
        let user = try key("user-1", "c").vaultUser
        let whole = try await listAll(nil, limit: 100).map(\.tag)
        for limit in [1, 2, 3, 6, 7, 8, 20, 21, 22, Int.max - 1, .max] {
            let entries = try await listAll(nil, limit: limit)
            try compare(entries, with: written, "everyone by \(limit)")
            try require(entries.map(\.tag) == whole, "the order depends on the page size")
            try require(
                try await listAll(user, limit: limit).count == 7, "one user by \(limit): not 7 entries")
        }
        for (first, limit) in [(5, 2), (20, 1), (2, 5)] {
            let entries = try await listAll(nil, limit: limit, first: first)
            try compare(entries, with: written, "everyone by \(limit) after \(first)")
            try require(entries.map(\.tag) == whole, "the order depends on the sizes of pages")
            try require(
                try await listAll(user, limit: limit, first: first).count == 7, "one user by \(limit) after \(first): not 7 entries")
        }
    }

    /// Records that stay are listed once each while others come and go.
    func listsWhileOthersChange() async throws {
        guard hasListing else { return try await refusesListing() }
        let written = try await fill(users: 2, perUser: 10)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<2 {
                group.addTask {
                    for turn in 0..<40 {
                        let key = try key("user-\(task)", "passing-\(turn % 8)")
                        try await write(key, item("passing"))
                        if turn % 2 == 1 { _ = try await remove(key) }
                    }
                }
            }
            for limit in [1, 3, 7] {
                group.addTask {
                    try compare(try await listAll(nil, limit: limit), with: written, "during changes, by \(limit)")
                }
            }
            try await group.waitForAll()
        }
    }

    func refusesForeignCursors() async throws {
        guard hasListing else { return try await refusesListing() }
        _ = try await fill(users: 1, perUser: 3)
        for cursor in [[0], [UInt8](repeating: 0xff, count: 1000)] as [[UInt8]] {
            try await refuses(.invalidArgument, "a cursor of \(cursor.count) bytes") { () throws(Failure) in
                _ = try await vault.list(user: nil, after: cursor, limit: 2, deadline: deadline)
            }
        }
    }
}
