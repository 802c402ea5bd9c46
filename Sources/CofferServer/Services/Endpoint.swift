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
        let bootKey: BootKey
        let limits: ServerLimits
        let budget: BufferBudget
    }

    let services: Services
    let credentials: CredentialService
    let cache: Cache
    let sealer: CacheSealer

    init(_ services: Services) {
        self.services = services
        credentials = services.credentials
        cache = services.credentials.cache
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

