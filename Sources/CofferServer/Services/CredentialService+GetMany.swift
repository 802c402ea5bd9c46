import CofferCache
import CofferCore
import CofferVault
import CofferWire
import Synchronization

/// Many records in one call.
extension CredentialService {
    /// Answers with each key's record or failure, as they come. What is not cached
    /// and nobody else has asked for goes to each vault in one batch.
    func getMany(_ keys: [RecordKey], maximumAge: UInt64, replyTo address: ReturnAddress) {
        Task(executorPreference: address.inbox) {
            let flights = FlightBatch(count: keys.count)
            var batch = GetManyBatch(limit: 256 << 10)
            await withTaskGroup(of: (Int, Reply).self) { group in
                for (index, key) in keys.enumerated() {
                    group.addTask {
                        let reply = await self.fetch(
                            key, maximumAge: maximumAge, uid: address.uid, in: flights, on: address.inbox)
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
