package import CofferCore
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

extension HashiCorpVault {
    /// How often a write is tried that others come in between of.
    private static let maximumAttempts = 16
    /// What is sealed says itself when it expires; the vault collects it later.
    private static let collectionDelay: Int64 = 60
    /// A hundred years, in milliseconds; the vault reckons in nanoseconds of 64 bits.
    private static let longestLife: UInt64 = 3_155_760_000_000
    private static let metadataRefusal = Duration.seconds(300)

    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        try begin(deadline)
        defer { gate.leave() }
        let size = item.payload.count
        guard (1...Self.maximumPayloadBytes).contains(size) else {
            throw .payloadTooLarge(size, limit: Self.maximumPayloadBytes, vault: name)
        }
        let path = names.all(key.key)[0]
        for attempt in 0..<Self.maximumAttempts {
            let found = try await current(key.key, deadline: deadline)
            let live = found.record.live(at: clock.wall)
            try check(condition, live)
            // The one that another program named differently is left to it.
            let old = found.path == path ? found.record : try await record(path, deadline: deadline)
            var item = item
            item.createdAt = (try? live?.get().createdAt) ?? item.updatedAt
            let data = try await LargeAnswer.tryLook(at: size) { [item] () throws(Failure) in try self.data(of: item) }
            let lifetime = try await prepare(path, key.key, item, old, deadline: deadline)
            let needsVersion = condition != .none || state.withLock { $0.needsCheckAndSet }
            let outcome = try await post(
                data, of: size, to: path, version: needsVersion ? old.version : nil, deadline: deadline)
            if case .written(var written) = outcome {
                if isWrong(written.lifetime, lifetime, item) {
                    do throws(Failure) {
                        written = try await correct(path, key.key, item, data, over: written, deadline: deadline)
                    } catch {
                        throw error.afterChange
                    }
                }
                if names.prefersLiteral { try await dropOtherNames(key.key, path, deadline: deadline) }
                // Text has no room for a version and times of ours.
                let isSealed = item.payload.envelope != nil
                return isSealed
                    ? VaultReceipt(version: item.version, createdAt: item.createdAt)
                    : VaultReceipt(
                        version: written.token, createdAt: min(item.createdAt, written.created),
                        updatedAt: written.created)
            }
            // Whoever was faster got further; let them pass.
            let pause = Duration.milliseconds(5 * min(attempt, 10)) * dependencies.jitter(from: 0)
            if outcome == .lost, attempt > 0, !(await dependencies.pause(pause, until: deadline)) { break }
        }
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        throw Failure(
            .aborted, .versionMismatch, "other writers keep changing this record; nothing was written, try again",
            vault: name, retryable: true)
    }

    /// A record has one name while another program deletes what it finds under its own.
    private func dropOtherNames(_ key: RecordKey, _ path: String, deadline: BootInstant) async throws(Failure) {
        for other in names.all(key) where other != path {
            do throws(Failure) {
                _ = try await remove(other, deadline: deadline)
            } catch {
                throw error.afterChange
            }
        }
    }

    private func check(_ condition: WriteCondition, _ live: Result<VaultItem, Failure>?) throws(Failure) {
        switch condition {
        case .none: break
        case .ifAbsent: guard live == nil else { throw .alreadyExists }
        case .ifVersion(let version):
            guard let live, (try? live.get())?.version.hasSameBytes(as: version) == true else { throw .versionMismatch }
        }
    }

    private func data(of item: VaultItem) throws(Failure) -> JSON {
        switch item.payload {
        case .sealed(let envelope): SealedDocument.json(envelope, of: item, created: item.createdAt)
        case .text(let text): try HashiCorpValue.text(text)
        }
    }

    // MARK: The version

    private enum Outcome: Equatable {
        case written(HashiCorpWritten)
        /// Somebody was faster.
        case lost
        case needsVersion
    }

    /// - Parameters:
    ///   - bytes: of the payload.
    ///   - version: that must be the newest; 0 = none; nil = whatever is there.
    private func post(
        _ data: JSON, of bytes: Int, to path: String, version: Int64?, deadline: BootInstant
    ) async throws(Failure) -> Outcome {
        let call = await LargeAnswer.look(at: bytes) {
            let options = version.map { [(name: "options", value: JSON.object([("cas", .integer($0))]))] } ?? []
            return HashiCorpCall(
                .post, self.names.path(.data, path), .object([("data", data)] + options), for: .write)
        }
        let answer = try await client.call(call, deadline: deadline)
        if answer.status == 400, version != nil, answer.says("did not match the current version") { return .lost }
        if answer.status == 400, version == nil, answer.says("required for this call") {
            state.withLock { $0.needsCheckAndSet = true }
            return .needsVersion
        }
        guard answer.isSuccess else { throw .hashiCorp(answer, .write, vault: name) }
        guard let written = HashiCorpRecord.written(answer) else { throw .hashiCorpGarbled(.write, name) }
        recent.note(path, version: written.version, now: clock.boot)
        return .written(written)
    }

    /// Writes `data`, which is short, where the newest version is `version`, and says whether it did.
    func post(_ data: JSON, to path: String, over version: Int64, deadline: BootInstant) async throws(Failure) -> Int64?
    {
        if case .written(let written) = try await post(data, of: 0, to: path, version: version, deadline: deadline) {
            return written.version
        }
        return nil
    }

    // MARK: What stands beside it

    /// How long the vault is to keep a version, in seconds; 0 = for ever.
    private func lifetime(of item: VaultItem) -> Int64 {
        guard item.expiresAt > 0 else { return 0 }
        let now = clock.wall
        let left = item.expiresAt > now ? Int64(min(item.expiresAt - now, Self.longestLife)) : 0
        let seconds = max(1, (left + 999) / 1000)
        return item.payload.envelope == nil ? seconds : seconds + Self.collectionDelay
    }

    /// Sees to it that the key's metadata is right for this item, before the version
    /// is written: the vault reckons with what it finds then. What others have put
    /// there stays.
    ///
    /// - Returns: the seconds after which the vault is to collect the version.
    private func prepare(
        _ path: String, _ key: RecordKey, _ item: VaultItem, _ old: HashiCorpRecord, deadline: BootInstant
    ) async throws(Failure) -> Int64 {
        guard options.writesMetadata else {
            if item.payload.envelope == nil, item.expiresAt > 0 {
                throw .hashiCorpSetUp("a record in this format expires only if metadata is written", name)
            }
            return 0
        }
        let lifetime = lifetime(of: item)
        // A version tells the key's time as it was when that version was written.
        if let shown = old.metadata, shown == shown.changed(for: key, created: item.createdAt, lifetime: lifetime) {
            return shown.lifetime
        }
        return try await settle(path, key, item, lifetime: lifetime, deadline: deadline).now.lifetime
    }

    /// Reads the key's metadata, and writes what has to be different.
    private func settle(
        _ path: String, _ key: RecordKey, _ item: VaultItem, lifetime: Int64, deadline: BootInstant
    ) async throws(Failure) -> (now: HashiCorpMetadata, isChanged: Bool) {
        let there = try await metadata(path, deadline: deadline)
        let wanted = there.changed(for: key, created: item.createdAt, lifetime: lifetime)
        if wanted != there { try await writeMetadata(path, wanted, item, deadline: deadline) }
        return (wanted, wanted != there)
    }

    private func metadata(_ path: String, deadline: BootInstant) async throws(Failure) -> HashiCorpMetadata {
        if let until = state.withLock({ $0.metadataRefusedUntil }), clock.boot < until {
            return HashiCorpMetadata(isReadable: false)
        }
        let call = HashiCorpCall(.get, names.path(.metadata, path), for: .read)
        let answer = try await client.call(call, deadline: deadline)
        if answer.isSuccess { return HashiCorpMetadata(ofKey: answer.data) }
        if answer.isAbsence { return HashiCorpMetadata() }
        guard answer.status == 403 || answer.status == 405 else { throw .hashiCorp(answer, .read, vault: name) }
        // Who may not see what is there must not replace it.
        state.withLock { $0.metadataRefusedUntil = clock.boot + Self.metadataRefusal }
        return HashiCorpMetadata(isReadable: false)
    }

    private func writeMetadata(
        _ path: String, _ metadata: HashiCorpMetadata, _ item: VaultItem, deadline: BootInstant
    ) async throws(Failure) {
        // The vault is all that knows when a record expires that is not sealed.
        let isNeeded = item.payload.envelope == nil && item.expiresAt > 0
        if !isNeeded, let until = state.withLock({ $0.metadataRefusedUntil }), clock.boot < until { return }
        let call = HashiCorpCall(.post, names.path(.metadata, path), metadata.body, for: .write)
        let answer = try await client.call(call, deadline: deadline)
        if answer.isSuccess { return state.withLock { $0.metadataRefusedUntil = nil } }
        guard !isNeeded, answer.status == 403 || answer.status == 400 || answer.status == 405 else {
            throw .hashiCorp(answer, .write, vault: name)
        }
        if answer.status == 403 { state.withLock { $0.metadataRefusedUntil = clock.boot + Self.metadataRefusal } }
    }

    /// Whether the vault will collect the version at a time that is not the item's:
    /// another writer's metadata was there when it was written.
    private func isWrong(_ actual: Int64, _ wanted: Int64, _ item: VaultItem) -> Bool {
        if item.payload.envelope == nil { return abs(actual - wanted) > 1 }
        return actual > 0 && (wanted == 0 || actual < wanted - Self.collectionDelay)
    }

    /// Writes metadata and version again, unless somebody replaced them already.
    private func correct(
        _ path: String, _ key: RecordKey, _ item: VaultItem, _ data: JSON, over written: HashiCorpWritten,
        deadline: BootInstant
    ) async throws(Failure) -> HashiCorpWritten {
        var last = written
        for _ in 0..<2 {
            let lifetime = lifetime(of: item)
            let (metadata, isChanged) = try await settle(path, key, item, lifetime: lifetime, deadline: deadline)
            // The mount may have a shorter time of its own; then it stays so.
            guard isChanged || isWrong(last.lifetime, metadata.lifetime, item) else { return last }
            let outcome = try await post(
                data, of: item.payload.count, to: path, version: last.version, deadline: deadline)
            guard case .written(let next) = outcome else { return last }
            last = next
            if !isWrong(next.lifetime, metadata.lifetime, item) { break }
        }
        return last
    }
}
