import CofferAccess
import CofferPolicy
import CofferPolicyProbe
import Testing

/// The caller that `coffer policy test` asks for.
@Suite struct CallerDescriptionTests {
    private func caller(_ user: String, _ host: HostNames = .ofSystem(), _ set: (inout CallerDescription) -> Void = { _ in }) throws -> Caller {
        var description = CallerDescription(user: user)
        set(&description)
        return try description.caller(host)
    }

    private func mistake(_ user: String = "root", _ host: HostNames = .ofSystem(), _ set: (inout CallerDescription) -> Void = { _ in }) -> String? {
        do {
            _ = try caller(user, host, set)
            return nil
        } catch {
            return "\(error)"
        }
    }

    // MARK: Users and groups

    @Test func aUserHasTheGroupsOfTheDatabase() throws {
        for name in ["root", "0"] {
            let root = try caller(name)
            #expect((root.uid, root.gid) == (0, 0))
            #expect(root.userName == .proven("root"))
            #expect(root.groups.value?.contains(0) == true)
            #expect((root.unit, root.cgroup, root.executable) == (.unproven, .unproven, .unproven))
        }
    }

    @Test func aNumberWithoutAnEntryIsAUserWithoutAName() throws {
        let nobody = try caller("4000000017") { $0.groups = ["5", "root"] }
        #expect((nobody.uid, nobody.gid) == (4_000_000_017, .max))
        #expect(nobody.userName == .absent)
        #expect(nobody.groups == .proven([5, 0]))
    }

    @Test func aNameThatIsNotThereIsAMistakeUnlessThePolicyIsForAnotherHost() throws {
        let advice = "on this host; give a number, or --other-host for a policy of another host"
        #expect(mistake("no-such-user") == "--as: there is no user no-such-user \(advice)")
        #expect(mistake { $0.groups = ["root", "no-such-group"] } == "--group: there is no group no-such-group \(advice)")
        #expect(mistake("root\0")?.hasPrefix("--as: there is no user (a name of 5 bytes)") == true)
        #expect(mistake("") == "--as: expected a name or a number, got nothing")
        #expect(mistake("4294967295") == "--as: expected a name or a number from 0 to 4294967294")
        #expect(mistake { $0.groups = ["99999999999"] } == "--group: expected a name or a number from 0 to 4294967294")
        let host = HostNames.ofAnotherHost()
        let ann = try caller("no-such-user", host) { $0.groups = ["no-such-group"] }
        #expect(ann.userName == .proven("no-such-user"))
        let text = "allow: [{name: a, who: {user: no-such-user, group: no-such-group}, verbs: health}, {name: b, who: {user: another}, verbs: stats}]"
        let policy = try PolicyFile.read(text, host)
        #expect(PolicyAnswer(.init(.health), by: ann, policy).isAllowed)
        #expect(!PolicyAnswer(.init(.stats), by: ann, policy).isAllowed)
        #expect(try caller("root", host).uid == 0)
        #expect(mistake("a:b", host) != nil)
    }

    // MARK: Where it runs

    @Test func aControlGroupSaysItsUnit() throws {
        #expect(try caller("root") { $0.unit = "mail.service" }.unit == .proven("mail.service"))
        let mail = try caller("root") { $0.cgroup = "/system.slice/mail.service/worker" }
        #expect((mail.unit, mail.cgroup) == (.proven("mail.service"), .proven("/system.slice/mail.service/worker")))
        #expect(try caller("root") { $0.cgroup = "/containers/c1" }.unit == .absent)
        #expect(try caller("root") { ($0.unit, $0.cgroup) = ("a.service", "/a.service") }.unit == .proven("a.service"))
        #expect(mistake { ($0.unit, $0.cgroup) = ("b.service", "/a.service") } == "--unit: --cgroup is in the unit a.service; leave one of the two out")
        #expect(mistake { ($0.unit, $0.cgroup) = ("b.service", "/c") } == "--unit: --cgroup is in no unit; leave one of the two out")
        for unit in ["", "mail", ".service", "mail.services"] {
            #expect(mistake { $0.unit = unit } == "--unit: expected the whole name of a unit, such as mail.service")
        }
        for path in ["", "a", "/a/", "/a//b", "/../b", "/a\n"] {
            #expect(mistake { $0.cgroup = path }?.hasPrefix("--cgroup: expected a path from the root") == true, "\(path)")
        }
    }

    @Test func aProgramHasItsDigestIfThatIsGiven() throws {
        let digest = String(repeating: "0a", count: 32)
        #expect(try caller("root") { $0.executable = "/bin/x" }.executable == .proven(.init(path: "/bin/x")))
        let whole = try caller("root") { ($0.executable, $0.sha256) = ("/bin/x", digest) }
        #expect(whole.executable == .proven(.init(path: "/bin/x", digest: .proven([UInt8](repeating: 10, count: 32)))))
        #expect(mistake { $0.executable = "x" } == "--executable: expected a path from the root, such as /usr/bin/mail-sync")
        #expect(mistake { $0.sha256 = digest } == "--sha256: expected --executable beside it, the path of the program")
        for wrong in ["", "0a", digest.uppercased(), digest + "0a"] {
            #expect(mistake { ($0.executable, $0.sha256) = ("/bin/x", wrong) } == "--sha256: expected 64 lower-case hexadecimal digits, as sha256sum prints them")
        }
    }
}
