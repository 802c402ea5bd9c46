import CofferCache
import CofferCore
import CofferVault
import CofferWire
import Synchronization

/// Many records in one call.
extension CredentialService {
    /// Keys of a call that are asked of the vaults at a time, however many they take: with the largest default records not
    /// half of the room that all calls of a uid have to read ahead.
    private static let askedAtOnce = 64

    static func readsAtOnce(of vault: RecordStore) -> Int { min(askedAtOnce, vault.readsAtOnce) }

    /// What the keys of a call take while it waits, in bytes: ids, and what Swift has around them.
    static func roomOfKeys(count: Int, payloadBytes: Int) -> Int { (8 << 10) + 2 * payloadBytes + 128 * count }

    /// Answers with each key's record or failure, as they come, but no faster than the client
    /// reads. What is cached is answered first; the rest goes to each vault in batches, and no vault
    /// is waited for on account of another.
    ///
    /// - Parameter reservation: what the keys take; held until they are done with.
    func getMany(_ many: GetManyCall, holding reservation: BufferReservation, replyTo address: ReturnAddress) {
        let task = Task(executorPreference: address.inbox) {
            defer { withExtendedLifetime(reservation) {} }
            let groups = self.byVault(await self.sendKnown(of: many, to: address), of: many)
            await withTaskGroup(of: Void.self) { tasks in
                for group in groups {
                    let vault = try? self.pool.readableStore(for: many.keys[group[0]].key)
                    let atOnce = max(1, (vault.map(Self.readsAtOnce(of:)) ?? VaultCapabilities.standardReadsAtOnce) / groups.count)
                    tasks.addTask { await self.sendFetched(group, of: many, atOnce: atOnce, to: address) }
                }
            }
        }
        address.work.onStop { task.cancel() }
    }

    /// The call's time to wait is over: what is still missing has failed.
    func endWaiting(of many: GetManyCall) {
        for flights in many.endWaiting() {
            for number in flights.waiting { leave(number, flights, Self.late) }
        }
    }

    private static let late = Reply.failure(Failure.deadlineExceeded().ofRead)

    /// Sends what needs no vault.
    ///
    /// - Returns: the positions of all other keys; none if nobody wants the answer any more.
    private func sendKnown(of many: GetManyCall, to address: ReturnAddress) async -> [Int] {
        var missing: [Int] = []
        var next = 0
        while next < many.keys.count {
            guard !Task.isCancelled, let turn = await address.turn(.answers) else { return [] }
            var piece = Piece()
            while next < many.keys.count, !piece.isFull {
                if let reply = known(many.keys[next], many.maximumAge, address) {
                    piece.append(next, reply)
                } else {
                    missing.append(next)
                }
                next += 1
            }
            send(piece, of: many, ending: turn, to: address)
        }
        return missing
    }

