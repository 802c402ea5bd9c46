/// Who is at the other end of a connection, by the kernel's word at connect time.
package struct Peer: Equatable, Sendable {
    package let uid: UInt32
    package let gid: UInt32
    /// For logs only: a pid can be reused, so nothing is decided by it.
    package let pid: Int32

    package init(uid: UInt32, gid: UInt32, pid: Int32) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
    }
}
