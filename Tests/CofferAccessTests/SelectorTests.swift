import CofferAccess
import Testing

@Suite struct SelectorTests {
    private func principals(_ ids: UInt32...) -> [Selector.Principal] { ids.map { .init(id: $0, name: "") } }

    private func caller(_ change: (inout Caller) -> Void = { _ in }) -> Caller {
        var caller = Caller(uid: 1, gid: 10)
        change(&caller)
        return caller
    }

    @Test func aGroupIsTheEffectiveOneOrASupplementaryOne() {
        let selector = Selector(groups: principals(10, 11))
        #expect(selector.truth(for: caller()) == .yes)
        let other = Selector(groups: principals(11))
        #expect(other.truth(for: caller { $0.groups = .proven([12, 11]) }) == .yes)
        #expect(other.truth(for: caller { $0.groups = .proven([12]) }) == .no)
        #expect(other.truth(for: caller { $0.groups = .absent }) == .no)
        #expect(other.truth(for: caller()) == .unknown)
    }

    @Test func allConditionsHaveToHold() throws {
        let selector = Selector(users: principals(1), units: [try PolicyPattern("a.service")])
        #expect(selector.truth(for: caller { $0.unit = .proven("a.service") }) == .yes)
        #expect(selector.truth(for: caller { $0.unit = .proven("b.service") }) == .no)
        #expect(selector.truth(for: caller()) == .unknown)
        // What surely does not hold counts more than what is not known.
        #expect(selector.truth(for: Caller(uid: 2, gid: 10)) == .no)
        #expect(selector.worst(for: Caller(uid: 2, gid: 10)).condition == .user)
        #expect(selector.worst(for: caller()).condition == .unit)
    }

    @Test func anyoneIsEverybody() {
        #expect(Selector.anyone.truth(for: caller()) == .yes)
        #expect([Selector]().truth(for: caller()) == .no)
    }

    @Test func aProgramIsItsPathAndWhatIsInIt() throws {
        let digest = [UInt8](repeating: 7, count: 32)
        let selector = Selector(executables: [try PolicyPattern("/bin/a")], digests: [digest])
        func truth(_ path: String, _ known: Evidence<[UInt8]>) -> Truth {
            selector.truth(for: caller { $0.executable = .proven(.init(path: path, digest: known)) })
        }
        #expect(truth("/bin/a", .proven(digest)) == .yes)
        #expect(truth("/bin/a", .proven([])) == .no)
        #expect(truth("/bin/a", .unproven) == .unknown)
        #expect(truth("/bin/b", .proven(digest)) == .no)
        // The kernel says so of a file that was removed or replaced.
        #expect(truth("/bin/a (deleted)", .proven(digest)) == .no)
        #expect(selector.truth(for: caller()) == .unknown)
        let policy = Policy(allow: [PolicyRule(name: "r", who: [selector], verbs: .health)])
        #expect(policy.needsDigest(ofPath: "/bin/a"))
        #expect(!policy.needsDigest(ofPath: "/bin/b"))
    }

    @Test func aDescriptionCoversNarrowerOnes() throws {
        let wide = Selector(users: principals(1, 2))
        #expect(Selector.anyone.covers(wide))
        #expect(!wide.covers(.anyone))
        #expect(wide.covers(Selector(users: principals(2), units: [try PolicyPattern("a.service")])))
        #expect(!wide.covers(Selector(users: principals(2, 3))))
        #expect(!Selector(users: principals(1), groups: principals(1)).covers(Selector(users: principals(1))))
        #expect(Selector(cgroups: ["/a"]).covers(Selector(cgroups: ["/a/b", "/a"])))
        #expect(!Selector(cgroups: ["/a/b"]).covers(Selector(cgroups: ["/a"])))
    }

    @Test func onlyWhatRulesAskAboutIsLookedUp() throws {
        func evidence(_ selector: Selector, _ keys: [(String, String)] = [("a", "b")]) throws -> EvidenceKinds {
            Policy(allow: [try PolicyRule("r", who: [selector], .get, keys)]).evidence
        }
        #expect(try evidence(.user(1)) == [])
        #expect(try evidence(Selector(groups: principals(1))) == .groups)
        #expect(try evidence(Selector(units: [.any])) == .cgroup)
        #expect(try evidence(Selector(cgroups: ["/"])) == .cgroup)
        #expect(try evidence(Selector(executables: [.any])) == .executable)
        #expect(try evidence(Selector(executables: [.any], digests: [[]])) == [.executable, .digest])
        #expect(try evidence(.user(1), [("${caller.user}", "*")]) == .userName)
        #expect(try evidence(.user(1), [("a", "${caller.instance}")]) == .cgroup)
        #expect(try evidence(.user(1), [("${caller.uid}", "*")]) == [])
    }
}
