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
    let pool: VaultPool
    let statuses: VaultStatuses
    let clock: any Clock
    let pageTokens: PageTokens
    let budget: BufferBudget
    /// How many keys of a call may be in hand at a time, whichever vaults they are in.
    let readsAtOnce: Int
    private let sealer: SharedSealer
    private let inboxes: [Inbox]
    let waitingTasks = WaitingTasks()
    /// How long a flight may take; it belongs to no single client.
    private let flightTime: Duration

    init(
        cache: Cache, pool: VaultPool, statuses: VaultStatuses, bootKey: BootKey, inboxes: [Inbox],
        clock: any Clock, random: any RandomSource, flightTime: Duration, budget: BufferBudget
    ) {
        self.budget = budget
        self.cache = cache
        self.pool = pool
        self.statuses = statuses
        self.clock = clock
        self.inboxes = inboxes
        self.flightTime = flightTime
        readsAtOnce = pool.vaults.map { Self.readsAtOnce(of: $0.store) }.max() ?? VaultCapabilities.standardReadsAtOnce
        pageTokens = PageTokens(random: random)
        sealer = SharedSealer(CacheSealer(key: bootKey))
    }

    /// Forgets the expanded key of the cache; from any thread.
    func rest() { sealer.rest() }

    // MARK: Get

    /// Answers the call with what the vault says, together with all who ask
    /// meanwhile.
    ///
    /// - Parameter maximumAge: 0 = the vault is to be asked after now.
    func fetch(_ key: RecordKey, maximumAge: UInt64, replyTo address: ReturnAddress) {
        let waiter = CacheWaiter.call(reactor: address.reactor, serial: address.serial)
        switch join(key, waiter, maximumAge, uid: address.uid, on: address.inbox) {
        case .answered(let reply): address.send(reply)
        case .waits(let flight, let ticket):
            let work = address.work
            // The flight goes on: what it brings is for who asks again.
            work.onStop { _ = self.cache.leave(flight: flight, waiter: waiter, isClosing: false) }
            guard let ticket else { return }
            Task(executorPreference: address.inbox) {
                await self.fetchFromVault(ticket)
                withExtendedLifetime(work) {}
            }
        }
    }

    /// Asks the vault anew for what is cached, if `Cache.lookup` said so.
    func refresh(_ key: RecordKey, uid: UInt32, on executor: Inbox) {
        guard let ticket = cache.beginRefresh(key, uid: uid, now: clock.boot) else { return }
        Task(executorPreference: executor) { await self.fetchFromVault(ticket) }
    }

    /// If the flight takes longer than that, who can do with a stale answer gets it.
    private func giveUpPatience(with flight: UInt64, at time: BootInstant, _ executor: Inbox) {
        executor.post(
            .later(
                time,
                TimedWork {
                    self.deliver(self.cache.takeStale(flight: flight, now: self.clock.boot, wall: self.clock.wall))
                }))
    }

    enum Joined {
        case answered(Reply)
        /// The waiter gets its answer with this flight, which the caller has to start if there is
        /// a ticket.
        case waits(flight: UInt64, FlightTicket?)
    }

    func join(
        _ key: RecordKey, _ waiter: CacheWaiter, _ maximumAge: UInt64, uid: UInt32, on executor: Inbox
    ) -> Joined {
        switch cache.join(
            key, waiter: waiter, uid: uid, now: clock.boot, wall: clock.wall, maximumAge: maximumAge)
        {
        case .hit(let hit):
            if hit.wantsRefresh { refresh(key, uid: uid, on: executor) }
            return .answered(open(hit))
        case .absent: return .answered(.failure(.notFound))
        case .lead(let ticket, let patience):
            if let patience { giveUpPatience(with: ticket.id, at: patience, executor) }
            return .waits(flight: ticket.id, ticket)
        case .follow(let flight, let patience):
            if let patience { giveUpPatience(with: flight, at: patience, executor) }
            return .waits(flight: flight, nil)
        case .refused: return .answered(.failure(.tooManyFlights))
        }
    }

    /// Asks the vault once, and tells everybody who waits.
    func fetchFromVault(_ ticket: FlightTicket) async {
        await VaultCaller.$uid.withValue(ticket.uid) { await ask(ticket) }
    }

    private func ask(_ ticket: FlightTicket) async {
        let started = clock.boot
        do throws(Failure) {
            let records = try pool.readableStore(for: ticket.key)
            statuses[records].begin(.read)
            do throws(Failure) {
                let record = try await records.read(ticket.key, deadline: started + flightTime)
                finishFetch(ticket, .success(record), startedAt: started, statuses[records])
            } catch {
                finishFetch(ticket, .failure(error), startedAt: started, statuses[records])
            }
        } catch {
            end(ticket, .refusedDefinitely, .failure(error))
        }
    }

    /// Asks the vault for all of these at once.
    ///
    /// - Parameter executor: whose thread this is; others of it have their turn between large records.
    func fetchFromVault(_ tickets: [FlightTicket], to records: RecordStore, on executor: Inbox) async {
        await VaultCaller.$uid.withValue(tickets.first?.uid) { await ask(tickets, of: records, on: executor) }
    }

    private func ask(_ tickets: [FlightTicket], of records: RecordStore, on executor: Inbox) async {
        let started = clock.boot
        let status = statuses[records]
        for _ in tickets { status.begin(.read) }
        let outcomes = await records.readMany(tickets.map(\.key), deadline: started + flightTime)
        var bytes = 0
        for (ticket, outcome) in zip(tickets, outcomes) {
            finishFetch(ticket, outcome, startedAt: started, status)
            bytes += (try? outcome.get())?.body.credential.count ?? 0
            if bytes >= Quantum.answerBytes {
                bytes = 0
                await executor.yield()
            }
        }
    }

    private func finishFetch(
        _ ticket: FlightTicket, _ outcome: Result<Record?, Failure>, startedAt started: BootInstant,
        _ status: VaultStatus
    ) {
        switch outcome {
        case .success(let record?):
            status.end(.read)
            let (message, cached) = prepare(record, fetchedAt: started)
            end(ticket, .found(cached), .record(message, GetResponseTail(source: .vault, ageMilliseconds: 0)))
        case .success(nil):
            status.end(.read)
            end(ticket, .absent, .failure(.notFound))
        case .failure(let failure):
            status.end(.read, failure)
            end(ticket, failure.flightOutcome, .failure(failure))
        }
    }

    private func end(_ ticket: FlightTicket, _ outcome: FlightOutcome, _ reply: Reply) {
        let delivery = cache.complete(ticket, outcome, now: clock.boot, wall: clock.wall)
        deliver(reply, to: delivery.waiters)
        deliver(delivery)
    }

    /// To those for whom the cached value will do.
    private func deliver(_ delivery: CacheDelivery) {
        if let stale = delivery.stale { deliver(open(stale), to: delivery.servedStale) }
    }

    func deliver(_ reply: Reply, to waiters: [CacheWaiter]) {
        var batches: [[ReactorMessage]] = Array(repeating: [], count: inboxes.count)
        for waiter in waiters {
            switch waiter {
            case .call(let reactor, let serial):
                batches[reactor].append(.reply(call: serial, reply))
            case .task(let id): waitingTasks.resume(id, reply)
            }
        }
        for (inbox, batch) in zip(inboxes, batches) { inbox.post(batch) }
    }

    /// The answer to give, and the same sealed for the cache.
    func prepare(_ record: Record, fetchedAt: BootInstant) -> (Secret, CachedValue) {
        let message = ReplyMessages.getResponse(
            credential: record.body.credential, metadata: record.metadata)
        let (sealed, nonce) = sealer.seal(message)
        return (
            message,
            CachedValue(
                sealed: sealed, nonce: nonce, fetchedAt: fetchedAt, expiresAt: record.body.expiresAt)
        )
    }

    func open(_ hit: CacheHit) -> Reply {
        guard let record = sealer.open(hit.value) else {
            return .failure(.internalError("a cached answer does not open"))
        }
        return .record(record, GetResponseTail(hit))
    }
}
