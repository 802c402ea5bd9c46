import CofferAccess
import CofferCache
import CofferCore
import CofferCrypto
import CofferWire

/// One reactor's way into the services: finds the method, and holds what a
/// cache hit needs on this thread.
final class Endpoint {
    let shared: ServerContext
    let credentials: CredentialService
    let policy: any AccessPolicy
    let sealer: CacheSealer

    init(shared: ServerContext) {
        self.shared = shared
        credentials = shared.credentials
        policy = shared.policy
        sealer = CacheSealer(key: shared.bootKey)
    }

    /// - Throws: what is wrong with the request; the reactor answers with it.
    @inline(__always)
    func handle(
        _ method: UInt32, _ payload: UnsafeRawBufferPointer, _ arena: Arena, _ call: Call
    ) throws(Failure) {
        if let method = CredentialsMethod(rawValue: method) {
            try dispatch(method, payload: payload, arena: arena, call: call)
        } else if let method = AdminMethod(rawValue: method) {
            try dispatch(method, payload: payload, arena: arena, call: call)
        } else {
            throw .unknownMethod(method)
        }
    }

    /// Before a longer wait: forgets the expanded keys of the cache.
    func rest() {
        sealer.rest()
        credentials.rest()
    }

}

/// The policy is asked when it is known which records a call is about, and before anything is done for it.
extension Endpoint {
    /// For one record, by its ids.
    @inline(__always)
    func authorize(
        _ call: Call, _ verb: Verb, _ user: UnsafeRawBufferPointer, _ connection: UnsafeRawBufferPointer
    ) throws(Failure) {
        let isAllowed = policy.allows(call.peer, verb, user: user.bytes, connection: connection.bytes)
        if !isAllowed { throw denied(call, verb) }
    }

    /// For one record.
    func authorize(_ call: Call, _ verb: Verb, _ key: RecordKey) throws(Failure) {
        let isAllowed = key.withBytes { policy.allows(call.peer, verb, user: $0, connection: $1) }
        if !isAllowed { throw denied(call, verb) }
    }

    /// For every record of a user.
    func authorize(_ call: Call, _ verb: Verb, user: String) throws(Failure) {
        var user = user
        let isAllowed = user.withUTF8 { policy.allows(call.peer, verb, user: UnsafeRawBufferPointer($0).bytes) }
        if !isAllowed { throw denied(call, verb) }
    }

    /// For all records, or where the call is about none.
    func authorize(_ call: Call, _ verb: Verb) throws(Failure) {
        guard policy.allows(call.peer, verb) else { throw denied(call, verb) }
    }

    /// Counts it.
    @inline(never)
    func denied(_ call: Call, _ verb: Verb) -> Failure {
        call.reactor.counters.denied.increment()
        return .denied(call.peer.uid, verb)
    }
}
