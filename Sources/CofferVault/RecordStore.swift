package import CofferCore
package import CofferCrypto

/// A vault seen as records rather than sealed payloads: seals what goes in,
/// opens what comes out, and keeps the rules that no vault is trusted with:
/// a record's own expiry, and that it is the record that was asked for.
package struct RecordStore: Sendable {
    private let vault: any VaultAdapter
    private let keys: KeyRing
    private let clock: any Clock
    private let random: any RandomSource
    private let environment: String
    private let generations: GenerationSource

    /// - Parameter environment: bound into every envelope; records of another
    ///   environment do not open.
    package init(
        vault: any VaultAdapter, keys: KeyRing, environment: String, clock: any Clock,
        random: any RandomSource
    ) {
        self.vault = vault
        self.keys = keys
        self.environment = environment
        self.clock = clock
        self.random = random
        generations = GenerationSource(clock: clock)
    }

    package var vaultName: String { vault.name }

    /// The record, or nil if there is none that is alive.
    package func read(
        _ key: RecordKey, deadline: BootInstant
    ) async throws(Failure) -> Record? {
        let name = name(of: key)
        guard let item = try await vault.read(name, deadline: deadline) else { return nil }
        let record = try open(item, tag: name.tag)
        guard record.key == key else { throw .unreadable(vault: vault.name) }
        return isLive(record) ? record : nil
    }

    /// Creates or replaces the record.
    ///
    /// - Parameter ttlSeconds: from now; 0 = never expires.
    package func write(
        _ key: RecordKey, credential: Secret, labels: [String: String], ttlSeconds: UInt32,
        condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> Record {
        guard condition == .none || vault.capabilities.conditionalWrites else {
            throw unsupported("conditional writes")
        }
        let now = clock.wall
        let body = RecordBody(
            key: key, credential: credential, labels: labels, updatedAt: now,
            expiresAt: ttlSeconds == 0 ? 0 : now + UInt64(ttlSeconds) * 1_000)
        let name = name(of: key)
        let payload = try seal(body, tag: name.tag)
        guard payload.count <= vault.capabilities.maximumPayloadBytes else {
            throw tooLarge(payload.count)
        }
        guard let version = Envelope.version(of: payload) else {
            throw .internalError("a sealed record has no version")
        }
        let item = VaultItem(
            payload: .sealed(payload), version: version, createdAt: now, updatedAt: now,
            expiresAt: body.expiresAt)
        let createdAt = try await vault.write(
            name, item, condition: condition, deadline: deadline)
        return Record(body: body, version: version, createdAt: createdAt)
    }

    /// Removes the record; true if a live one was there.
    package func remove(
        _ key: RecordKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        guard ifVersion == nil || vault.capabilities.conditionalWrites else {
            throw unsupported("conditional deletes")
        }
        return try await vault.remove(name(of: key), ifVersion: ifVersion, deadline: deadline)
    }

    /// A page of records without looking at their credentials.
    ///
    /// - Parameters:
    ///   - user: whose; nil = everyone's.
    ///   - cursor: `next` of the page before.
    package func list(
        user: String?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> (records: [Record], next: [UInt8]?) {
        guard vault.capabilities.listing else { throw unsupported("listing") }
        let page = try await vault.list(
            user: user.map { VaultUser(id: $0, tag: keys.userTag($0)) }, after: cursor, limit: limit, deadline: deadline)
        var records: [Record] = []
        for entry in page.entries {
            let tag = tag(of: entry)
            let record = try open(entry.item, tag: tag)
            guard user == nil || record.key.user == user, name(of: record.key).tag == tag else {
                throw .unreadable(vault: vault.name)
            }
            if isLive(record) { records.append(record) }
        }
        return (records, page.next)
    }

    // MARK: Sealing

    private func name(of key: RecordKey) -> VaultKey {
        VaultKey(
            key: key, tag: keys.tag(user: key.user, connection: key.connection),
            userTag: keys.userTag(key.user))
    }

    private func tag(of entry: VaultPage.Entry) -> [UInt8] {
        switch entry.name {
        case .tag(let tag): tag
        case .key(let key): name(of: key).tag
        }
    }

    private func context(tag: [UInt8]) throws(CryptoError) -> EnvelopeContext {
        try EnvelopeContext(
            vaultIdentity: vault.identity, environment: environment, name: tag,
            contentType: "coffer.record.v1")
    }

    private func seal(_ body: RecordBody, tag: [UInt8]) throws(Failure) -> [UInt8] {
        do {
            return try keys.seal(
                body.encode(), type: .value, generation: generations.next(),
                context: try context(tag: tag), random: random)
        } catch {
            throw .internalError("a record could not be sealed")
        }
    }

    private func open(_ item: VaultItem, tag: [UInt8]) throws(Failure) -> Record {
        guard
            let envelope = item.payload.envelope,
            let plaintext = try? keys.open(envelope, type: .value, context: try context(tag: tag)),
            let body = RecordBody(decoding: plaintext),
            let version = Envelope.version(of: envelope)
        else { throw .unreadable(vault: vault.name) }
        return Record(body: body, version: version, createdAt: item.createdAt)
    }

    private func isLive(_ record: Record) -> Bool {
        record.body.expiresAt == 0 || clock.wall < record.body.expiresAt
    }

    // MARK: Refusals

    private func unsupported(_ what: String) -> Failure {
        Failure(
            .failedPrecondition, .notSupported, "a vault of kind \(vault.kind) cannot do \(what)",
            vault: vault.name)
    }

    private func tooLarge(_ bytes: Int) -> Failure {
        Failure(
            .invalidArgument, .credentialTooLarge,
            "the sealed record has \(bytes) bytes, this vault takes at most \(vault.capabilities.maximumPayloadBytes)",
            vault: vault.name)
    }
}

/// An opened record.
package struct Record: Sendable {
    package let body: RecordBody
    package let version: String
    /// When the record first came to be, by the vault's word.
    package let createdAt: WallMilliseconds

    package var key: RecordKey { body.key }
}
