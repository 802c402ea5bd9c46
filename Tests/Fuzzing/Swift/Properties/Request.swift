import CofferCore
import CofferServer

/// A request of each method that waits for a vault, and how its answer is told from those of others.
enum Request: CaseIterable {
    case get, store, delete, getMany, list, health, doctor

    var method: UInt32 {
        switch self {
        case .get: CredentialsMethod.get.rawValue
        case .store: CredentialsMethod.store.rawValue
        case .delete: CredentialsMethod.delete.rawValue
        case .getMany: CredentialsMethod.getMany.rawValue
        case .list: CredentialsMethod.list.rawValue
        case .health: AdminMethod.health.rawValue
        case .doctor: AdminMethod.doctor.rawValue
        }
    }

    /// A Store or Delete that has begun goes on after a cancel.
    var isWrite: Bool { self == .store || self == .delete }

    /// Of this user's record; a Store is to make it, so it fails where it is there.
    func payload(user: String) -> [UInt8] {
        let key = Self.text(1, user) + Self.text(2, "c")
        return switch self {
        case .get: key + [0x18, 0]
        case .store: key + Self.text(3, Self.credential(of: user)) + [0x38, 1]
        case .delete: key
        case .getMany: Self.field(1, key) + [0x10, 0]
        case .list: Self.text(1, user)
        case .health, .doctor: []
        }
    }

    static func credential(of user: String) -> String { "the secret of \(user)" }

    /// Whether this answers the request for the user's record, and no other.
    func isAnswered(by payload: [UInt8], user: String) -> Bool {
        let text = String(decoding: payload, as: UTF8.self)
        return switch self {
        case .get, .getMany: text.contains(Self.credential(of: user))
        case .list: text.contains(user) && !text.contains("secret")
        case .health: text.contains("none")
        case .doctor: payload.first == 0x0a && text.contains("fuzz")
        case .delete: payload == [8, 1]
        case .store: !payload.isEmpty
        }
    }

    /// How the call ends if the user's record is there.
    var status: StatusCode { self == .store ? .alreadyExists : .ok }

    private static func text(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }

    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2, UInt8(bytes.count)] + bytes
    }
}