    private func known(_ requested: RequestedKey, _ maximumAge: UInt64, _ address: ReturnAddress) -> Reply? {
        if let refusal = requested.refusal { return .failure(refusal) }
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

    /// Positions by the vaults of their keys. Those that no vault is for fail when they are fetched.
    private func byVault(_ positions: [Int], of many: GetManyCall) -> [[Int]] {
        guard !positions.isEmpty else { return [] }
        let groups = Dictionary(grouping: positions) {
            (try? pool.readableStore(for: many.keys[$0].key))?.vaultName ?? ""
        }
        return Array(groups.values)
    }

    /// Fetches and sends these, so many at a time, once the client has read what came before.
    ///
    /// No turn is held while a vault is asked, but where there is no room beside it for even one record.
    private func sendFetched(_ positions: [Int], of many: GetManyCall, atOnce: Int, to address: ReturnAddress) async {
        var rest = positions[...]
        var isPatient = true
        while !rest.isEmpty, !Task.isCancelled {
            guard let turn = await address.turn(.answers) else { return }
            if many.isOver {
                sendLate(&rest, of: many, ending: turn, to: address)
                continue
            }
            let missing = takeWithRoom(&rest, of: many, atMost: atOnce, uid: address.uid)
            address.end(turn)
            if missing.isEmpty {
                guard let turn = await address.turn(.asksVault) else { return }
                if many.isOver {
                    sendLate(&rest, of: many, ending: turn, to: address)
                    continue
                }
                var piece = Piece()
                let only = Missing(rest.removeFirst(), many, room: nil)
                for record in await fetch([only], of: many, isPatient: &isPatient, for: address) {
                    piece.append(record.index, record.reply)
                }
                send(piece, of: many, ending: turn, to: address)
            } else {
                var fetched = await fetch(missing, of: many, isPatient: &isPatient, for: address)
                while !fetched.isEmpty {
                    guard let turn = await address.turn(.holdsRecords) else { return }
                    var piece = Piece()
                    while !piece.isFull, let record = fetched.popLast() { piece.append(record.index, record.reply) }
                    send(piece, of: many, ending: turn, to: address)
                }
            }
        }
    }

    /// Sends a piece of these, for which no vault is waited for any more.
    private func sendLate(
        _ rest: inout ArraySlice<Int>, of many: GetManyCall, ending turn: StreamTurn, to address: ReturnAddress
    ) {
        var piece = Piece()
        while !piece.isFull, let position = rest.popFirst() {
            piece.append(position, stale(many.keys[position].key, of: many, for: address) ?? Self.late)
        }
        send(piece, of: many, ending: turn, to: address)
    }

    /// Takes positions for as many records as there is room for.
    private func takeWithRoom(
        _ rest: inout ArraySlice<Int>, of many: GetManyCall, atMost count: Int, uid: UInt32
    ) -> [Missing] {
        var missing: [Missing] = []
        while missing.count < count, let position = rest.first {
            let bytes = budget.limits.recordBytes
            let isOneOfMany = missing.count >= VaultCapabilities.standardReadsAtOnce
            var room = BufferReservation(bytes, of: budget, uid: uid, for: isOneOfMany ? .readFarAhead : .readAhead)
            if room == nil, missing.isEmpty { room = BufferReservation(bytes, of: budget, uid: uid, for: .oneRecord) }
            guard let room else { break }
            missing.append(Missing(position, many, room: room))
            rest.removeFirst()
        }
        return missing
    }

    private func send(_ piece: consuming Piece, of many: GetManyCall, ending turn: StreamTurn, to address: ReturnAddress) {
        let count = piece.count
        guard count > 0 else { return address.end(turn) }
        address.send(piece.finish(), more: many.noteSent(count), ending: turn)
    }

    /// - Parameter isPatient: false = the vault was waited for in vain, as long as a stale copy is held back.
    private func fetch(
        _ missing: [Missing], of many: GetManyCall, isPatient: inout Bool, for address: ReturnAddress
    ) async -> [Fetched] {
        let (began, wasPatient) = (clock.boot, isPatient)
        let flights = FlightBatch(count: missing.count)
        many.begin(flights)
        defer { many.end(flights) }
        let fetched = await withTaskGroup(of: Fetched.self) { group in
            for one in missing {
                group.addTask {
                    Fetched(one, await self.fetch(one.key, of: many, isPatient: wasPatient, in: flights, for: address))
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        // One that is slow, and answers, is waited for again.
        if clock.boot >= began + CacheConfiguration.patience, fetched.contains(where: \.isWithoutVault) { isPatient = false }
        return fetched
    }

    private func fetch(
        _ key: RecordKey, of many: GetManyCall, isPatient: Bool, in flights: FlightBatch, for address: ReturnAddress
    ) async -> Reply {
        if !isPatient, let reply = stale(key, of: many, for: address) {
            noteJoined(flights, leading: nil, for: address)
            return reply
        }
        let reply = await wait(for: key, of: many, in: flights, for: address)
        guard many.isOver, case .failure = reply else { return reply }
        return stale(key, of: many, for: address) ?? reply
    }

    /// What is cached past its time and will do while a vault does not answer. A read of it is begun, unless enough are
    /// under way.
    private func stale(_ key: RecordKey, of many: GetManyCall, for address: ReturnAddress) -> Reply? {
        guard let hit = cache.takeStale(key, now: clock.boot, wall: clock.wall, maximumAge: many.maximumAge) else { return nil }
        if hit.isStale { refresh(key, uid: address.uid, on: address.inbox) }
        return open(hit)
    }

    private func wait(
        for key: RecordKey, of many: GetManyCall, in flights: FlightBatch, for address: ReturnAddress
    ) async -> Reply {
        let number = waitingTasks.newNumber()
        // Where something stale was the answer, the read goes on: for those who ask next.
        defer { _ = flights.noteLeft(number) }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waitingTasks.wait(number, continuation)
                var led: FlightTicket?
                switch join(key, .task(number), many.maximumAge, uid: address.uid, on: address.inbox) {
                case .answered(let reply): waitingTasks.resume(number, reply)
                case .waits(let flight, let ticket):
                    led = ticket
                    flights.noteWaiting(number, for: flight)
                }
                noteJoined(flights, leading: led, for: address)
                // Handler and end of time may have come before there was anything to leave.
                if Task.isCancelled { leave(number, flights, .failure(.abandoned)) }
                if many.isOver { leave(number, flights, Self.late) }
            }
        } onCancel: {
            self.leave(number, flights, .failure(.abandoned))
        }
    }

    private func noteJoined(_ flights: FlightBatch, leading ticket: FlightTicket?, for address: ReturnAddress) {
        guard let tickets = flights.noteJoined(leading: ticket), !tickets.isEmpty else { return }
        start(tickets, flights, for: address)
    }

    /// Nobody waits for this key any more; nor for its flight, perhaps.
    private func leave(_ number: UInt64, _ flights: FlightBatch, _ reply: Reply) {
        if let flight = flights.noteLeft(number) {
            let isClosed = cache.leave(flight: flight, waiter: .task(number), isClosing: flights.leads(flight))
            if isClosed { flights.noteClosed(flight) }
        }
        waitingTasks.resume(number, reply)
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

    /// Results in it.
    private(set) var count = 0
    private var responses: [Secret] = []
    private var batch = GetManyBatch(limit: responseBytes)

    var isFull: Bool { batch.count + responses.reduce(0) { $0 + $1.count } >= Self.bytes }

    mutating func append(_ index: Int, _ reply: Reply) {
        count += 1
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

    init(_ index: Int, _ many: GetManyCall, room: BufferReservation?) {
        self.index = index
        key = many.keys[index].key
        self.room = room
    }
}

/// What came for such a key. It holds its room until it is in a piece.
private struct Fetched {
    let index: Int
    let reply: Reply
    private let room: BufferReservation?

    /// The vault did not answer in time, or at all.
    var isWithoutVault: Bool {
        switch reply {
        case .record(_, let tail): tail.source == .staleOnError
        case .failure(let failure): failure.effects.mayServeStale
        case .message: false
        }
    }

    init(_ missing: Missing, _ reply: Reply) {
        index = missing.index
        self.reply = reply
        room = missing.room
        // Most records are far smaller than the largest, for which there was room.
        if case .record(let record, _) = reply { room?.shrink(to: record.count) } else { room?.shrink(to: 0) }
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
