import CofferAccess
import CofferCache
import CofferCore
import CofferVault
import CofferWire
import Synchronization

/// Many records in one call.
extension CredentialService {
    /// A piece of the answer this large is sent before more is made.
    private static let pieceBytes = 64 << 10
    /// Keys that are asked of the vaults at a time: as many as AWS takes in one request.
    static let askedAtOnce = 20

    /// What the keys of a call take while it waits, in bytes: ids, and what Swift has around them.
    static func roomOfKeys(count: Int, payloadBytes: Int) -> Int { (8 << 10) + 2 * payloadBytes + 128 * count }

    /// Answers with each key's record or failure, as they come, but no faster than the client
    /// reads. What is not cached and nobody else has asked for goes to each vault in batches.
    ///
    /// - Parameter reservation: what the keys take; held until they are done with.
    func getMany(
        _ keys: [RequestedKey], maximumAge: UInt64, holding reservation: BufferReservation, replyTo address: ReturnAddress
    ) {
        let task = Task(executorPreference: address.inbox) {
            defer { withExtendedLifetime(reservation) {} }
            var batch = GetManyBatch(limit: 256 << 10)
            var next = 0
            while next < keys.count && !Task.isCancelled {
                guard let turn = await address.turn() else { return }
                repeat {
                    let missing = self.appendKnown(keys, from: &next, to: &batch, maximumAge, address)
                    await self.appendFetched(missing, to: &batch, maximumAge, address)
                } while next < keys.count && batch.count < Self.pieceBytes
                address.send(.message(batch.finish()), more: next < keys.count)
                address.endTurn(turn)
            }
        }
        address.work.onStop { task.cancel() }
    }

    /// Takes keys until there is a piece of the answer, or as many are missing as may be asked for
    /// at once.
    ///
    /// - Returns: those that are missing, and the room reserved for them.
    private func appendKnown(
        _ keys: [RequestedKey], from next: inout Int, to batch: inout GetManyBatch, _ maximumAge: UInt64,
        _ address: ReturnAddress
    ) -> Missing {
        var missing = Missing()
        while next < keys.count, batch.count < Self.pieceBytes, missing.keys.count < Self.askedAtOnce {
            if let reply = known(keys[next], maximumAge, address) {
                append(next, reply, to: &batch, address)
            } else if !missing.append(
                next, keys[next].key, roomFor: budget.limits.recordBytes, of: budget, uid: address.uid)
            {
                break
            }
            next += 1
        }
        return missing
    }

    private func known(_ requested: RequestedKey, _ maximumAge: UInt64, _ address: ReturnAddress) -> Reply? {
        guard requested.isAllowed else { return .failure(.denied(address.uid, .get)) }
        guard maximumAge > 0 else { return nil }
        let key = requested.key
        switch cache.lookup(key, now: clock.boot, wall: clock.wall, maximumAge: maximumAge) {
        case .hit(let hit):
            if hit.wantsRefresh { refresh(key, uid: address.uid, on: address.inbox) }
            return open(hit)
        case .absent: return .failure(.notFound)
        case .miss: return nil
        }
    }

    private func append(
        _ index: Int, _ reply: Reply, to batch: inout GetManyBatch, _ address: ReturnAddress
    ) {
        if batch.append(index, reply) { return }
        address.send(.message(batch.finish()), more: true)
        _ = batch.append(index, reply)
    }

    private func appendFetched(
        _ missing: Missing, to batch: inout GetManyBatch, _ maximumAge: UInt64,
        _ address: ReturnAddress
    ) async {
        guard !missing.keys.isEmpty else { return }
        let flights = FlightBatch(count: missing.keys.count)
        let replies = await withTaskGroup(of: (Int, Reply).self) { group in
            for (index, key) in missing.keys {
                group.addTask {
                    (index, await self.fetch(key, maximumAge: maximumAge, in: flights, for: address))
                }
            }
            var replies: [(Int, Reply)] = []
            for await reply in group { replies.append(reply) }
            return replies
        }
        for (index, reply) in replies { append(index, reply, to: &batch, address) }
    }

