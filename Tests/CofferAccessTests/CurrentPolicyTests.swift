import CofferAccess
import CofferCore
import Testing

@Suite struct CurrentPolicyTests {
    private let now = BootInstant(nanoseconds: 1)

    @Test func grantsAreOldAsSoonAsThePolicyIsReplaced() throws {
        let current = CurrentPolicy(.owner(1), overflow: OverflowIDs())
        let caller = Caller(uid: 1, gid: 10)
        let grants = try #require(current.compiled.grants(for: caller, now: now))
        #expect(current.isCurrent(grants))
        current.replace(with: .owner(2))
        #expect(!current.isCurrent(grants))
        #expect(current.compiled.grants(for: caller, now: now) == nil)
        #expect(current.compiled.generation == 2)
    }

    @Test func thePolicyThatIsInForceAlreadyChangesNothing() throws {
        let current = CurrentPolicy(.owner(1), overflow: OverflowIDs())
        let grants = try #require(current.compiled.grants(for: Caller(uid: 1, gid: 10), now: now))
        current.replace(with: .owner(1))
        #expect(current.isCurrent(grants))
    }

    @Test func equalCallersShareTheirGrants() throws {
        let current = CurrentPolicy(.owner(1), overflow: OverflowIDs())
        let first = try #require(current.compiled.grants(for: Caller(uid: 1, gid: 10), now: now))
        let second = try #require(current.compiled.grants(for: Caller(uid: 1, gid: 10), now: now))
        #expect(first === second)
        for gid in UInt32(100)..<3_000 { #expect(current.compiled.grants(for: Caller(uid: 1, gid: gid), now: now) != nil) }
    }

    @Test(arguments: [
        (1_000, 1_000, true), (1_000, 100, true), (0, 0, false), (1_001, 1_000, false), (65_534, 1_000, false),
        (1_000, 65_533, false), (65_534, 65_533, false),
    ] as [(UInt32, UInt32, Bool)])
    func theOwnerAloneIsAdmitted(uid: UInt32, gid: UInt32, isAdmitted: Bool) {
        let overflow = OverflowIDs(uid: 65_534, gid: 65_533)
        let current = CurrentPolicy(.owner(1_000), overflow: overflow)
        let grants = current.compiled.grants(for: Caller(uid: uid, gid: gid), now: now)
        #expect((grants != nil) == isAdmitted)
        #expect(grants?.allows(.get, "u", "c") ?? false == isAdmitted)
    }

    /// Its own users have that group, too; the uid says who they are.
    @Test func aDaemonOfTheOverflowGroupServesItsOwnUIDAlone() {
        let current = CurrentPolicy(.owner(1_000), overflow: OverflowIDs(uid: 65_534, gid: nil)).compiled
        #expect(current.grants(for: Caller(uid: 1_000, gid: 65_534), now: now) != nil)
        #expect(current.grants(for: Caller(uid: 1_001, gid: 65_534), now: now) == nil)
        #expect(current.grants(for: Caller(uid: 65_534, gid: 65_534), now: now) == nil)
    }

    /// Whoever has no mapping looks like it.
    @Test func theOverflowUIDIsNotEvenItsOwnPeer() {
        let current = CurrentPolicy(.owner(65_534), overflow: OverflowIDs(uid: 65_534, gid: 65_533)).compiled
        #expect(current.grants(for: Caller(uid: 65_534, gid: 1_000), now: now) == nil)
    }

    @Test func grantsOfNobodyAreNeverCurrent() {
        let current = CurrentPolicy(.owner(1), overflow: OverflowIDs())
        #expect(!current.isCurrent(.none) && CallerGrants.none.isEmpty)
        let stranger = current.compiled.grantsOrNone(for: Caller(uid: 2, gid: 2), now: now)
        #expect(stranger.isEmpty && current.isCurrent(stranger))
        #expect(!stranger.allows(.get, "u", "c"))
    }

    /// Whoever has no number here can be anybody, whatever a rule says.
    @Test func theOverflowIDsAreAllowedNothing() throws {
        let everybody = Policy(allow: [try PolicyRule("r", .get, [("*", "*")])])
        let group = Policy(allow: [try PolicyRule("r", who: [Selector(groups: [.init(id: 65_534, name: "")])], .get, [("*", "*")])])
        let current = CurrentPolicy(everybody, overflow: OverflowIDs())
        #expect(current.compiled.grants(for: Caller(uid: 65_534, gid: 1), now: now) == nil)
        #expect(current.compiled.grants(for: Caller(uid: 1, gid: 65_534), now: now) == nil)
        current.replace(with: group)
        #expect(current.compiled.grants(for: Caller(uid: 1, gid: 1, groups: .proven([65_534])), now: now) == nil)
        let other = CurrentPolicy(everybody, overflow: OverflowIDs(uid: 65_534, gid: nil))
        #expect(other.compiled.grants(for: Caller(uid: 1, gid: 65_534), now: now) != nil)
    }
}
