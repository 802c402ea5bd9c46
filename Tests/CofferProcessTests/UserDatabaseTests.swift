import CofferProcess
import Testing

/// Every host has root.
@Suite struct UserDatabaseTests {
    @Test func aUserIsFoundByNameAndByNumber() throws {
        let root = try #require(try UserDatabase.user(named: "root"))
        #expect((root.name, root.uid, root.gid) == ("root", 0, 0))
        #expect(try UserDatabase.user(uid: 0) == root)
        #expect(try UserDatabase.gid(ofGroup: "root") == 0)
        #expect(UserDatabase.groups(of: root).contains(0))
    }

    @Test func aNameThatIsNotThereIsNil() throws {
        for name in ["", "no-such-user", "root\0", "root\0x", "root:x", "root\n", "0", "ROOT", String(repeating: "a", count: 100_000)] {
            #expect(try UserDatabase.user(named: name) == nil, "\(name.prefix(20))")
            #expect(try UserDatabase.gid(ofGroup: name) == nil, "\(name.prefix(20))")
        }
        #expect(try UserDatabase.user(uid: 4_000_000_017) == nil)
    }
}
