import CofferCache
import CofferCore
import CofferCrypto
import CofferVault
import CofferWire
import Synchronization

/// Everything about credentials that may wait: flights to the vault, writes,
/// batches and listings. Runs in Swift concurrency, between waits on the thread
/// of the reactor whose call it is: no other thread sees a secret.
package final class CredentialService: Sendable {
    let cache: Cache
    let records: RecordStore
    let status: VaultStatus
    private let clock: any Clock
    private let sealer: SharedSealer
    private let inboxes: [Inbox]
    private let waitingTasks = Mutex<[UInt64: CheckedContinuation<Reply, Never>]>([:])
    private let nextTask = Atomic<UInt64>(0)
    /// How long a flight may take; it belongs to no single client.
    private let flightTime: Duration

    init(
        cache: Cache, records: RecordStore, status: VaultStatus, bootKey: BootKey, inboxes: [Inbox],
        clock: any Clock, flightTime: Duration
    ) {
        self.cache = cache
        self.records = records
        self.status = status
        self.clock = clock
        self.inboxes = inboxes
        self.flightTime = flightTime
        sealer = SharedSealer(CacheSealer(key: bootKey))
    }

    // MARK: Get

    /// Answers the call with what the vault says, together with all who ask
    /// meanwhile.
    ///
    /// - Parameter maximumAge: 0 = the vault is to be asked after now.
    func fetch(_ key: RecordKey, maximumAge: UInt64, replyTo address: ReturnAddress) {
        let waiter = CacheWaiter.call(
            reactor: address.reactor, connection: address.connection, callID: address.callID)
        if let reply = join(key, waiter, maximumAge, uid: address.uid, on: address.inbox) { address.send(reply) }
    }

    /// Asks the vault anew for what is cached, if `Cache.lookup` said so.
    func refresh(_ key: RecordKey, uid: UInt32, on executor: Inbox) {
        guard let ticket = cache.beginRefresh(key, uid: uid, now: clock.boot) else { return }
        Task(executorPreference: executor) { await self.fly(ticket) }
    }

    /// The flight takes long: who can do with a stale answer gets it now.
    func givePatienceUp(flight: UInt64) {
        deliver(cache.takeStale(flight: flight, now: clock.boot, wall: clock.wall))
    }

    /// - Returns: an answer if there is one at once; else the waiter gets it.
    private func join(
        _ key: RecordKey, _ waiter: CacheWaiter, _ maximumAge: UInt64, uid: UInt32, on executor: Inbox
    ) -> Reply? {
        switch cache.join(
            key, waiter: waiter, uid: uid, now: clock.boot, wall: clock.wall, maximumAge: maximumAge)
        {
        case .hit(let hit):
            if hit.wantsRefresh { refresh(key, uid: uid, on: executor) }
            return open(hit)
        case .absent: return .failure(.notFound)
        case .lead(let ticket, let patience):
            if let patience { executor.post(.patience(flight: ticket.id, until: patience)) }
            Task(executorPreference: executor) { await self.fly(ticket) }
            return nil
        case .follow(let flight, let patience):
            if let patience { executor.post(.patience(flight: flight, until: patience)) }
            return nil
        case .refused: return .failure(.tooManyFlights)
        }
    }

    /// As `fetch`, for a task.
    private func fetch(
        _ key: RecordKey, maximumAge: UInt64, uid: UInt32, on executor: Inbox
    ) async -> Reply {
        await withCheckedContinuation { continuation in
            let id = nextTask.wrappingAdd(1, ordering: .relaxed).newValue
            waitingTasks.withLock { $0[id] = continuation }
            if let reply = join(key, .task(id), maximumAge, uid: uid, on: executor) { resume(id, reply) }
        }
    }

    /// Asks the vault once, and tells everybody who waits.
    private func fly(_ ticket: FlightTicket) async {
        let started = clock.boot
        status.noteRead()
        do throws(Failure) {
            guard let record = try await records.read(ticket.key, deadline: started + flightTime)
            else {
                status.noteSuccess()
                end(ticket, .absent, .failure(.notFound))
                return
            }
            status.noteSuccess()
            let (message, cached) = prepare(record, fetchedAt: started)
            end(
                ticket, .found(cached),
                .record(message, GetResponseTail(source: .vault, ageMilliseconds: 0)))
        } catch {
            status.noteFailure(error)
            end(ticket, error.isTransient ? .failedTransiently : .refusedDefinitely, .failure(error))
        }
    }

    private func end(_ ticket: FlightTicket, _ outcome: FlightOutcome, _ reply: Reply) {
        let delivery = cache.complete(ticket, outcome, now: clock.boot, wall: clock.wall)
        deliver(reply, to: delivery.waiters)
        deliver(delivery)
    }

    /// To those for whom the cached value will do.
    private func deliver(_ delivery: CacheDelivery) {
        if let stale = delivery.stale { deliver(open(stale), to: delivery.contented) }
    }

    private func deliver(_ reply: Reply, to waiters: [CacheWaiter]) {
        var batches: [[ReactorMessage]] = Array(repeating: [], count: inboxes.count)
        for waiter in waiters {
            switch waiter {
            case .call(let reactor, let connection, let callID):
                batches[reactor].append(
                    .reply(connection: connection, callID: callID, reply, more: false))
            case .task(let id): resume(id, reply)
            }
        }
        for (inbox, batch) in zip(inboxes, batches) { inbox.post(batch) }
    }

    private func resume(_ id: UInt64, _ reply: Reply) {
        waitingTasks.withLock { $0.removeValue(forKey: id) }?.resume(returning: reply)
    }

    /// The answer to give, and the same sealed for the cache.
    private func prepare(_ record: Record, fetchedAt: BootInstant) -> (Secret, CachedValue) {
        let message = ReplyMessages.getResponse(
            credential: record.body.credential, metadata: record.metadata)
        let (sealed, nonce) = sealer.seal(message)
        return (
            message,
            CachedValue(
                sealed: sealed, nonce: nonce, fetchedAt: fetchedAt, expiresAt: record.body.expiresAt)
        )
    }

    // MARK: Store and Delete

    func store(_ command: StoreCommand, deadline: BootInstant, replyTo address: ReturnAddress) {
        Task(executorPreference: address.inbox) {
            let started = self.clock.boot
            let ticket = self.cache.beginWrite(command.key, uid: address.uid, now: started)
            do throws(Failure) {
                let record = try await self.records.write(
                    command.key, credential: command.credential, labels: command.labels,
                    ttlSeconds: command.ttlSeconds, condition: command.condition, deadline: deadline)
                self.status.noteSuccess()
                self.endWrite(ticket, .acknowledged(self.prepare(record, fetchedAt: started).1))
                address.send(.message(ReplyMessages.storeResponse(record.metadata)))
            } catch {
                self.endFailedWrite(ticket, error, address)
            }
        }
    }

    func delete(
        _ key: RecordKey, ifVersion: String?, deadline: BootInstant, replyTo address: ReturnAddress
    ) {
        Task(executorPreference: address.inbox) {
            let ticket = self.cache.beginWrite(key, uid: address.uid, now: self.clock.boot)
            do throws(Failure) {
                let existed = try await self.records.remove(
                    key, ifVersion: ifVersion, deadline: deadline)
                self.status.noteSuccess()
                self.endWrite(ticket, .acknowledged(nil))
                address.send(.message(ReplyMessages.deleteResponse(existed: existed)))
            } catch {
                self.endFailedWrite(ticket, error, address)
            }
        }
    }

    private func endFailedWrite(
        _ ticket: WriteTicket, _ failure: Failure, _ address: ReturnAddress
    ) {
        status.noteFailure(failure)
        switch failure.code {
        case .aborted, .alreadyExists, .failedPrecondition, .invalidArgument:
            endWrite(ticket, .refused)
        default:
            endWrite(ticket, .ambiguous)
        }
        address.send(.failure(failure))
    }

    private func endWrite(_ ticket: WriteTicket, _ outcome: WriteOutcome) {
        cache.endWrite(ticket, outcome, now: clock.boot, wall: clock.wall)
    }

    // MARK: GetMany

    func getMany(_ keys: [RecordKey], maximumAge: UInt64, replyTo address: ReturnAddress) {
        Task(executorPreference: address.inbox) {
            var batch = GetManyBatch(limit: 256 << 10)
            await withTaskGroup(of: (Int, Reply).self) { group in
                for (index, key) in keys.enumerated() {
                    group.addTask {
                        let reply = await self.fetch(
                            key, maximumAge: maximumAge, uid: address.uid, on: address.inbox)
                        return (index, reply)
                    }
                }
                for await (index, reply) in group where !batch.append(index, reply) {
                    address.send(.message(batch.finish()), more: true)
                    _ = batch.append(index, reply)
                }
            }
            address.send(.message(batch.finish()))
        }
    }

    private func open(_ hit: CacheHit) -> Reply {
        guard let record = sealer.open(hit.value) else {
            return .failure(.internalError("a cached answer does not open"))
        }
        return .record(record, GetResponseTail(hit))
    }

    // MARK: List

    /// Entries asked of the vault at a time: at most some 6 KiB each, so that a
    /// page never nears the frame limit.
    private static let listStep = 64
    private static let listBytes = 512 << 10

    func list(
        user: String?, after cursor: [UInt8]?, pageSize: Int, deadline: BootInstant,
        replyTo address: ReturnAddress
    ) {
        Task(executorPreference: address.inbox) {
            do throws(Failure) {
                address.send(
                    .message(
                        try await self.page(
                            user: user, after: cursor, pageSize: pageSize, deadline: deadline)))
                self.status.noteSuccess()
            } catch {
                self.status.noteFailure(error)
                address.send(.failure(error))
            }
        }
    }

    private func page(
        user: String?, after start: [UInt8]?, pageSize: Int, deadline: BootInstant
    ) async throws(Failure) -> Secret {
        var cursor = start
        var entries: [(key: RecordKey, metadata: RecordMetadata)] = []
        var bytes = 0
        repeat {
            let (records, next) = try await records.list(
                user: user, after: cursor, limit: min(Self.listStep, pageSize - entries.count),
                deadline: deadline)
            for record in records {
                entries.append((record.key, record.metadata))
                bytes += record.listedBytes
            }
            cursor = next
        } while cursor != nil && entries.count < pageSize && bytes < Self.listBytes
        return ReplyMessages.listResponse(entries, next: PageToken.encode(cursor))
    }
}

extension Record {
    var metadata: RecordMetadata {
        RecordMetadata(
            version: version, labels: body.labels, createdAt: createdAt, updatedAt: body.updatedAt,
            expiresAt: body.expiresAt)
    }

    /// About how much of a ListResponse it takes.
    fileprivate var listedBytes: Int {
        body.labels.reduce(64 + key.user.utf8.count + key.connection.utf8.count + version.utf8.count) {
            $0 + $1.key.utf8.count + $1.value.utf8.count + 8
        }
    }
}

extension GetManyBatch {
    fileprivate mutating func append(_ index: Int, _ reply: Reply) -> Bool {
        switch reply {
        case .record(let record, let tail): append(index: index, record: record, tail: tail)
        case .failure(let failure): append(index: index, failure: failure)
        case .message: append(index: index, failure: .internalError("a Get was answered as another call"))
        }
    }
}
