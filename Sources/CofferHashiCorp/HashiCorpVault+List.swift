package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension HashiCorpVault {
    /// A page looks at this many names at most, whatever the limit.
    private static let maximumPage = 1000
    /// How many values are read at the same time.
    private static let concurrency = 8
    /// A page ends when its payloads reach this many bytes.
    private static let pageBytes = 4 << 20

    /// In the order of the escaped names. A page may hold fewer entries than the
    /// limit though more follow; names that no record of ours can have are passed over.
    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        try begin(deadline)
        defer { gate.leave() }
        var place = try cursor.map { bytes throws(Failure) in
            try HashiCorpCursor(bytes, identity: identity, user: user?.id)
        }
        let limit = max(1, min(limit, Self.maximumPage))
        var page = VaultPage(entries: [], next: nil)
        var bytes = 0
        repeat {
            page.next = nil
            let (keys, goesOn) = try await keys(of: user?.id, after: place, limit: limit - page.entries.count, deadline)
            var isCut = false
            for start in stride(from: 0, to: keys.count, by: Self.concurrency) where !isCut {
                let some = keys[start..<min(start + Self.concurrency, keys.count)]
                for (key, outcome) in await read(Array(some), deadline: deadline) {
                    switch outcome {
                    case .success(let item?):
                        page.entries.append(VaultPage.Entry(name: .key(key), item: item))
                        bytes += item.payload.count
                    case .success(nil): break
                    case .failure(let failure):
                        guard failure.isOfOneRecord else { throw failure }
                        page.entries.append(VaultPage.Entry(name: .key(key), failure: failure))
                    }
                    place = HashiCorpCursor(key)
                }
                isCut = bytes >= Self.pageBytes && start + Self.concurrency < keys.count
            }
            guard goesOn || isCut else { return page }
            page.next = place?.bytes(identity: identity, user: user?.id)
            if isCut { return page }
        } while page.entries.isEmpty
        return page
    }

    private func read(
        _ keys: [RecordKey], deadline: BootInstant
    ) async -> [(RecordKey, Result<VaultItem?, Failure>)] {
        let outcomes = await withTaskGroup(of: (Int, Result<VaultItem?, Failure>).self) { group in
            for (index, key) in keys.enumerated() {
                group.addTask { (index, await self.outcome(of: key, deadline)) }
            }
            var outcomes = [Result<VaultItem?, Failure>](repeating: .success(nil), count: keys.count)
            for await (index, outcome) in group { outcomes[index] = outcome }
            return outcomes
        }
        return Array(zip(keys, outcomes))
    }

    /// A function of its own, as `VaultAdapter.readMany` says.
    @inline(never)
    private func outcome(of key: RecordKey, _ deadline: BootInstant) async -> Result<VaultItem?, Failure> {
        do throws(Failure) {
            return .success(try await current(key, deadline: deadline).record.live(at: clock.wall)?.get())
        } catch {
            return .failure(error)
        }
    }

    /// At most `limit` keys behind `place`, and whether more follow.
    private func keys(
        of user: String?, after place: HashiCorpCursor?, limit: Int, _ deadline: BootInstant
    ) async throws(Failure) -> (keys: [RecordKey], goesOn: Bool) {
        let users: [String]
        if let user {
            users = [user]
        } else {
            users = ids(in: try await parts(of: nil, folders: true, deadline)).filter {
                !(place.map { $0.user } ?? "").isAfter(HashiCorpNames.segment($0))
            }
        }
        var keys: [RecordKey] = []
        for user in users {
            for connection in try await connections(of: user, deadline) {
                guard let key = try? RecordKey(user: user, connection: connection) else { continue }
                let next = HashiCorpCursor(key)
                if let place, place.user == next.user, !next.connection.isAfter(place.connection) { continue }
                if keys.count == limit { return (keys, true) }
                keys.append(key)
            }
        }
        return (keys, false)
    }

    /// The connections of a user under all names that records may have, in order.
    private func connections(of user: String, _ deadline: BootInstant) async throws(Failure) -> [String] {
        var found: [String] = []
        for folder in HashiCorpNames.folders(of: user) {
            found += try await parts(of: folder, folders: false, deadline)
        }
        return ids(in: found)
    }

    /// What these parts of names stand for, each once, in the order of the escaped names.
    private func ids(in parts: [String]) -> [String] {
        let ids = Set(parts.compactMap { HashiCorpNames.id(ofListed: $0).map { Array($0.utf8) } })
        return ids.map { String(decoding: $0, as: UTF8.self) }
            .map { (id: $0, name: HashiCorpNames.segment($0)) }.sorted { $1.name.isAfter($0.name) }.map(\.id)
    }

    /// The parts of names below a folder.
    private func parts(
        of folder: String?, folders: Bool, _ deadline: BootInstant
    ) async throws(Failure) -> [String] {
        let call = HashiCorpCall(.get, names.listing(of: folder), for: .read)
        let answer = try await client.call(call, deadline: deadline)
        if answer.isSuccess || answer.isAbsence { try await mount.require(isProven: false, deadline: deadline) }
        // An empty folder.
        if answer.isAbsence { return [] }
        guard answer.isSuccess else {
            throw answer.status == 404 && !answer.hasErrorTexts
                ? .hashiCorpGarbled(.read, name) : .hashiCorp(answer, .read, vault: name)
        }
        guard let names = answer.data?["keys"]?.elements else { throw .hashiCorpGarbled(.read, name) }
        var parts: [String] = []
        for name in names {
            guard let name = name.text else { throw .hashiCorpGarbled(.read, self.name) }
            if name.hasSuffix("/") == folders { parts.append(folders ? String(name.dropLast()) : name) }
        }
        return parts
    }
}

extension String {
    /// By bytes: the order must not depend on the language.
    fileprivate func isAfter(_ other: String) -> Bool { other.utf8.lexicographicallyPrecedes(utf8) }
}

/// The last name that a page looked at.
struct HashiCorpCursor {
    private static let format: UInt8 = 1
    private static let checkBytes = 8

    /// Escaped, as in the vault.
    let user: String
    let connection: String

    init(_ key: RecordKey) {
        user = HashiCorpNames.segment(key.user)
        connection = HashiCorpNames.segment(key.connection)
    }

    /// - Throws: INVALID_ARGUMENT for what no page of this listing ended with.
    init(_ bytes: [UInt8], identity: [UInt8], user: String?) throws(Failure) {
        let foreign = Failure.badField("page_token", "was not issued for this listing; start from the first page")
        let names = bytes.dropFirst(1 + Self.checkBytes)
        let parts = names.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard bytes.first == Self.format, parts.count == 2,
            let owner = String(validating: parts[0], as: UTF8.self),
            let connection = String(validating: parts[1], as: UTF8.self)
        else { throw foreign }
        self.user = owner
        self.connection = connection
        guard self.bytes(identity: identity, user: user) == bytes else { throw foreign }
    }

    /// With a check of vault and listing, against mistakes and not against malice:
    /// whoever makes one up reaches nothing that the listing would not show.
    func bytes(identity: [UInt8], user: String?) -> [UInt8] {
        let names = Array("\(self.user)/\(connection)".utf8)
        let listing = Array((user.map { "u" + HashiCorpNames.segment($0) } ?? "a").utf8)
        let check = Digest.sha256(identity + listing + [0] + names).prefix(Self.checkBytes)
        return [Self.format] + check + names
    }
}
