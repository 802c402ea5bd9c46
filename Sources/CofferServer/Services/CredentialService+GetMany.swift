import CofferAccess
import CofferCache
import CofferCore
import CofferVault
import CofferWire
import Synchronization

/// Many records in one call.
extension CredentialService {
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
            var next = 0
            // In the order in which they came, the next one last.
            var fetched: [Fetched] = []
            var isDone: Bool { next == keys.count && fetched.isEmpty }
            while !isDone && !Task.isCancelled {
                guard let turn = await address.turn(holdsRecords: !fetched.isEmpty) else { return }
                var piece = Piece()
                while !isDone && !piece.isFull {
                    if fetched.isEmpty {
                        let missing = self.appendKnown(keys, from: &next, to: &piece, maximumAge, address)
                        fetched = await self.fetch(missing, maximumAge, for: address).reversed()
                    }
                    while !piece.isFull, let record = fetched.popLast() { piece.append(record.index, record.reply) }
                }
                address.send(piece.finish(), more: !isDone, endingTurn: turn)
            }
        }
        address.work.onStop { task.cancel() }
    }

    /// Takes keys until there is a piece of the answer, or as many are missing as may be asked for
    /// at once.
    ///
    /// - Returns: those that are missing, and the room reserved for their records.
    private func appendKnown(
        _ keys: [RequestedKey], from next: inout Int, to piece: inout Piece, _ maximumAge: UInt64,
        _ address: ReturnAddress
    ) -> [Missing] {
        var missing: [Missing] = []
        while next < keys.count, !piece.isFull, missing.count < Self.askedAtOnce {
            if let reply = known(keys[next], maximumAge, address) {
                piece.append(next, reply)
                next += 1
                continue
            }
            let room = BufferReservation(budget.limits.recordBytes, of: budget, uid: address.uid, for: .readAhead)
            guard room != nil || missing.isEmpty else { break }
            missing.append(Missing(index: next, key: keys[next].key, room: room))
            next += 1
            // The turn has room for one record beyond the piece. It is in this piece, then: it cannot wait for another.
            guard room != nil else { break }
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

    private func fetch(_ missing: [Missing], _ maximumAge: UInt64, for address: ReturnAddress) async -> [Fetched] {
        guard !missing.isEmpty else { return [] }
        let flights = FlightBatch(count: missing.count)
        return await withTaskGroup(of: Fetched.self) { group in
            for one in missing {
                group.addTask {
                    Fetched(one, await self.fetch(one.key, maximumAge: maximumAge, in: flights, for: address))
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
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

/// A piece of the answer. It is sent before more is made, so it ends with the record that fills it.
private struct Piece: ~Copyable {
    /// Bytes that fill it.
    private static let bytes = 64 << 10
    /// The largest response; a record beyond it has one of its own.
    private static let responseBytes = 256 << 10

    private var responses: [Secret] = []
    private var batch = GetManyBatch(limit: responseBytes)

    var isFull: Bool { batch.count + responses.reduce(0) { $0 + $1.count } >= Self.bytes }

    mutating func append(_ index: Int, _ reply: Reply) {
        if batch.append(index, reply) { return }
        responses.append(batch.finish())
        _ = batch.append(index, reply)
    }

    /// - Returns: the responses that it is made of.
    consuming func finish() -> [Secret] { responses + [batch.finish()] }
}

/// A key that is not cached, with its position.
private struct Missing {
    let index: Int
    let key: RecordKey
    /// For its record; nil = that of the turn.
    let room: BufferReservation?
}

/// What came for such a key. It holds its room until it is in a piece.
private struct Fetched {
    let index: Int
    let reply: Reply
    private let room: BufferReservation?

    init(_ missing: Missing, _ reply: Reply) {
        index = missing.index
        self.reply = reply
        room = missing.room
        // Most records are far smaller than the largest, for which there was room.
        if case .record(let record, _) = reply { room?.shrink(to: record.count) } else { room?.shrink(to: 0) }
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
