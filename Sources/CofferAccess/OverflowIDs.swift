/// The uid and gid that stand for every user and group without a number of their own in the
/// daemon's user namespace. Whoever has one of them can be anybody, so it identifies nobody.
package struct OverflowIDs: Equatable, Sendable {
    package let uid: UInt32
    /// nil where the daemon's own group has it: its users are then told apart by their uid alone,
    /// which is all that anything is allowed by.
    package let gid: UInt32?

    /// The kernel's own defaults.
    package init(uid: UInt32 = 65_534, gid: UInt32? = 65_534) {
        self.uid = uid
        self.gid = gid
    }
}
