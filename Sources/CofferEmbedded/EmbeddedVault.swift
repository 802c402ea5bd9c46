package import CofferCore
internal import CofferSQLite
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// A vault in one SQLite file of its own on this host.
///
/// Writes are grouped: all that wait become one transaction, synced to the disk
/// before any of them is answered. Reads run beside them. Both happen on threads
/// of the vault's own, never on those of Swift's tasks.
package final class EmbeddedVault: VaultAdapter, NonblockingWriter {
    /// Says whether the caller's keys belong to this database.
    ///
    /// - Parameters:
    ///   - existing: what it returned before; nil when the database is being made.
    ///   - identity: of the vault.
    /// - Returns: what to keep, opaque to the vault.
    package typealias KeyCheck =
        (_ existing: [UInt8]?, _ identity: [UInt8]) throws(Failure) -> [UInt8]

    package let name: String
    package let kind = "embedded"
    package let capabilities = VaultCapabilities(
        conditionalWrites: true, listing: true, maximumPayloadBytes: VaultCapabilities.localPayloadBytes)
    package let identity: [UInt8]
    /// It is this daemon's alone.
    package let changes: VaultChanges? = nil

    private let writes: EmbeddedWriter.WriteLane
    private let reads: EmbeddedReader.ReadLane
    private let connections: EmbeddedConnections
    private let watch: DeadlineWatch
    private let threads: ThreadGroup
    private let clock: any Clock
    /// For how long a check that has written a large row lets others write a small one.
    private static let largeProbeInterval = Duration.seconds(10)
    /// Until when that is, unless writing has failed more often by then.
    private let roomKnown = Mutex<(until: BootInstant, failures: Int)>((BootInstant(nanoseconds: 0), 0))

    /// Opens the vault at `path`, or makes it there: the file with mode 0600,
    /// its folder with 0700. Reads the whole file to see that it is whole.
    ///
    /// - Throws: FAILED_PRECONDITION if the file or folder is not ours alone, is
    ///   in use, or is another program's or version's; DATA_LOSS if it is damaged;
    ///   UNAVAILABLE or RESOURCE_EXHAUSTED if the disk fails or is full, or the
    ///   system gives no threads; what `keyCheck` throws. The message is one line that says what to do.
    package static func open(
        path: String, name: String, clock: some Clock, random: some RandomSource,
        options: EmbeddedOptions = EmbeddedOptions(), keyCheck: KeyCheck
    ) throws(Failure) -> EmbeddedVault {
        let file: DataFile
        do {
            file = try DataFile(path: path)
        } catch {
            throw .cannotOpen(error, path, vault: name)
        }
        var settings = SQLiteSettings()
        settings.vfs = options.vfs
        settings.maximumBytes = options.maximumBytes
        let identity = try EmbeddedDatabase.prepare(
            file, settings: settings, name: name, random: random, keyCheck: keyCheck)
        let connections = try EmbeddedConnections(
            file, settings: settings, name: name, readers: options.readers)
        let vault = EmbeddedVault(connections, identity: identity, clock: clock, options: options)
        try vault.start(options)
        return vault
    }

    /// Finds what `open` would refuse about the file and its folder, and makes, locks and opens neither.
    ///
    /// - Throws: FAILED_PRECONDITION.
    package static func check(path: String, name: String) throws(Failure) {
        do {
            try DataFile.check(path: path)
        } catch {
            throw .cannotOpen(error, path, vault: name)
        }
    }

    private init(
        _ connections: EmbeddedConnections, identity: [UInt8], clock: some Clock, options: EmbeddedOptions
    ) {
        name = connections.name
        self.clock = clock
        self.identity = identity
        self.connections = connections
        watch = DeadlineWatch(clock: clock)
        writes = Lane(
            vault: name, clock: clock, watch: watch, capacity: options.queueCapacity, patience: options.patience)
        reads = Lane(
            vault: name, clock: clock, watch: watch, capacity: options.queueCapacity, patience: options.patience)
        threads = ThreadGroup()
    }

    /// - Throws: RESOURCE_EXHAUSTED when the system gives no thread.
    private func start(_ options: EmbeddedOptions) throws(Failure) {
        let (writes, reads, watch, connections, clock) = (writes, reads, watch, connections, clock)
        // If one does not start, `deinit` ends the others.
        try threads.start("coffer-writer") {
            var writer = EmbeddedWriter(writes, connections, clock: clock, options: options)
            writer.run()
        }
        for number in 0..<max(1, options.readers) {
            let reader = EmbeddedReader(
                number: number, lane: reads, connections: connections, clock: clock,
                onTrouble: { writes.nudge() })
            try threads.start("coffer-reader") { reader.run() }
        }
        // Not of the group: it has to end calls for as long as the others may
        // be stuck in the disk.
        try WorkerThread(name: "coffer-watch") { watch.run() }.detach()
    }

    deinit {
        // Without `close` the threads would wait forever.
        writes.close()
        reads.close()
        watch.close()
    }

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        guard case .record(let item) = try await reads.submit(.record(key), deadline: deadline) else {
            throw .internalError("a reader answered another question")
        }
        return item
    }

    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        if let refusal = refusal(of: key, item) { throw refusal }
        let row = RowWrite(key, item, condition)
        let reply = try await writes.submit(.write(row), weight: row.payload.count, deadline: deadline)
        return try reply.receipt(for: item.version)
    }

    package func beginWrite(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant,
        on queue: any WorkQueue, completion: @escaping @Sendable (Result<VaultReceipt, Failure>) -> Void
    ) {
        let caller = PromptCaller(item.version, to: self, on: queue, completion: completion)
        let row = RowWrite(key, item, condition)
        if let refusal = refusal(of: key, item) {
            return EmbeddedWriter.WriteLane.Call(.write(row), deadline: deadline, caller: caller)
                .answer(.failure(refusal))
        }
        writes.submit(.write(row), weight: row.payload.count, deadline: deadline, for: caller)
    }

    private func refusal(of key: VaultKey, _ item: VaultItem) -> Failure? {
        guard key.tag.count == ListCursor.tagBytes, key.userTag.count == ListCursor.tagBytes else {
            return .internalError("a record's tags do not have \(ListCursor.tagBytes) bytes")
        }
        do throws(Failure) {
            _ = try envelope(of: item)
            return nil
        } catch {
            return error
        }
    }

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        let reply = try await writes.submit(.remove(key, ifVersion: ifVersion), deadline: deadline)
        guard case .removed(let existed) = reply else {
            throw .internalError("the writer answered another question")
        }
        return existed
    }

    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let cursor = try ListCursor(userTag: user?.tag, after: cursor)
        let request = ReadRequest.page(ofOneUser: user != nil, after: cursor, limit: max(1, limit))
        guard case .page(let page) = try await reads.submitRevocably(request, deadline: deadline) else {
            throw .internalError("a reader answered another question")
        }
        return page
    }

    package func check(deadline: BootInstant) async throws(Failure) {
        switch connections.health {
        case .sound:
            _ = try await reads.submit(.probe, deadline: deadline)
            try await checkWriting(deadline: deadline)
        case .failing(let failure), .damaged(let failure): throw failure
        }
    }

    /// A full disk, or one that hangs, shows only to writers; one with room for a small row may have
    /// none for the largest credential, which is tried from time to time, and once writing has failed.
    private func checkWriting(deadline: BootInstant) async throws(Failure) {
        let failures = connections.writeFailures
        let isLarge = roomKnown.withLock { clock.boot >= $0.until || failures != $0.failures }
        _ = try await writes.submit(.probe(isLarge: isLarge), deadline: deadline)
        if isLarge { roomKnown.withLock { $0 = (clock.boot + Self.largeProbeInterval, failures) } }
    }

    package func close() async {
        writes.close()
        reads.close()
        await threads.ended()
        connections.close()
        watch.close()
    }
}
