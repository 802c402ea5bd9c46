import CofferAccess
import CofferCore
import Synchronization

@testable import CofferServer

/// The calls that have ended, as the reactor tells of them.
final class Endings: CallObserver {
    struct Ending: Sendable {
        let caller: Peer
        let callID: UInt64
        let method: CallMethod?
        /// As words, for lent ids are gone later.
        let keys: String
        let started: BootInstant
        let serial: UInt64
        let deadline: BootInstant?
        let how: CallEnding
    }

    private let endings = Mutex<[Ending]>([])
    private let counts = Mutex((all: UInt64(0), waited: UInt64(0)))

    /// Those since the last `forget`.
    var all: [Ending] { endings.withLock { $0 } }
    /// How many there were ever.
    var count: UInt64 { counts.withLock { $0.all } }
    /// Those of them that had to wait.
    var waited: UInt64 { counts.withLock { $0.waited } }

    func forget() { endings.withLock { $0 = [] } }

    func callEnded(_ call: borrowing CallContext, _ outcome: CallOutcome) {
        let ending = Ending(
            caller: call.caller, callID: call.callID, method: call.method, keys: Self.words(call.keys),
            started: call.started, serial: call.serial, deadline: call.deadline, how: CallEnding(outcome))
        endings.withLock { $0.append(ending) }
        counts.withLock { counts in
            counts.all += 1
            if ending.serial > 0 { counts.waited += 1 }
        }
    }

    private static func words(_ keys: CallKeys) -> String {
        switch keys {
        case .none: "none"
        case .lent(let user, let connection):
            "\(String(decoding: user, as: UTF8.self))/\(String(decoding: connection, as: UTF8.self)) lent"
        case .record(let key): "\(key.user)/\(key.connection)"
        case .records(let keys): keys.map(words).joined(separator: " ")
        case .user(let user): "\(user)/*"
        case .all: "*/*"
        }
    }

    private static func words(_ requested: RequestedKey) -> String {
        "\(requested.key.user)/\(requested.key.connection)" + (requested.isAllowed ? "" : " denied")
    }
}
