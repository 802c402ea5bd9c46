package import CofferCore
internal import CofferCrypto
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// A table of a PostgreSQL database.
///
/// Calls go to threads that each have a connection of libpq's; one more thread listens for what other hosts change. All
/// start with the first call, so that a vault which is only checked connects to nothing.
package final class PostgresVault: VaultAdapter {
    package let name: String
    package let kind = "postgres"
    package let capabilities = VaultCapabilities(
        readsAtOnce: 256, conditionalWrites: true, listing: true, maximumPayloadBytes: VaultCapabilities.localPayloadBytes)
    package let identity: [UInt8]

    /// How far the threads are started, in this order. Without the watch calls have no deadlines, and without the
    /// listener the cache would serve what others have replaced.
    private struct Started {
        var hasWatch = false
        var hasListener = false
        var connections = 0
        var isClosed = false
    }

    private let names: PostgresNames
    private let server: PostgresServer
    private let lane: Lane<PostgresCall, PostgresReply>
    private let watch: DeadlineWatch
    private let threads = ThreadGroup()
    private let listener: PostgresListener
    private let feed = ChangeFeed()
    private let dependencies: PostgresDependencies
    private let started = Mutex(Started())

    /// Connects to nothing yet.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if the system gives no file descriptor.
    package init(name: String, options: PostgresOptions, dependencies: PostgresDependencies) throws(Failure) {
        self.name = name
        self.dependencies = dependencies
        names = PostgresNames(prefix: options.prefix)
        server = PostgresServer(options, dependencies)
        identity = Self.identity(options)
        watch = DeadlineWatch(clock: dependencies.clock)
        lane = Lane(vault: name, clock: dependencies.clock, watch: watch, capacity: options.queue)
        listener = try PostgresListener(
            server, names, feed, PostgresDoubt(feed, watch, clock: dependencies.clock), sweeping: lane, vault: name,
            dependencies)
    }

    /// Not of the address: a database that was restored elsewhere is the same one.
    private static func identity(_ options: PostgresOptions) -> [UInt8] {
        var list: [UInt8] = []
        for part in ["coffer vault identity v1", "postgres", options.schema, options.prefix] {
            let count = UInt32(part.utf8.count)
            list += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) } + Array(part.utf8)
        }
        return Array(Digest.sha256(list).prefix(16))
    }

    deinit {
        // Without `close` the threads would wait forever.
        lane.close()
        watch.close()
        listener.stop()
    }

    /// The listener starts with the first look at it.
    package var changes: VaultChanges? {
        do throws(Failure) { try start() } catch { dependencies.notice(error.message) }
        return feed
    }

    // MARK: Calls

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        let reply = try await submit(.read(names.record(key.key)), deadline)
        guard case .records(let records) = reply else { throw Self.confused }
        return try records.first?.item.get()
    }

    /// One statement for all.
    package func readMany(_ keys: [VaultKey], deadline: BootInstant) async -> [Result<VaultItem?, Failure>] {
        let wanted = keys.map { names.record($0.key) }
        do throws(Failure) {
            guard !wanted.isEmpty else { return [] }
            guard case .records(let records) = try await submit(.readMany(wanted), deadline) else { throw Self.confused }
            // By bytes: Swift holds texts for equal that Unicode does.
            var found: [[UInt8]: Result<VaultItem?, Failure>] = [:]
            for record in records { found[Array(record.name.utf8)] = record.item.map { .some($0) } }
            return wanted.map { found[Array($0.utf8)] ?? .success(nil) }
        } catch {
            return keys.map { _ in .failure(error) }
        }
    }

    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        let envelope = try envelope(of: item)
        let name = names.record(key.key)
        let reply = try await change(name, .write(name, envelope: envelope, item, condition), deadline)
        guard case .written(let created) = reply else { throw Self.confused }
        guard let created else { throw condition == .ifAbsent ? .alreadyExists : .versionMismatch }
        return VaultReceipt(version: item.version, createdAt: created)
    }

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        let name = names.record(key.key)
        let reply = try await change(name, .remove(name, ifVersion: ifVersion), deadline)
        guard case .removed(let wasThere, let isGone) = reply else { throw Self.confused }
        guard isGone || !wasThere else { throw .versionMismatch }
        return isGone
    }

    /// A page has at most 100 records, and stops short of that when they reach 4 MiB.
    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let start = user.map { names.user($0.id) } ?? names.folder
        let cursor = try PostgresCursor(cursor, listing: start)
        let limit = min(max(1, limit), PostgresSession.pageRows)
        // One more shows whether a page follows.
        let work = PostgresCall.Work.list(after: cursor.name, before: PostgresNames.end(of: start), limit: limit + 1)
        guard case .page(let given, let found) = try await submit(work, deadline) else { throw Self.confused }
        let records = given.prefix(limit)
        var page = VaultPage(entries: [], next: nil)
        if let last = records.last, found > records.count {
            page.next = PostgresCursor(name: last.name).bytes(listing: start)
        }
        for record in records {
            // A name that is nobody's is another program's row.
            guard let key = names.key(of: record.name) else { continue }
            switch record.item {
            case .success(let item): page.entries.append(VaultPage.Entry(name: .key(key), item: item))
            case .failure(let failure): page.entries.append(VaultPage.Entry(name: .key(key), failure: failure))
            }
        }
        return page
    }

    package func check(deadline: BootInstant) async throws(Failure) {
        guard case .checked = try await submit(.check("\(names.folder)coffer.check"), deadline) else {
            throw Self.confused
        }
    }

    package func close() async {
        started.withLock { $0.isClosed = true }
        lane.close()
        listener.stop()
        await threads.ended()
        watch.close()
        feed.close()
    }

    // MARK: Threads

    private static let confused = Failure.internalError("a connection answered another question")

    private func submit(_ work: PostgresCall.Work, _ deadline: BootInstant) async throws(Failure) -> PostgresReply {
        try start()
        let call = PostgresCall(work: work, deadline: deadline)
        do throws(Failure) {
            return work.purpose == .read
                ? try await lane.submitRevocably(call, deadline: deadline) : try await lane.submit(call, deadline: deadline)
        } catch {
            throw work.purpose == .read ? error.ofRead : error
        }
    }

    /// Writes or removes the record of this name. If that fails and may be done later, the listener does not take its
    /// notification for one of a write that is known.
    private func change(
        _ name: String, _ work: PostgresCall.Work, _ deadline: BootInstant
    ) async throws(Failure) -> PostgresReply {
        do throws(Failure) { return try await submit(work, deadline) } catch {
            if error.mayHaveWritten { listener.expect(name) }
            throw error
        }
    }

    /// Starts what does not run yet; the next call goes on where this one failed.
    ///
    /// - Throws: RESOURCE_EXHAUSTED when the system gives no thread for the watch, the listener or any connection.
    private func start() throws(Failure) {
        var failure: Failure?
        started.withLock { started in
            guard !started.isClosed, started.connections < server.options.connections else { return }
            do throws(Failure) { try start(&started) } catch { failure = error }
            // Some connections are enough to work with.
            if started.connections > 0 { failure = nil }
        }
        if let failure { throw failure }
    }

    private func start(_ started: inout Started) throws(Failure) {
        let (lane, server, watch, listener, name) = (lane, server, watch, listener, name)
        if !started.hasWatch {
            try dependencies.beforeThread("coffer-pq-watch")
            // Not of the group: it ends calls for as long as the others may be stuck.
            try WorkerThread(name: "coffer-pq-watch") { watch.run() }.detach()
            started.hasWatch = true
        }
        if !started.hasListener {
            try dependencies.beforeThread("coffer-pq-listen")
            try threads.start("coffer-pq-listen") { listener.run() }
            started.hasListener = true
        }
        while started.connections < server.options.connections {
            try dependencies.beforeThread("coffer-postgres")
            try threads.start("coffer-postgres") {
                let session = PostgresSession(server, vault: name)
                lane.serve { call throws(Failure) in try session.perform(call) }
                session.close()
            }
            started.connections += 1
        }
    }

    // MARK: Credentials

    /// The password that its file has now, which new connections read by themselves.
    ///
    /// - Returns: whether it is another than at the last reload, or than at the first connection.
    func note(password: Secret) -> Bool { server.note(password: password.withoutLineEnd) }
}

/// Where a page ended: a name, bound to the listing that it is of.
struct PostgresCursor {
    private static let refused = Failure.badField(
        "page_token", "was not issued by this vault for this listing; start from the first page")
    private static let mark = Array("pg1".utf8)

    let name: String

    init(name: String) { self.name = name }

    /// - Parameters:
    ///   - bytes: nil = before the first record.
    ///   - start: what all names of the listing begin with.
    /// - Throws: INVALID_ARGUMENT for bytes that no page of this listing ended with.
    init(_ bytes: [UInt8]?, listing start: String) throws(Failure) {
        guard let bytes else {
            name = start
            return
        }
        let head = Self.head(start)
        guard bytes.starts(with: head), let name = String(validating: bytes.dropFirst(head.count), as: UTF8.self),
            name.utf8.starts(with: start.utf8), name.utf8.count <= PostgresNames.maximumBytes, !name.utf8.contains(0)
        else { throw Self.refused }
        self.name = name
    }

    func bytes(listing start: String) -> [UInt8] { Self.head(start) + Array(name.utf8) }

    private static func head(_ start: String) -> [UInt8] {
        mark + Digest.sha256(Array(start.utf8)).prefix(8)
    }
}
