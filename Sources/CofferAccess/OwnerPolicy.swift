/// The daemon's own uid may do everything, everybody else nothing.
package final class OwnerPolicy: AccessPolicy {
    package let owner: UInt32
    /// What the kernel shows for users and groups that have no number here.
    package let overflow: OverflowIDs

    package init(owner: UInt32, overflow: OverflowIDs = OverflowIDs()) {
        self.owner = owner
        self.overflow = overflow
    }

    package func admits(_ caller: Peer) -> Bool { caller.uid == owner && !overflow.hides(caller) }

    package func allows(_ caller: Peer, _ verb: Verb, user: RawSpan, connection: RawSpan) -> Bool { admits(caller) }

    package func allows(_ caller: Peer, _ verb: Verb, user: RawSpan) -> Bool { admits(caller) }

    package func allows(_ caller: Peer, _ verb: Verb) -> Bool { admits(caller) }
}
