package import CofferAccess
import CofferProcess
import Synchronization

extension HostNames {
    /// The users and groups of this host.
    ///
    /// A database that does not answer is one without the name, so that a policy is refused rather than taken in part.
    package static func ofSystem(overflow: OverflowIDs = OverflowIDs()) -> HostNames {
        HostNames(
            uid: { (try? UserDatabase.user(named: $0))?.uid }, gid: { try? UserDatabase.gid(ofGroup: $0) }, overflow: overflow)
    }

    /// For a policy of another host: a name that this one does not have is somebody of its own.
    package static func ofAnotherHost() -> HostNames {
        let here = ofSystem()
        let users = InventedIDs()
        let groups = InventedIDs()
        return HostNames(uid: { here.uid($0) ?? users.id(of: $0) }, gid: { here.gid($0) ?? groups.id(of: $0) })
    }
}

/// Numbers for names, from above of what hosts give to users and groups.
private final class InventedIDs: Sendable {
    private static let first: UInt32 = 0xf000_0000

    private let known = Mutex<[String: UInt32]>([:])

    /// The same for the same name; nil for what can be no name.
    func id(of name: String) -> UInt32? {
        guard !name.utf8.contains(where: { $0 == UInt8(ascii: ":") || $0 < 0x20 }) else { return nil }
        return known.withLock { known in
            let id = known[name] ?? Self.first + UInt32(known.count)
            known[name] = id
            return id
        }
    }
}
