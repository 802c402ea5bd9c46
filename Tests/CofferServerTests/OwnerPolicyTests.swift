import CofferAccess
import Testing

@Suite struct OwnerPolicyTests {
    private let overflow = OverflowIDs(uid: 65_534, gid: 65_533)

    @Test(arguments: [
        (1_000, 1_000, true), (1_000, 100, true), (0, 0, false), (1_001, 1_000, false), (65_534, 1_000, false),
        (1_000, 65_533, false), (65_534, 65_533, false),
    ] as [(UInt32, UInt32, Bool)])
    func admitsItsOwnerAlone(uid: UInt32, gid: UInt32, isAdmitted: Bool) {
        let policy = OwnerPolicy(owner: 1_000, overflow: overflow)
        let peer = Peer(uid: uid, gid: gid, pid: 1)
        #expect(policy.admits(peer) == isAdmitted)
        #expect(policy.allows(peer, .get) == isAdmitted)
    }

    /// Its own users have that group, too; the uid says who they are.
    @Test func aDaemonOfTheOverflowGroupAdmitsItsOwnUIDAlone() {
        let policy = OwnerPolicy(owner: 1_000, overflow: OverflowIDs(uid: 65_534, gid: nil))
        #expect(policy.admits(Peer(uid: 1_000, gid: 65_534, pid: 1)))
        #expect(!policy.admits(Peer(uid: 1_001, gid: 65_534, pid: 1)))
        #expect(!policy.admits(Peer(uid: 65_534, gid: 65_534, pid: 1)))
    }

    /// Whoever has no mapping looks like it.
    @Test func theOverflowUIDIsNotEvenItsOwnPeer() {
        let policy = OwnerPolicy(owner: 65_534, overflow: overflow)
        #expect(!policy.admits(Peer(uid: 65_534, gid: 1_000, pid: 1)))
    }
}
