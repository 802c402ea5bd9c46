package import CofferCore
package import CofferCrypto
internal import Synchronization

/// A vault seen as records rather than payloads: puts what goes in into the
/// vault's format, opens what comes out, and keeps the rules that no vault is
/// trusted with: a record's own expiry, and that it is the record that was asked for.
package final class RecordStore: Sendable {
    let vault: any VaultAdapter
    private let nonblockingWriter: (any NonblockingWriter)?
    private let keys: KeyRing
    let clock: any Clock
    let random: any RandomSource
    let sleeper: any Sleeper
    private let codec: RecordCodec
    /// Nil for a vault that never lags.
    let acknowledged: AcknowledgedWrites?
    private let kept: Set<RecordFormat>
    private let generations: GenerationSource
    private let foreign = Atomic<UInt64>(0)

    /// A store that writes envelopes and reads nothing else.
    ///
    /// - Parameter environment: bound into every envelope; records of another
    ///   environment do not open.
    package convenience init(
        vault: any VaultAdapter, keys: KeyRing, environment: String, clock: any Clock,
        random: any RandomSource, sleeper: (any Sleeper)? = nil
    ) {
        self.init(
            of: vault, keys: keys, environment: environment, formerEnvironments: [], format: .sealed, accept: [.sealed],
            keep: [], legacy: nil, clock: clock, random: random, sleeper: sleeper)
    }

    /// A store for a vault that may be shared with other programs.
    ///
    /// - Parameters:
    ///   - formerEnvironments: other names of the environment; records sealed under them are read too.
    ///   - format: what is written.
    ///   - accept: what is read; must have `format`. Whoever can write to the vault can put
    ///     there what is not sealed.
    ///   - keep: a record that lies there in one of these is written in it again, whatever
    ///     `format` says. Each write is preceded by a read then.
    ///   - legacy: opens and seals `legacy-aes`; nil = such records are refused.
    /// - Throws: FAILED_PRECONDITION if the vault cannot keep `format`, its key is
    ///   missing, or `accept` lacks it.
    package convenience init(
        vault: any VaultAdapter, keys: KeyRing, environment: String, formerEnvironments: [String] = [],
        format: RecordFormat, accept: Set<RecordFormat>, keep: Set<RecordFormat> = [], legacy: LegacyFormat?, clock: any Clock,
        random: any RandomSource, sleeper: (any Sleeper)? = nil
    ) throws(Failure) {
        guard format == .sealed || vault.capabilities.textPayloads else {
            throw Failure(
                .failedPrecondition, .notSupported,
                "a vault of kind \(vault.kind) keeps the format sealed only; \(format.rawValue) was configured",
                vault: vault.name)
        }
        guard format != .legacyAES || legacy != nil else { throw TextCodec.needsKey(vault: vault.name) }
        guard accept.contains(format) else {
            throw Failure(
                .failedPrecondition, .notSupported,
                "records are written as \(format.rawValue), which accept does not list; add it, or they cannot be read",
                vault: vault.name)
        }
        self.init(
            of: vault, keys: keys, environment: environment, formerEnvironments: formerEnvironments, format: format,
            accept: accept, keep: keep, legacy: legacy, clock: clock, random: random, sleeper: sleeper)
    }

    private init(
        of vault: any VaultAdapter, keys: KeyRing, environment: String, formerEnvironments: [String], format: RecordFormat,
        accept: Set<RecordFormat>, keep: Set<RecordFormat>, legacy: LegacyFormat?, clock: any Clock,
        random: any RandomSource, sleeper: (any Sleeper)?
    ) {
        kept = keep
        self.vault = vault
        nonblockingWriter = vault.nonblockingWriter
        self.keys = keys
        self.clock = clock
        self.random = random
        self.sleeper = sleeper ?? TaskSleeper(clock: clock)
        if case .lagging(let lag) = vault.capabilities.consistency {
            acknowledged = AcknowledgedWrites(lag: lag)
        } else {
            acknowledged = nil
        }
        generations = GenerationSource(clock: clock)
        codec = RecordCodec(
            format: format, accept: accept,
            sealed: SealedCodec(
                keys: keys, vault: vault.name, vaultIdentity: vault.identity, environment: environment,
                formerEnvironments: formerEnvironments, generations: generations, random: random),
            text: TextCodec(vault: vault.name, legacy: legacy, generations: generations, random: random))
    }

    package var vaultName: String { vault.name }
    package var vaultKind: String { vault.kind }
    /// Records can be read back; where not, every read is refused.
    package var isReadable: Bool { vault.capabilities.readable }
    /// How many keys the vault is best asked for at once.
    package var readsAtOnce: Int { vault.capabilities.readsAtOnce }
    /// What others change in the vault; nil = it does not tell.
    package var changes: VaultChanges? { vault.changes }
    /// What is written.
    package var format: RecordFormat { codec.format }
    /// Records that were read in another format, since the start.
    package var foreignReads: UInt64 { foreign.load(ordering: .relaxed) }

    // MARK: Reading

    /// The record, or nil if there is none that is alive.
    ///
    /// - Throws: FAILED_PRECONDITION if the vault is write-only, INVALID_ARGUMENT for ids that make too
    ///   long a name, and what the vault fails with.
    package func read(
        _ key: RecordKey, deadline: BootInstant
    ) async throws(Failure) -> Record? {
        try vault.checkReadable()
        let name = try checkedName(of: key)
        guard let acknowledged else { return try await readOnce(name, deadline: deadline) }
        return try await read(name, behind: acknowledged, deadline: deadline)
    }

    func readOnce(_ name: VaultKey, deadline: BootInstant) async throws(Failure) -> Record? {
        do throws(Failure) {
            return try open(try await vault.read(name, deadline: deadline), name)
        } catch {
            throw error.ofRead
        }
    }

    /// The records of these keys, each with its own outcome, in the order of the
    /// keys: one call to the vault, and more only where it lags.
    package func readMany(
        _ keys: [RecordKey], deadline: BootInstant
    ) async -> [Result<Record?, Failure>] {
        let names = keys.map { key in Result { () throws(Failure) in try readableName(of: key) } }
        let legal = names.compactMap { try? $0.get() }
        guard !legal.isEmpty else { return names.map { $0.flatMap { _ in .success(nil) } } }
        let outcomes =
            if let acknowledged {
                await readMany(legal, behind: acknowledged, deadline: deadline)
            } else {
                await readOnce(legal, deadline: deadline)
            }
        var next = outcomes.makeIterator()
        return names.map { name in name.flatMap { _ in next.next() ?? .failure(Self.noOutcome) } }
    }

    private static let noOutcome = Failure.internalError("a vault has given fewer outcomes than it was asked for")

    func readOnce(_ names: [VaultKey], deadline: BootInstant) async -> [Result<Record?, Failure>] {
        let items = await vault.readMany(names, deadline: deadline)
        return zip(names, items).map { name, item in
            do throws(Failure) {
                return .success(try open(try item.get(), name))
            } catch {
                return .failure(error.ofRead)
            }
        }
    }

    private func open(_ item: VaultItem?, _ name: VaultKey) throws(Failure) -> Record? {
        guard let item else { return nil }
        let record = try codec.decode(item, name)
        if record.foreignFormat != nil { foreign.wrappingAdd(1, ordering: .relaxed) }
        return isLive(record) ? record : nil
    }

    // MARK: Writing

    /// Creates or replaces the record.
    ///
    /// - Parameter ttlSeconds: from now; 0 = never expires.
    package func write(
        _ key: RecordKey, credential: Secret, labels: Labels, ttlSeconds: UInt32,
        condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> Record {
        let write = try seal(
            key, credential: credential, labels: labels, ttlSeconds: ttlSeconds, condition: condition)
        return write.record(try await self.write(write, deadline: deadline))
    }

    /// The first half of `write`: what needs no vault.
    package func seal(
        _ key: RecordKey, credential: Secret, labels: Labels, ttlSeconds: UInt32,
        condition: WriteCondition
    ) throws(Failure) -> SealedWrite {
        guard condition == .none || vault.capabilities.conditionalWrites else {
            throw unsupported("conditional writes")
        }
        let name = try checkedName(of: key)
        let now = clock.wall
        let body = RecordBody(
            key: key, credential: credential, labels: labels, updatedAt: now,
            expiresAt: ttlSeconds == 0 ? 0 : now + UInt64(ttlSeconds) * 1_000)
        return SealedWrite(name, try item(of: body, name, as: codec.format), condition, of: body)
    }

    private func item(of body: RecordBody, _ name: VaultKey, as format: RecordFormat) throws(Failure) -> VaultItem {
        guard body.expiresAt == 0 || format == .sealed || vault.capabilities.nativeExpiry else {
            throw unsupported("expiry in the format \(format.rawValue)")
        }
        let (payload, version) = try codec.encode(body, tag: name.tag, as: format)
        guard payload.count <= vault.capabilities.maximumPayloadBytes else {
            throw tooLarge(payload.count, body, format)
        }
        return VaultItem(
            payload: payload, version: version, createdAt: body.updatedAt, updatedAt: body.updatedAt,
            expiresAt: body.expiresAt)
    }

    /// The second half of `write`.
    package func write(_ write: SealedWrite, deadline: BootInstant) async throws(Failure) -> VaultReceipt {
        var item = write.item
        if let format = try await keptFormat(of: write, deadline) {
            item = try self.item(of: write.body, write.name, as: format)
            write.noteKept(format)
        }
        guard let acknowledged else {
            return try await vault.write(write.name, item, condition: write.condition, deadline: deadline)
        }
        let change = acknowledged.begin(AcknowledgedWrites.Change(item), of: write.name.tag)
        do throws(Failure) {
            let receipt = try await vault.write(write.name, item, condition: write.condition, deadline: deadline)
            acknowledged.end(change, of: write.name.tag, nil, now: clock.boot)
            return receipt
        } catch {
            acknowledged.end(change, of: write.name.tag, error, now: clock.boot)
            throw error
        }
    }

    /// The format to keep of the record that is there; nil if there is none to keep.
    private func keptFormat(of write: SealedWrite, _ deadline: BootInstant) async throws(Failure) -> RecordFormat? {
        guard !kept.isEmpty, isReadable, write.condition != .ifAbsent else { return nil }
        do throws(Failure) {
            let found = try await vault.read(write.name, deadline: deadline)
            guard let found, let format = codec.format(of: found.payload), kept.contains(format) else { return nil }
            return format
        } catch {
            // What nobody can read is replaced, as it is everywhere.
            guard error.code == .dataLoss else { throw error.ofRead }
            return nil
        }
    }

    /// The second half of `write` without waiting, where the vault can do that.
    ///
    /// - Parameters: `queue` and `completion` as of ``NonblockingWriter``.
    /// - Returns: false, and nothing was done, if the vault has to be waited for.
    package func beginWrite(
        _ write: SealedWrite, deadline: BootInstant, on queue: any WorkQueue,
        completion: @escaping @Sendable (Result<VaultReceipt, Failure>) -> Void
    ) -> Bool {
        guard let nonblockingWriter else { return false }
        nonblockingWriter.beginWrite(
            write.name, write.item, condition: write.condition, deadline: deadline, on: queue,
            completion: completion)
        return true
    }

    /// Removes the record; true if a live one was there.
    package func remove(
        _ key: RecordKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        guard ifVersion == nil || vault.capabilities.conditionalWrites else {
            throw unsupported("conditional deletes")
        }
        let name = try checkedName(of: key)
        guard let acknowledged else {
            return try await vault.remove(name, ifVersion: ifVersion, deadline: deadline)
        }
        let wasWritten = acknowledged.holds(name.tag, now: clock.boot, wall: clock.wall)
        let change = acknowledged.begin(AcknowledgedWrites.Change(removal: generations.next(), at: clock.wall), of: name.tag)
        do throws(Failure) {
            let existed = try await vault.remove(name, ifVersion: ifVersion, deadline: deadline)
            acknowledged.end(change, of: name.tag, nil, now: clock.boot)
            return existed || wasWritten
        } catch {
            acknowledged.end(change, of: name.tag, error, now: clock.boot)
            throw error
        }
    }

    // MARK: Listing

    /// A page of records. Those in text formats have an empty credential: nothing
    /// of them is opened here. Records in formats that are not accepted are among those that cannot be read.
    ///
    /// - Parameters:
    ///   - user: whose; nil = everyone's.
    ///   - cursor: `next` of the page before.
    package func list(
        user: String?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> RecordPage {
        guard vault.capabilities.listing else { throw unsupported("listing") }
        let page: VaultPage
        do throws(Failure) {
            page = try await vault.list(
                user: user.map { VaultUser(id: $0, tag: keys.userTag($0)) }, after: cursor, limit: limit,
                deadline: deadline)
        } catch {
            throw error.ofRead
        }
        var found = RecordPage(next: page.next)
        for entry in page.entries {
            do throws(Failure) {
                guard let record = try listed(entry, user: user), isLive(record), !isRemoved(record) else { continue }
                found.records.append(record)
            } catch {
                found.unreadable.append(unreadable(entry, user: user, error))
            }
        }
        return found
    }

    private func listed(_ entry: VaultPage.Entry, user: String?) throws(Failure) -> Record? {
        guard let record = try codec.list(entry, tag: { name(of: $0).tag }) else { return nil }
        guard user?.hasSameBytes(as: record.key.user) ?? true else { throw .unreadable(vault: vault.name) }
        return record
    }

    /// Where only the record itself tells whose it is, its place in the vault has to do.
    private func unreadable(_ entry: VaultPage.Entry, user: String?, _ failure: Failure) -> UnreadableRecord {
        switch entry.name {
        case .key(let key): UnreadableRecord(key, failure)
        case .tag(let tag):
            UnreadableRecord(user: user ?? "", connection: "", failure: failure.adding("; the vault keeps it under \(Hex.text(tag))"))
        }
    }

    /// Finishes what is under way and lets go of the vault.
    package func close() async { await vault.close() }

    /// Whether the vault can do its work now.
    package func check(deadline: BootInstant) async throws(Failure) {
        do throws(Failure) { try await vault.check(deadline: deadline) } catch { throw error.ofRead }
    }

    // MARK: Parts

    func name(of key: RecordKey) -> VaultKey {
        VaultKey(
            key: key, tag: keys.tag(user: key.user, connection: key.connection),
            userTag: keys.userTag(key.user))
    }

    private func checkedName(of key: RecordKey) throws(Failure) -> VaultKey {
        try vault.checkName(of: key)
        return name(of: key)
    }

    private func readableName(of key: RecordKey) throws(Failure) -> VaultKey {
        try vault.checkReadable()
        return try checkedName(of: key)
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

    private func tooLarge(_ bytes: Int, _ body: RecordBody, _ format: RecordFormat) -> Failure {
        let limit = vault.capabilities.maximumPayloadBytes
        var room = ""
        if format == .sealed {
            let beside = body.encodedByteCount - body.credential.count
            let count = max(0, Envelope.maximumPlaintextBytes(sealed: limit) - beside)
            room = "; with these ids and labels there is room for a credential of \(count) bytes"
        }
        return Failure(
            .invalidArgument, .credentialTooLarge,
            "the record has \(bytes) bytes in the format \(format.rawValue), this vault accepts at most \(limit)\(room)",
            vault: vault.name)
    }
}
