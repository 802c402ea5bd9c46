import CofferAccess
import CofferCache
import CofferCore
import CofferCrypto
import CofferMessages
import CofferWire
import CProtobufC

extension Endpoint: CredentialsHandler {
    /// Of one GetMany.
    static let maximumKeys = 256

    func ping(_ request: UnsafePointer<Coffer__V1__PingRequest>, _ call: Call) throws(Failure) {
        call.respond(shared.admin.ping())
    }

    /// A hit is answered here and now; a miss is handed to a flight.
    func get(_ request: UnsafePointer<Coffer__V1__GetRequest>, _ call: Call) throws(Failure) {
        let user = try RequestFields.id(request.pointee.user_id, "user_id")
        let connection = try RequestFields.id(request.pointee.connection_id, "connection_id")
        try authorize(call, .get, user, connection)
        let maximumAge =
            request.pointee.freshness_case == COFFER__V1__GET_REQUEST__FRESHNESS_MAX_AGE_MS
            ? request.pointee.max_age_ms : .max
        if maximumAge > 0 {
            switch credentials.cache.lookup(
                user: user.bytes, connection: connection.bytes, now: call.reactor.now,
                wall: call.reactor.wall, maximumAge: maximumAge)
            {
            case .hit(let hit):
                if hit.wantsRefresh { try refresh(user, connection, call) }
                if answer(hit, call) { return }
            case .absent:
                call.reactor.counters.cacheHits.increment()
                throw .notFound
            case .miss: break
            }
        }
        call.reactor.counters.cacheMisses.increment()
        let key = try RecordKey(
            user: RequestFields.string(user), connection: RequestFields.string(connection))
        let (address, _) = try call.reactor.begin(call, .read)
        credentials.fetch(key, maximumAge: maximumAge, replyTo: address)
    }

    /// Nobody waits for it.
    @inline(never)
    private func refresh(
        _ user: UnsafeRawBufferPointer, _ connection: UnsafeRawBufferPointer, _ call: Call
    ) throws(Failure) {
        let key = try RecordKey(
            user: RequestFields.string(user), connection: RequestFields.string(connection))
        credentials.refresh(key, uid: call.peer.uid, on: call.reactor.inbox)
    }

    /// Opens the cached answer straight into the connection's output.
    @inline(__always)
    private func answer(_ hit: CacheHit, _ call: Call) -> Bool {
        let reactor = call.reactor
        let bodyBytes = hit.value.sealedBytes - CacheSealer.overheadBytes
        let output = reactor.output(call.connection)
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
        FrameHeader(kind: .response, callID: call.header.callID, payloadBytes: count)
            .store(to: start)
        output.commit(FrameHeader.byteCount + count)
        reactor.counters.cacheHits.increment()
        return true
    }

    func store(_ request: UnsafePointer<Coffer__V1__StoreRequest>, _ call: Call) throws(Failure) {
        let key = try RequestFields.key(request.pointee.user_id, request.pointee.connection_id)
        try authorize(call, .store, key)
        let command = try StoreCommand(request, of: key, limit: shared.limits.credentialBytes)
        let (address, deadline) = try call.reactor.begin(
            call, .write, weight: CallWork.Weight.ofBytes(command.credential.count))
        credentials.store(command, deadline: deadline, replyTo: address)
    }

    func delete(_ request: UnsafePointer<Coffer__V1__DeleteRequest>, _ call: Call) throws(Failure) {
        let key = try RequestFields.key(request.pointee.user_id, request.pointee.connection_id)
        try authorize(call, .delete, key)
        var version: String?
        if request.pointee.condition_case == COFFER__V1__DELETE_REQUEST__CONDITION_IF_VERSION {
            version = try RequestFields.version(request.pointee.if_version)
        }
        let (address, deadline) = try call.reactor.begin(call, .write)
        credentials.delete(key, ifVersion: version, deadline: deadline, replyTo: address)
    }

    func getMany(_ request: UnsafePointer<Coffer__V1__GetManyRequest>, _ call: Call) throws(Failure) {
        let count = request.pointee.n_keys
        guard (1...Self.maximumKeys).contains(count) else {
            throw .badField("keys", "expected 1 to \(Self.maximumKeys), got \(count)")
        }
        call.reactor.spent += Quantum.cost(keys: count)
        let room = CredentialService.roomOfKeys(
            count: count, payloadBytes: Int(call.header.length) - FrameHeader.countedBytes)
        guard let reservation = BufferReservation(room, of: shared.budget, uid: call.peer.uid, part: 2) else {
            throw .noRoomForCall
        }
        let keys = try requestedKeys(request.pointee, call)
        let maximumAge =
            request.pointee.freshness_case == COFFER__V1__GET_MANY_REQUEST__FRESHNESS_MAX_AGE_MS
            ? request.pointee.max_age_ms : .max
        let (address, _) = try call.reactor.begin(call, .read, weight: CallWork.Weight.ofKeys(count, atOnce: CredentialService.askedAtOnce))
        credentials.getMany(keys, maximumAge: maximumAge, holding: reservation, replyTo: address)
    }

    /// A key that the caller may not have fails for itself alone.
    private func requestedKeys(
        _ message: Coffer__V1__GetManyRequest, _ call: Call
    ) throws(Failure) -> [CredentialService.RequestedKey] {
        var keys: [CredentialService.RequestedKey] = []
        keys.reserveCapacity(message.n_keys)
        for index in 0..<message.n_keys {
            let ids = message.keys[index]!.pointee
            let key = try RequestFields.key(ids.user_id, ids.connection_id)
            do throws(Failure) {
                try authorize(call, .get, key)
                keys.append(.allowed(key))
            } catch {
                keys.append(.denied)
            }
        }
        return keys
    }

    func list(_ request: UnsafePointer<Coffer__V1__ListRequest>, _ call: Call) throws(Failure) {
        let user = RequestFields.string(request.pointee.user_id)
        if user.isEmpty {
            try authorize(call, .list)
        } else {
            try RecordKey.check(user, field: "user_id")
            try authorize(call, .list, user: user)
        }
        let cursor = try credentials.pageTokens.decode(
            RequestFields.string(request.pointee.page_token), user: user.isEmpty ? nil : user)
        let size = request.pointee.page_size
        guard size <= 1_000 else {
            throw .badField("page_size", "expected at most 1000, got \(size)")
        }
        let (address, deadline) = try call.reactor.begin(call, .read)
        credentials.list(
            user: user.isEmpty ? nil : user, after: cursor, pageSize: size == 0 ? 100 : Int(size),
            deadline: deadline, replyTo: address)
    }
}
