package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault

extension HashiCorpVault {
    /// A page looks at this many names at most, whatever the limit.
    private static let maximumPage = 1000
    /// How many values are read at the same time.
    private static let concurrency = 8
    /// A page ends when its payloads reach this many bytes.
    private static let pageBytes = 4 << 20

    /// In the order of the escaped names. A page may hold fewer entries than the
    /// limit though more follow; names that the daemon did not make are passed over.
    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        try begin(deadline)
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
            let record = try await record(names.record(key), deadline: deadline)
            return .success(try record.live(at: clock.wall)?.get())
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
            users = [HashiCorpNames.segment(user)]
        } else {
            users = try await segments(of: nil, folders: true, deadline).filter {
                !(place.map { $0.user } ?? "").isAfter($0)
            }
        }
        var keys: [RecordKey] = []
        for segment in users {
            guard let id = HashiCorpNames.id(ofSegment: segment) else { continue }
            for connection in try await segments(of: id, folders: false, deadline) {
                if let place, place.user == segment, !connection.isAfter(place.connection) { continue }
                guard let connection = HashiCorpNames.id(ofSegment: connection),
                    let key = try? RecordKey(user: id, connection: connection)
                else { continue }
                if keys.count == limit { return (keys, true) }
                keys.append(key)
            }
        }
        return (keys, false)
    }

    /// The parts of names below a folder, in the order of their bytes.
    private func segments(
        of user: String?, folders: Bool, _ deadline: BootInstant
    ) async throws(Failure) -> [String] {
        let call = HashiCorpCall(.get, names.listing(user: user), for: .read)
        let answer = try await client.call(call, deadline: deadline)
        // An empty folder.
        if answer.isAbsence { return [] }
        guard answer.isSuccess else {
            throw answer.status == 404 && answer.errors.isEmpty
                ? .hashiCorpGarbled(.read, name) : .hashiCorp(answer, .read, vault: name)
        }
        guard let names = answer.data?["keys"]?.elements else { throw .hashiCorpGarbled(.read, name) }
        var segments: [String] = []
        for name in names {
            guard let name = name.text else { throw .hashiCorpGarbled(.read, self.name) }
            if name.hasSuffix("/") == folders { segments.append(folders ? String(name.dropLast()) : name) }
        }
        return segments.sorted { $1.isAfter($0) }
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
        let foreign = Failure.badField("page_token", "is not one that this listing gave out; start from the first page")
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
