import CofferAccess
import CofferCache
import CofferCore
import CofferCrypto
import CofferMessages
import CofferVault
import CofferWire
import CProtobufC

extension Endpoint: CredentialsHandler {
    /// Of one GetMany.
    static let maximumKeys = 256

    func ping(_ request: UnsafePointer<Coffer__V1__PingRequest>, _ call: inout Call) throws(Failure) -> Handled {
        guard !call.grants.isEmpty else { throw .notServed }
        return .reply(services.admin.ping())
    }

    /// A hit is answered here and now; a miss is handed to a flight.
    func get(_ request: UnsafePointer<Coffer__V1__GetRequest>, _ call: inout Call) throws(Failure) -> Handled {
        let user = try RequestFields.id(request.pointee.user_id, "user_id")
        let connection = try RequestFields.id(request.pointee.connection_id, "connection_id")
        let decision = decide(&call, .get, user, connection)
        if !decision.isFree, try !isAllowed(decision, &call) { return pretendAbsence(of: user.bytes, connection.bytes) }
        let maximumAge =
            request.pointee.freshness_case == COFFER__V1__GET_REQUEST__FRESHNESS_MAX_AGE_MS
            ? request.pointee.max_age_ms : .max
        if maximumAge > 0 {
            let (now, wall) = call.lend { reactor, _ in (reactor.now, reactor.wall) }
            switch cache.lookup(
                user: user.bytes, connection: connection.bytes, now: now, wall: wall, maximumAge: maximumAge)
            {
            case .hit(let hit):
                if hit.wantsRefresh { try refresh(user, connection, call) }
                if call.lend({ answer(hit, call.context.callID, $0, $1) }) { return .hit }
            case .absent: return .absent
            case .miss: break
            }
        }
        call.reactor.counters.cacheMisses.increment()
        let key = try RecordKey(
            user: RequestFields.string(user), connection: RequestFields.string(connection))
        call.context.keys = .record(key)
        let (address, _) = try call.reactor.begin(&call, .read)
        credentials.fetch(key, maximumAge: maximumAge, replyTo: address)
        return .waits
    }

    /// Nobody waits for it.
    @inline(never)
    private func refresh(
        _ user: UnsafeRawBufferPointer, _ connection: UnsafeRawBufferPointer, _ call: Call
    ) throws(Failure) {
        let key = try RecordKey(
            user: RequestFields.string(user), connection: RequestFields.string(connection))
        credentials.refresh(key, uid: call.caller.uid, on: call.reactor.inbox)
    }

    /// Opens the cached answer straight into the connection's output.
    @inline(__always)
    private func answer(_ hit: CacheHit, _ callID: UInt64, _ reactor: Reactor, _ connection: Connection) -> Bool {
        let bodyBytes = hit.value.sealedBytes - CacheSealer.overheadBytes
        let output = reactor.output(connection)
        let start = output.reserve(
            FrameHeader.byteCount + bodyBytes + GetResponseTail.maximumBytes)
        let body = start + FrameHeader.byteCount
        let opened = hit.value.withSealed {
            sealer.open(
                $0, nonce: hit.value.nonce,
                into: UnsafeMutableRawBufferPointer(start: body, count: bodyBytes))
        }
        // Memory that does not open is memory that broke: the vault knows better.
        guard opened else { return false }
        let tail = GetResponseTail(hit)
        let count = bodyBytes + tail.write(to: body + bodyBytes)
        FrameHeader(answering: callID, payloadBytes: count).store(to: start)
        output.commit(FrameHeader.byteCount + count)
        return true
    }

    func store(_ request: UnsafePointer<Coffer__V1__StoreRequest>, _ call: inout Call) throws(Failure) -> Handled {
        let key = try RequestFields.key(request.pointee.user_id, request.pointee.connection_id)
        try authorize(&call, .store, key)
        let command = try StoreCommand(request, of: key, limit: services.limits.credentialBytes)
        let mayRead = call.grants.mayRead(key)
        if command.condition != .none && !mayRead { throw deniedCondition(call) }
        let (address, deadline) = try call.reactor.begin(
            &call, .write, weight: CallWork.Weight.ofBytes(command.credential.count))
        credentials.store(command, tellsHistory: mayRead, deadline: deadline, replyTo: address)
        return .waits
    }

    func delete(_ request: UnsafePointer<Coffer__V1__DeleteRequest>, _ call: inout Call) throws(Failure) -> Handled {
        let key = try RequestFields.key(request.pointee.user_id, request.pointee.connection_id)
        let mayRead = call.grants.mayRead(key)
        guard try isAllowed(decide(&call, .delete, key), &call) else {
            guard mayRead else { return key.withBytes { pretendAbsence(of: $0, $1) } }
            throw .denied(call.caller.uid, .delete)
        }
        var version: String?
        if request.pointee.condition_case == COFFER__V1__DELETE_REQUEST__CONDITION_IF_VERSION {
            version = try RequestFields.version(request.pointee.if_version)
            if !mayRead { throw deniedCondition(call) }
        }
        let (address, deadline) = try call.reactor.begin(&call, .write)
        credentials.delete(key, ifVersion: version, deadline: deadline, replyTo: address)
        return .waits
    }

