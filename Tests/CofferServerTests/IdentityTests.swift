import CofferAccess
import CofferCore
import Testing

@testable import CofferServer

@Suite struct IdentityTests {
    private static func policy(_ path: String) -> CompiledPolicy {
        let digests = [[UInt8](repeating: 1, count: 32)]
        let rule = PolicyRule(
            name: "r", who: [Selector(executables: [PolicyPattern(literal: path)], digests: digests)], verbs: VerbSet(.stats))
        return CurrentPolicy(Policy(allow: [rule]), overflow: OverflowIDs()).compiled
    }

    private let program = Caller(
        uid: 1, gid: 1, executable: .proven(Caller.Executable(path: "/a", digest: .unproven)))

    /// A program that cannot be read is not asked for again and again.
    @Test func whatWasLookedForIsNotMissing() {
        let policy = Self.policy("/a")
        var identity = Identity(Peer(uid: 1, gid: 1, pid: 1))
        #expect(identity.missing(for: policy) == [.executable, .digest])
        identity.add(program, [.executable, .digest], by: policy.policy)
        #expect(identity.missing(for: policy) == [])
    }

    @Test func aProgramIsReadWhenAnotherPolicyNamesIt() {
        var identity = Identity(Peer(uid: 1, gid: 1, pid: 1))
        identity.add(program, [.executable, .digest], by: Self.policy("/b").policy)
        #expect(identity.missing(for: Self.policy("/b")) == [])
        #expect(identity.missing(for: Self.policy("/a")) == [.executable, .digest])
    }

    @Test func groupsAreKnownOnceTheyWereRead() {
        let selector = Selector(groups: [.init(id: 5, name: "five")])
        let policy = CurrentPolicy(
            Policy(allow: [PolicyRule(name: "r", who: [selector], verbs: VerbSet(.stats))]), overflow: OverflowIDs()).compiled
        var identity = Identity(Peer(uid: 1, gid: 1, pid: 1))
        #expect(identity.missing(for: policy) == [.groups])
        identity.add(groups: .proven([5]))
        #expect(identity.missing(for: policy) == [] && identity.caller.groups == .proven([5]))
    }
}
