/// What a caller wants to do.
package enum Verb: UInt8, Sendable {
    case get, store, delete, list, admin
}

/// Who may do what: the daemon's own uid everything, everybody else nothing.
///
/// Asked once when a connection is accepted, and before the cache and any vault
/// with every call.
package struct AccessPolicy: Sendable {
    package let owner: UInt32
    /// What the kernel shows for users and groups that have no number here.
    package let overflow: OverflowIDs

    package init(owner: UInt32, overflow: OverflowIDs = OverflowIDs()) {
        self.owner = owner
        self.overflow = overflow
    }

    /// Whether there is anything that this peer may do: only then is it listened to.
    @inline(__always)
    package func admits(_ peer: Peer) -> Bool { peer.uid == owner && !overflow.hides(peer) }

    @inline(__always)
    package func allows(_ peer: Peer, _ verb: Verb) -> Bool { admits(peer) }
}
