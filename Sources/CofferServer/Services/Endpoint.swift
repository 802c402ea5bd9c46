import CofferAccess
import CofferCache
import CofferCore
import CofferCrypto
import CofferWire

/// One reactor's way into the services: finds the method, and holds what a
/// cache hit needs on this thread.
final class Endpoint: CallServices {
    /// What the endpoints of all reactors share. Everything in it may be used from any thread.
    struct Services: Sendable {
        let credentials: CredentialService
        let admin: AdminService
        let policy: any AccessPolicy
        let bootKey: BootKey
        let limits: ServerLimits
        let budget: BufferBudget
    }

    let services: Services
    let credentials: CredentialService
    let cache: Cache
    let policy: any AccessPolicy
    let sealer: CacheSealer

    init(_ services: Services) {
        self.services = services
        credentials = services.credentials
        cache = services.credentials.cache
        policy = services.policy
        sealer = CacheSealer(key: services.bootKey)
    }

    func handle(_ payload: UnsafeRawBufferPointer, _ arena: Arena, _ call: inout Call) throws(Failure) -> Handled {
        let id = call.context.methodID
        if let method = CredentialsMethod(rawValue: id) {
            return try dispatch(method, payload: payload, arena: arena, call: &call)
        }
        if let method = AdminMethod(rawValue: id) {
            return try dispatch(method, payload: payload, arena: arena, call: &call)
        }
        throw .unknownMethod(id)
    }

    /// Before a longer wait: forgets the expanded keys of the cache.
    func rest() {
        sealer.rest()
        credentials.rest()
    }
}

/// The policy is asked when it is known which records a call is about, and before anything is done for it.
extension Endpoint {
    /// For one record, by its ids, which are lent until the arena is reset.
    @inline(__always)
    func authorize(
        _ call: inout Call, _ verb: Verb, _ user: UnsafeRawBufferPointer, _ connection: UnsafeRawBufferPointer
    ) throws(Failure) {
        call.context.keys = .lent(user: user, connection: connection)
        let isAllowed = policy.allows(call.caller, verb, user: user.bytes, connection: connection.bytes)
        if !isAllowed { throw denied(call, verb) }
    }

    /// For one record.
    func authorize(_ call: inout Call, _ verb: Verb, _ key: RecordKey) throws(Failure) {
        call.context.keys = .record(key)
        if !isAllowed(call, verb, key) { throw denied(call, verb) }
    }

    func isAllowed(_ call: Call, _ verb: Verb, _ key: RecordKey) -> Bool {
        key.withBytes { policy.allows(call.caller, verb, user: $0, connection: $1) }
    }

    /// For every record of a user.
    func authorize(_ call: inout Call, _ verb: Verb, user: String) throws(Failure) {
        call.context.keys = .user(user)
        var user = user
        let isAllowed = user.withUTF8 { policy.allows(call.caller, verb, user: UnsafeRawBufferPointer($0).bytes) }
        if !isAllowed { throw denied(call, verb) }
    }

    /// For all records.
    func authorizeAll(_ call: inout Call, _ verb: Verb) throws(Failure) {
        call.context.keys = .all
        try authorize(call, verb)
    }

    /// Where the call is about no record.
    func authorize(_ call: Call, _ verb: Verb) throws(Failure) {
        guard policy.allows(call.caller, verb) else { throw denied(call, verb) }
    }

    /// Counts it.
    @inline(never)
    func denied(_ call: Call, _ verb: Verb) -> Failure {
        call.reactor.counters.denied.increment()
        return .denied(call.caller.uid, verb)
    }
}
