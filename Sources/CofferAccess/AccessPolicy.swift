/// What a caller wants to do.
package enum Verb: UInt8, Sendable {
    case get, store, delete, list, admin
}

/// Who may do what: the daemon's own uid everything, everybody else nothing.
///
/// Asked before the cache and before any vault, with every call.
package struct AccessPolicy: Sendable {
    package let owner: UInt32

    package init(owner: UInt32) { self.owner = owner }

    @inline(__always)
    package func allows(_ peer: Peer, _ verb: Verb) -> Bool { peer.uid == owner }
}
