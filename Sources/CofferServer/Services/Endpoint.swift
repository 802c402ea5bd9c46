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
    let sealer: CacheSealer

    init(shared: ServerContext) {
        self.shared = shared
        credentials = shared.credentials
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

    /// Policy comes before everything else that a call does.
    @inline(__always)
    func authorize(_ call: Call, _ verb: Verb) throws(Failure) {
        guard shared.policy.allows(call.peer, verb) else {
            call.reactor.counters.denied.increment()
            throw .denied
        }
    }
}
