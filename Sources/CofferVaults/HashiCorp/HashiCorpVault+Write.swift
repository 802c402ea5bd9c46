package import CofferCore
internal import CofferHTTP
package import CofferVault
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
        let size = item.payload.count
        guard (1...Self.maximumPayloadBytes).contains(size) else {
            throw .payloadTooLarge(size, limit: Self.maximumPayloadBytes, vault: name)
        }
        let path = names.record(key.key)
        for attempt in 0..<Self.maximumAttempts {
            let old = try await record(path, deadline: deadline)
            let live = old.live(at: clock.wall)
            try check(condition, live)
            var item = item
            item.createdAt = (try? live?.get().createdAt) ?? item.updatedAt
            let data = try data(of: item)
            let lifetime = try await prepare(path, key.key, item, old, deadline: deadline)
            let needsVersion = condition != .none || state.withLock { $0.needsCheckAndSet }
            let outcome = try await post(data, to: path, version: needsVersion ? old.version : nil, deadline: deadline)
            if case .written(var written) = outcome {
                if isWrong(written.lifetime, lifetime, item) {
                    do throws(Failure) {
                        written = try await correct(path, key.key, item, data, over: written, deadline: deadline)
                    } catch {
                        throw error.afterChange
                    }
                }
                // Text has no room for a version of ours.
                let isSealed = item.payload.envelope != nil
                return VaultReceipt(version: isSealed ? item.version : written.token, createdAt: item.createdAt)
            }
            // Whoever was faster got further; let them pass.
            let pause = Duration.milliseconds(5 * min(attempt, 10)) * seams.jitter(from: 0)
            if outcome == .lost, attempt > 0, !(await seams.pause(pause, until: deadline)) { break }
        }
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        throw Failure(
            .aborted, .versionMismatch, "others write this record all the time; nothing was written, try again",
            vault: name, retryable: true)
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
        case .sealed(let envelope): HashiCorpValue.sealed(envelope, item, created: item.createdAt)
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

    /// - Parameter version: that must be the newest; 0 = none; nil = whatever is there.
    private func post(
        _ data: JSON, to path: String, version: Int64?, deadline: BootInstant
    ) async throws(Failure) -> Outcome {
        let options = version.map { [(name: "options", value: JSON.object([("cas", .integer($0))]))] } ?? []
        let call = HashiCorpCall(
            .post, names.path(.data, path), .object([("data", data)] + options), for: .write)
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

    /// Writes `data` where the newest version is `version`, and says whether it did.
    func post(_ data: JSON, to path: String, over version: Int64, deadline: BootInstant) async throws(Failure) -> Int64?
    {
        if case .written(let written) = try await post(data, to: path, version: version, deadline: deadline) {
            return written.version
        }
        return nil
    }

    // MARK: What stands beside it

    /// Sees to it that the key's metadata is that of this item, before the version
    /// is written: the vault reckons with what it finds then.
    ///
    /// - Returns: the seconds after which the vault is to collect the version.
    private func prepare(
        _ path: String, _ key: RecordKey, _ item: VaultItem, _ old: HashiCorpRecord, deadline: BootInstant
    ) async throws(Failure) -> Int64 {
        let lifetime = lifetime(of: item)
        let metadata = metadata(key, item)
        if old.version > 0, old.lifetime == lifetime, old.metadata == metadata { return lifetime }
        try await writeMetadata(path, metadata, lifetime: lifetime, item, deadline: deadline)
        return lifetime
    }

    private func lifetime(of item: VaultItem) -> Int64 {
        guard item.expiresAt > 0 else { return 0 }
        let now = clock.wall
        let left = item.expiresAt > now ? Int64(min(item.expiresAt - now, Self.longestLife)) : 0
        let seconds = max(1, (left + 999) / 1000)
        return item.payload.envelope == nil ? seconds : seconds + Self.collectionDelay
    }

    private func metadata(_ key: RecordKey, _ item: VaultItem) -> [String: String] {
        var metadata = ["created": Timestamp.text(item.createdAt)]
        for (name, id) in [("user", key.user), ("connection", key.connection)] {
            // The vault takes 1 to 512 printable bytes, and says itself what is printable.
            let isPlain = id.utf8.allSatisfy { (0x20...0x7E).contains($0) }
            let text = isPlain ? id : HashiCorpNames.segment(id)
            if text.utf8.count <= 512 { metadata[name] = text }
        }
        return metadata
    }

    private func writeMetadata(
        _ path: String, _ metadata: [String: String], lifetime: Int64, _ item: VaultItem, deadline: BootInstant
    ) async throws(Failure) {
        // The vault is all that knows when a record expires that is not sealed.
        let isNeeded = item.payload.envelope == nil && lifetime > 0
        guard options.writesMetadata else {
            if isNeeded { throw .hashiCorpSetUp("a record in this format expires only if metadata is written", name) }
            return
        }
        if !isNeeded, let until = state.withLock({ $0.metadataRefusedUntil }), clock.boot < until { return }
        let custom = metadata.sorted { $0.key < $1.key }.map { (name: $0.key, value: JSON.string($0.value)) }
        let call = HashiCorpCall(
            .post, names.path(.metadata, path),
            .object([("custom_metadata", .object(custom)), ("delete_version_after", .string("\(lifetime)s"))]),
            for: .write)
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
    /// The mount may have a shorter time of its own; then it stays so.
    private func correct(
        _ path: String, _ key: RecordKey, _ item: VaultItem, _ data: JSON, over written: HashiCorpWritten,
        deadline: BootInstant
    ) async throws(Failure) -> HashiCorpWritten {
        var last = written
        for _ in 0..<2 {
            let lifetime = lifetime(of: item)
            try await writeMetadata(path, metadata(key, item), lifetime: lifetime, item, deadline: deadline)
            let outcome = try await post(data, to: path, version: last.version, deadline: deadline)
            guard case .written(let next) = outcome else { return last }
            last = next
            if !isWrong(next.lifetime, lifetime, item) { break }
        }
        return last
    }
}