    func getMany(_ request: UnsafePointer<Coffer__V1__GetManyRequest>, _ call: inout Call) throws(Failure) -> Handled {
        let count = request.pointee.n_keys
        guard (1...Self.maximumKeys).contains(count) else {
            throw .badField("keys", "expected 1 to \(Self.maximumKeys), got \(count)")
        }
        call.reactor.spent += Quantum.cost(keys: count)
        let room = CredentialService.roomOfKeys(
            count: count, payloadBytes: call.payloadBytes)
        guard call.reactor.reserve(room, .keys, for: call.connection) else { throw .noRoomForCall }
        let reservation = BufferReservation(reserved: room, of: services.budget, uid: call.caller.uid, for: .keys)
        let (keys, claims) = try requestedKeys(request.pointee, call)
        call.context.keys = .records(keys)
        let maximumAge =
            request.pointee.freshness_case == COFFER__V1__GET_MANY_REQUEST__FRESHNESS_MAX_AGE_MS
            ? request.pointee.max_age_ms : .max
        let weight = CallWork.Weight.ofKeys(count, atOnce: self.credentials.readsAtOnce)
        let (address, deadline) = try call.reactor.begin(&call, .read, weight: weight, claims: claims)
        let many = GetManyCall(keys, maximumAge: maximumAge, from: call.context.started, until: deadline)
        let credentials = credentials
        // The timer outlives the call: it keeps neither its keys nor its work, which are counted until its task ends.
        let endWaiting = TimedWork { [weak many, unowned reactor = call.reactor, serial = address.serial] in
            guard let many else { return }
            credentials.endWaiting(of: many)
            reactor.waitForNoVault(serial)
        }
        call.reactor.awaitDeadline(
            .init(deadline: many.lastWait, subject: .work(endWaiting, call: address.serial)))
        credentials.getMany(many, holding: reservation, replyTo: address)
        return .waits
    }

    /// A key that the caller may not have, or has no room for, fails for itself alone.
    ///
    /// - Returns: with the keys, what counts the call while it waits.
    private func requestedKeys(
        _ message: Coffer__V1__GetManyRequest, _ call: Call
    ) throws(Failure) -> (keys: [RequestedKey], claims: [FlightClaim]) {
        var keys: [RequestedKey] = []
        keys.reserveCapacity(message.n_keys)
        var limits = KeyLimits(call.grants)
        for index in 0..<message.n_keys {
            let ids = message.keys[index]!.pointee
            let key = try RequestFields.key(ids.user_id, ids.connection_id)
            let now = call.reactor.now
            let decision = key.withBytes { limits.grants.admit(.get, user: $0, connection: $1, now: now) }
            if decision == .denied {
                call.reactor.counters.denied.increment()
                key.withBytes { cache.lookupNothing(user: $0, connection: $1) }
            }
            keys.append(RequestedKey(key: key, refusal: limits.refusal(decision)))
        }
        return (keys, limits.claims)
    }

    private func deniedCondition(_ call: Call) -> Failure {
        call.reactor.counters.denied.increment()
        return .deniedCondition(call.caller.uid)
    }

    func list(_ request: UnsafePointer<Coffer__V1__ListRequest>, _ call: inout Call) throws(Failure) -> Handled {
        let text = RequestFields.string(request.pointee.user_id)
        let user = text.isEmpty ? nil : text
        if let user { try RecordKey.check(user, field: "user_id") }
        let listed = try listed(&call, of: user)
        let cursor = try credentials.pageTokens.decode(RequestFields.string(request.pointee.page_token), user: user)
        let size = request.pointee.page_size
        guard size <= 1_000 else {
            throw .badField("page_size", "expected at most 1000, got \(size)")
        }
        if case .nothing = listed { return .reply(ReplyMessages.listResponse([], unreadable: [], next: "")) }
        let (address, deadline) = try call.reactor.begin(&call, .read)
        credentials.list(
            user: user, after: cursor, pageSize: size == 0 ? 100 : Int(size), listed, deadline: deadline, replyTo: address)
        return .waits
    }
}

/// The limits of the rules that allow the keys of a GetMany.
private struct KeyLimits {
    let grants: CallerGrants
    /// One for each rule that counts the calls in flight.
    private(set) var claims: [FlightClaim] = []
    /// By rule; nil = as many calls as may wait already.
    private var claimed: [Int: FlightClaim?] = [:]

    init(_ grants: CallerGrants) { self.grants = grants }

    /// What the key's result is, if it is not to be asked for.
    mutating func refusal(_ decision: CallerGrants.Decision) -> Failure? {
        switch decision {
        case .allowed: nil
        case .limited(let rule): refusal(ofRule: rule)
        case .exhausted(_, let nanoseconds): .tooOften(nanoseconds)
        case .denied: .notFound
        }
    }

    private mutating func refusal(ofRule rule: Int) -> Failure? {
        guard let usage = grants.usage(ofRule: rule), usage.limits.inFlight != nil else { return nil }
        let known = claimed[rule]
        let claim = known ?? FlightClaim(usage)
        if known == nil {
            claimed[rule] = .some(claim)
            if let claim { claims.append(claim) }
        }
        return claim == nil ? .tooManyCalls(ofRule: usage.limits) : nil
    }
}
