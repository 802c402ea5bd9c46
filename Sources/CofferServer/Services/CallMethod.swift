import CofferAccess

/// The methods of all services.
enum CallMethod: UInt8, CaseIterable, Sendable {
    case get, getMany, list, store, delete, ping, health, stats, invalidate, doctor

    /// - Parameter id: as in a frame. Nil for one that no method has.
    @inline(__always)
    init?(id: UInt32) {
        if id == CredentialsMethod.get.rawValue {
            self = .get
        } else if let other = Self.other(id) {
            self = other
        } else {
            return nil
        }
    }

    @inline(never)
    private static func other(_ id: UInt32) -> CallMethod? {
        if let method = CredentialsMethod(rawValue: id) {
            return switch method {
            case .get: .get
            case .getMany: .getMany
            case .list: .list
            case .store: .store
            case .delete: .delete
            case .ping: .ping
            }
        }
        return switch AdminMethod(rawValue: id) {
        case .health: .health
        case .stats: .stats
        case .invalidate: .invalidate
        case .doctor: .doctor
        case nil: nil
        }
    }

    /// What the policy is asked for; nil = it is not asked.
    @inline(__always)
    var verb: Verb? {
        switch self {
        case .get, .getMany: .get
        case .list: .list
        case .store: .store
        case .delete: .delete
        case .ping: nil
        case .health: .health
        case .stats: .stats
        case .invalidate: .invalidate
        case .doctor: .doctor
        }
    }

    /// As names of counters have it.
    var name: String {
        switch self {
        case .get: "get"
        case .getMany: "get_many"
        case .list: "list"
        case .store: "store"
        case .delete: "delete"
        case .ping: "ping"
        case .health: "health"
        case .stats: "stats"
        case .invalidate: "invalidate"
        case .doctor: "doctor"
        }
    }
}
