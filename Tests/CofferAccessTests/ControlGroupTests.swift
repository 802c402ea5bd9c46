import CofferAccess
import Testing

@Suite struct ControlGroupTests {
    @Test(arguments: [
        ("0::/system.slice/a.service\n", "/system.slice/a.service"),
        ("0::/\n", "/"),
        ("0::/a:b\n", "/a:b"),
        ("12:pids:/x\n1:name=systemd:/s\n0::/u\n", "/s"),
        ("12:pids:/x\n0::/u", "/u"),
        ("0::/x (deleted)\n", nil),
        ("0::/../x\n", nil),
        ("0::/..\n", nil),
        ("0::/...\n", "/..."),
        ("12:pids:/x\n", nil),
        ("0::x\n", nil),
        ("0:/x\n", nil),
        ("", nil),
        // What is no line break to the kernel is none here.
        ("0::/a\r\n", "/a\r"),
    ] as [(String, String?)])
    func thePathIsThatOfTheServiceManager(file: String, path: String?) {
        #expect(ControlGroup.path(inFile: file) == path)
    }

    @Test(arguments: [
        ("/system.slice/a.service", "a.service"),
        ("/system.slice/system-b.slice/b@x.service", "b@x.service"),
        ("/system.slice/a.service/b.service", "a.service"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", "user@1000.service"),
        ("/user.slice/user-1000.slice/session-1.scope", "session-1.scope"),
        ("/init.scope", "init.scope"),
        ("/system.slice/_cpu.service", "cpu.service"),
        ("/system.slice/__a.service", "_a.service"),
        ("/docker/0123", nil),
        ("/a.service.d/b.service", nil),
        ("/.service", nil),
        ("/system.slice", nil),
        ("/", nil),
        ("", nil),
        // A user's manager names this group: the accent does not join it to the slash.
        ("/user.slice/user@1000.service/\u{301}a.service", "user@1000.service"),
        ("/user.slice/\u{301}user@1000.service/a.service", "\u{301}user@1000.service"),
    ] as [(String, String?)])
    func theUnitIsTheFirstPartThatIsNoSlice(path: String, unit: String?) {
        #expect(ControlGroup.unit(ofPath: path) == unit)
    }

    @Test(arguments: [
        ("a@b.service", "b"), ("a@b@c.service", "b@c"), ("a@b.c.service", "b.c"), ("a@.service", nil), ("a.service", nil),
        ("a.b@c", nil), ("@b.service", "b"), ("", nil),
    ] as [(String, String?)])
    func theInstanceStandsBehindTheSign(unit: String, instance: String?) {
        #expect(ControlGroup.instance(ofUnit: unit) == instance)
    }

    @Test(arguments: [
        ("/a", "/a", true), ("/a", "/a/b", true), ("/a", "/ab", false), ("/a", "/", false), ("/", "/a", true), ("/", "/", true),
        ("/a/b", "/a", false), ("/a", "/a\u{301}", false), ("/a", "/a/\u{301}", true),
    ])
    func aGroupHasWhatLiesBelow(group: String, path: String, isInside: Bool) {
        #expect(ControlGroup.contains(group, path) == isInside)
    }
}