    private func fetch(
        _ key: RecordKey, maximumAge: UInt64, in flights: FlightBatch, for address: ReturnAddress
    ) async -> Reply {
        let number = waitingTasks.newNumber()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waitingTasks.wait(number, continuation)
                var led: FlightTicket?
                switch join(key, .task(number), maximumAge, uid: address.uid, on: address.inbox) {
                case .answered(let reply): waitingTasks.resume(number, reply)
                case .waits(let flight, let ticket):
                    led = ticket
                    flights.noteWaiting(number, for: flight)
                }
                if let tickets = flights.noteJoined(leading: led) { start(tickets, flights, for: address) }
                // The handler may have run before there was anything to give up.
                if Task.isCancelled { giveUp(number, flights) }
            }
        } onCancel: {
            self.giveUp(number, flights)
        }
    }

    /// Nobody waits for this key any more; nor for its flight, perhaps.
    private func giveUp(_ number: UInt64, _ flights: FlightBatch) {
        if let flight = flights.noteLeft(number) {
            let isClosed = cache.leave(flight: flight, waiter: .task(number), isClosing: flights.leads(flight))
            if isClosed { flights.noteClosed() }
        }
        waitingTasks.resume(number, .failure(.abandoned))
    }

    private func start(_ tickets: [FlightTicket], _ flights: FlightBatch, for address: ReturnAddress) {
        let (executor, work) = (address.inbox, address.work)
        var batches: [String: (records: RecordStore, tickets: [FlightTicket])] = [:]
        for ticket in tickets {
            guard let records = try? pool.readableStore(for: ticket.key) else {
                Task(executorPreference: executor) { await self.fetchFromVault(ticket) }
                continue
            }
            batches[records.vaultName, default: (records, [])].tickets.append(ticket)
        }
        let tasks = batches.values.map { records, tickets in
            Task(executorPreference: executor) {
                await self.fetchFromVault(tickets, to: records, on: executor)
                withExtendedLifetime(work) {}
            }
        }
        flights.noteStarted(tasks)
    }
}

/// Keys that are not cached, with their positions, and the memory that their records may take.
private struct Missing {
    private(set) var keys: [(index: Int, key: RecordKey)] = []
    private var rooms: [BufferReservation] = []

    /// False if there is no room for its record. For one there always is: the turn's own.
    mutating func append(_ index: Int, _ key: RecordKey, roomFor bytes: Int, of budget: BufferBudget, uid: UInt32) -> Bool {
        if !keys.isEmpty {
            guard let room = BufferReservation(bytes, of: budget, uid: uid) else { return false }
            rooms.append(room)
        }
        keys.append((index, key))
        return true
    }
}

/// The flights of some keys of a GetMany: those that it waits for, and those of them that it
/// leads, which set out together when all these keys have been looked at.
private final class FlightBatch: Sendable {
    private struct State {
        var missing: Int
        var tickets: [FlightTicket] = []
        var led: Set<UInt64> = []
        /// By the numbers of the tasks that wait.
        var waiting: [UInt64: UInt64] = [:]
        /// Flights led, less those that nobody waits for.
        var wanted = 0
        var tasks: [Task<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(count: Int) { state = Mutex(State(missing: count)) }

    func noteWaiting(_ number: UInt64, for flight: UInt64) { state.withLock { $0.waiting[number] = flight } }

    /// - Returns: the flight that the task waited for, once.
    func noteLeft(_ number: UInt64) -> UInt64? { state.withLock { $0.waiting.removeValue(forKey: number) } }

    func leads(_ flight: UInt64) -> Bool { state.withLock { $0.led.contains(flight) } }

    /// - Returns: all tickets, once, when the last key has been looked at.
    func noteJoined(leading ticket: FlightTicket?) -> [FlightTicket]? {
        state.withLock { state in
            state.missing -= 1
            if let ticket {
                state.tickets.append(ticket)
                state.led.insert(ticket.id)
                state.wanted += 1
            }
            return state.missing == 0 ? state.tickets : nil
        }
    }

    /// Nobody waits for one of the flights led; if that is so of all, they are broken off.
    func noteClosed() { cancelIfUnwanted { $0.wanted -= 1 } }

    func noteStarted(_ tasks: [Task<Void, Never>]) { cancelIfUnwanted { $0.tasks = tasks } }

    private func cancelIfUnwanted(_ change: (inout State) -> Void) {
        let unwanted = state.withLock { state in
            change(&state)
            return state.missing == 0 && state.wanted == 0 ? state.tasks : []
        }
        for task in unwanted { task.cancel() }
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
