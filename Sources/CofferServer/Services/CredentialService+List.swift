import CofferCore
import CofferVault
import CofferWire

/// Listings of what the vaults hold; never through the cache.
extension CredentialService {
    /// Entries asked of the vault at a time: at most some 6 KiB each, so that a
    /// page never nears the frame limit.
    private static let listStep = 64
    private static let listBytes = 512 << 10
    /// At most, for an entry whose record cannot be read.
    private static let unreadableBytes = 2_048

    /// Entries that are looked at for one page, however few of them are shown: then the page ends, and the next goes on there.
    private static let lookedAt = 4_096

    func list(
        user: String?, after cursor: [UInt8]?, pageSize: Int, _ listed: Listed, deadline: BootInstant,
        replyTo address: ReturnAddress
    ) {
        let task = Task(executorPreference: address.inbox) {
            await VaultCaller.$uid.withValue(address.uid) {
                await self.answer(user: user, after: cursor, pageSize: pageSize, listed, deadline: deadline, address)
            }
        }
        address.work.onStop { task.cancel() }
    }

    private func answer(
        user: String?, after cursor: [UInt8]?, pageSize: Int, _ listed: Listed, deadline: BootInstant, _ address: ReturnAddress
    ) async {
        do throws(Failure) {
            address.send(
                .message(try await page(user: user, after: cursor, pageSize: pageSize, listed, deadline: deadline)))
            // Of several, who knows which were asked.
            let vaults = pool.stores(forUser: user)
            if vaults.count == 1 { statuses[vaults[0]].noteSuccess(.list) }
        } catch {
            statuses[error.vault]?.noteFailure(error, .list)
            address.send(.failure(error))
        }
    }

    private func page(
        user: String?, after start: [UInt8]?, pageSize: Int, _ listed: Listed, deadline: BootInstant
    ) async throws(Failure) -> Secret {
        var cursor = start
        var entries: [(key: RecordKey, metadata: RecordMetadata)] = []
        var unreadable: [UnreadableRecord] = []
        var bytes = 0
        var lookedAt = 0
        // A page that is short is better than none.
        let half = clock.boot + .milliseconds(Int64(deadline.milliseconds(since: clock.boot) / 2))
        var count: Int { entries.count + unreadable.count }
        repeat {
            guard !Task.isCancelled else { throw .abandoned }
            let page = try await pool.list(
                user: user, after: cursor, limit: min(Self.listStep, pageSize - count), deadline: deadline)
            lookedAt += page.records.count + page.unreadable.count
            for record in page.records where listed.contains(user: record.key.user, record.key.connection) {
                entries.append((record.key, record.metadata))
                bytes += record.listedBytes
            }
            let shown = page.unreadable.filter { listed.contains(user: $0.user, $0.connection) }
            unreadable += shown
            bytes += shown.count * Self.unreadableBytes
            cursor = page.next
        } while cursor != nil && count < pageSize && bytes < Self.listBytes
            && (count == lookedAt || (lookedAt < Self.lookedAt && clock.boot < half))
        return ReplyMessages.listResponse(
            entries, unreadable: unreadable, next: cursor.map { pageTokens.encode($0, user: user) } ?? "")
    }
}

extension Failure {
    /// For nobody: who asked has gone.
    static let abandoned = Failure(.cancelled, .cancelled, "nobody waits for it any more", isUnsent: true)
}

extension Record {
    var metadata: RecordMetadata {
        RecordMetadata(
            version: version, labels: body.labels, createdAt: createdAt, updatedAt: body.updatedAt,
            expiresAt: body.expiresAt, foreignFormat: foreignFormat?.rawValue ?? "")
    }

    /// About how much of a ListResponse it takes.
    fileprivate var listedBytes: Int {
        body.labels.reduce(64 + key.user.utf8.count + key.connection.utf8.count + version.utf8.count) {
            $0 + $1.key.utf8.count + $1.value.utf8.count + 8
        }
    }
}
