import CofferAccess
import CofferCache
import CofferCore
import CofferMessages
import CofferWire
import CProtobufC

extension Endpoint: AdminHandler {
    func health(_ request: UnsafePointer<Coffer__V1__HealthRequest>, _ call: inout Call) throws(Failure) -> Handled {
        try authorize(&call, .health)
        let (address, deadline) = try call.reactor.begin(&call, .health)
        let (times, answerEarly) = services.admin.health(deadline: deadline, replyTo: address)
        for time in times {
            call.reactor.awaitDeadline(.init(deadline: time, subject: .work(answerEarly, call: address.serial)))
        }
        return .waits
    }

    func stats(_ request: UnsafePointer<Coffer__V1__StatsRequest>, _ call: inout Call) throws(Failure) -> Handled {
        try authorize(&call, .stats)
        call.reactor.spent += Quantum.costOfStats
        return .reply(ReplyMessages.statsResponse(services.admin.stats()))
    }

    func invalidate(
        _ request: UnsafePointer<Coffer__V1__InvalidateRequest>, _ call: inout Call
    ) throws(Failure) -> Handled {
        let message = request.pointee
        let grants = call.grants
        // Who may not read a record is not told that it was cached.
        let mayKnow: Bool
        let dropped: Int
        switch message.scope_case {
        case COFFER__V1__INVALIDATE_REQUEST__SCOPE_KEY:
            let key = try RequestFields.key(message.key.pointee.user_id, message.key.pointee.connection_id)
            try authorize(&call, .invalidate, key)
            mayKnow = grants.mayRead(key)
            dropped = credentials.cache.invalidate(key)
        case COFFER__V1__INVALIDATE_REQUEST__SCOPE_USER_ID:
            let user = RequestFields.string(message.user_id)
            try RecordKey.check(user, field: "user_id")
            try authorizeAll(&call, .invalidate, of: user)
            mayKnow = grants.coverage(.get, of: user).isAll
            call.reactor.spent += Quantum.costOfWalk
            dropped = credentials.cache.invalidate(user: user)
        case COFFER__V1__INVALIDATE_REQUEST__SCOPE_ALL where message.all != 0:
            try authorizeAll(&call, .invalidate, of: nil)
            mayKnow = grants.coverage(.get).isAll
            call.reactor.spent += Quantum.costOfWalk
            dropped = credentials.cache.invalidate(user: nil)
        default:
            throw .badField("scope", "expected a key, a user_id or all = true, got none")
        }
        return .reply(ReplyMessages.invalidateResponse(dropped: mayKnow ? UInt64(dropped) : 0))
    }

    func doctor(_ request: UnsafePointer<Coffer__V1__DoctorRequest>, _ call: inout Call) throws(Failure) -> Handled {
        try authorize(&call, .doctor)
        let name = RequestFields.string(request.pointee.vault)
        // It goes on if the call ends before it: the test record has to go.
        let (address, deadline) = try call.reactor.begin(&call, .examination)
        services.admin.examine(name, deadline: deadline, replyTo: address)
        return .waits
    }
}
