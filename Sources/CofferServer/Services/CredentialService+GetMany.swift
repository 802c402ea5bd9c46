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
    private static let askedAtOnce = 20

    /// What the keys of a call take while it waits, in bytes: ids, and what Swift has around them.
    static func roomOfKeys(count: Int, payloadBytes: Int) -> Int { (8 << 10) + 2 * payloadBytes + 128 * count }

    /// Answers with each key's record or failure, as they come, but no faster than the client
    /// reads. What is not cached and nobody else has asked for goes to each vault in batches.
    ///
    /// - Parameter reservation: what the keys take; held until they are done with.
    func getMany(
        _ keys: [RecordKey], maximumAge: UInt64, holding reservation: BufferReservation, replyTo address: ReturnAddress
    ) {
        Task(executorPreference: address.inbox) {
            defer { withExtendedLifetime(reservation) {} }
            var batch = GetManyBatch(limit: 256 << 10)
            var next = 0
            while next < keys.count {
                guard let turn = await address.turn() else { return }
                repeat {
                    let missing = self.appendCached(keys, from: &next, to: &batch, maximumAge, address)
                    await self.appendFetched(missing, of: keys, to: &batch, maximumAge, address)
                } while next < keys.count && batch.count < Self.pieceBytes
                address.send(.message(batch.finish()), more: next < keys.count)
                address.endTurn(turn)
            }
        }
    }

    /// Takes keys until there is a piece of the answer, or as many are missing as may be asked for
    /// at once.
    ///
    /// - Returns: the positions of those that are missing, and the room reserved for them.
    private func appendCached(
        _ keys: [RecordKey], from next: inout Int, to batch: inout GetManyBatch, _ maximumAge: UInt64,
        _ address: ReturnAddress
    ) -> Missing {
        var missing = Missing()
        while next < keys.count, batch.count < Self.pieceBytes, missing.indices.count < Self.askedAtOnce {
            if let reply = cached(keys[next], maximumAge, address) {
                append(next, reply, to: &batch, address)
            } else if !missing.append(next, roomFor: budget.limits.recordBytes, of: budget, uid: address.uid) {
                break
            }
            next += 1
        }
        return missing
    }

    private func cached(_ key: RecordKey, _ maximumAge: UInt64, _ address: ReturnAddress) -> Reply? {
        guard maximumAge > 0 else { return nil }
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
        _ missing: Missing, of keys: [RecordKey], to batch: inout GetManyBatch, _ maximumAge: UInt64,
        _ address: ReturnAddress
    ) async {
        guard !missing.indices.isEmpty else { return }
        let flights = FlightBatch(count: missing.indices.count)
        let replies = await withTaskGroup(of: (Int, Reply).self) { group in
            for index in missing.indices {
                group.addTask {
                    let reply = await self.fetch(
                        keys[index], maximumAge: maximumAge, uid: address.uid, in: flights, on: address.inbox)
                    return (index, reply)
                }
            }
            var replies: [(Int, Reply)] = []
            for await reply in group { replies.append(reply) }
            return replies
        }
        for (index, reply) in replies { append(index, reply, to: &batch, address) }
    }

    private func fetch(
        _ key: RecordKey, maximumAge: UInt64, uid: UInt32, in flights: FlightBatch, on executor: Inbox
    ) async -> Reply {
        await withCheckedContinuation { continuation in
            let waiter = waiter(for: continuation)
            let (reply, ticket) = join(key, waiter, maximumAge, uid: uid, on: executor)
            if let reply { deliver(reply, to: [waiter]) }
            guard let tickets = flights.noteJoined(leading: ticket) else { return }
            start(tickets, on: executor)
        }
    }

    private func start(_ tickets: [FlightTicket], on executor: Inbox) {
        var batches: [String: (records: RecordStore, tickets: [FlightTicket])] = [:]
        for ticket in tickets {
            guard let records = try? pool.store(for: ticket.key) else {
                Task(executorPreference: executor) { await self.fly(ticket) }
                continue
            }
            batches[records.vaultName, default: (records, [])].tickets.append(ticket)
        }
        for (records, tickets) in batches.values {
            Task(executorPreference: executor) { await self.fly(tickets, to: records) }
        }
    }
}

/// Keys that are not cached, by their positions, and the memory that their records may take.
private struct Missing {
    private(set) var indices: [Int] = []
    private var rooms: [BufferReservation] = []

    /// False if there is no room for its record. For one there always is: the turn's own.
    mutating func append(_ index: Int, roomFor bytes: Int, of budget: BufferBudget, uid: UInt32) -> Bool {
        if !indices.isEmpty {
            guard let room = BufferReservation(bytes, of: budget, uid: uid) else { return false }
            rooms.append(room)
        }
        indices.append(index)
        return true
    }
}

/// The flights that one GetMany leads, until all its keys have been looked at.
private final class FlightBatch: Sendable {
    private let state: Mutex<(missing: Int, tickets: [FlightTicket])>

    init(count: Int) { state = Mutex((count, [])) }

    /// - Returns: all tickets, once, when the last key has been looked at.
    func noteJoined(leading ticket: FlightTicket?) -> [FlightTicket]? {
        state.withLock { state in
            state.missing -= 1
            if let ticket { state.tickets.append(ticket) }
            return state.missing == 0 ? state.tickets : nil
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
