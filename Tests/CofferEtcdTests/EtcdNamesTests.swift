import CofferCore
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferEtcd

@Suite struct EtcdNamesTests {
    private let names = EtcdNames(prefix: "ai2-connectors")

    @Test(arguments: [
        ("user123", "conn456", "ai2-connectors/user123/conn456"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "a_b.c", "ai2-connectors/0f8fad5b-d9cb-469f-a165-70867728950e/a_b.c"),
        ("ann@example.com", "auth0|5f7c", "ai2-connectors/ann@example.com/auth0|5f7c"),
        ("a/b", "c=d", "ai2-connectors/a=2Fb/c=3Dd"), ("ü", "a b", "ai2-connectors/=C3=BC/a=20b"),
        (".", "..", "ai2-connectors/./.."),
    ])
    func namesOfRecords(user: String, connection: String, name: String) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.name(of: key) == name)
        #expect(names.key(of: Array(name.utf8)) == key)
        #expect(names.name(of: key).hasPrefix(names.folder(of: user)))
    }

    /// A million pairs of ids: each name is legal, leads back to its ids, and belongs to no other pair.
    @Test(.timeLimit(.minutes(5))) func aMillionPairsHaveNamesOfTheirOwn() throws {
        var generator = SystemRandomNumberGenerator()
        let characters = "aA0.-_=/%~ @|:\u{e9}\u{301}\"\\?#&+;☃2EF".unicodeScalars.map { Array(String($0).utf8) }
        func id() -> String {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes += characters[Int.random(in: 0..<characters.count, using: &generator)]
            }
            return String(decoding: bytes, as: UTF8.self)
        }
        var owners: [String: RecordKey] = [:]
        owners.reserveCapacity(1_000_000)
        var violations = 0
        for _ in 0..<1_000_000 {
            let key = try RecordKey(user: id(), connection: id())
            let name = names.name(of: key)
            let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            let isLegal = parts.count == 3 && name.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            let isPlain = (key.user + key.connection).utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
                default: false
                }
            }
            let isExact = !isPlain || name == "ai2-connectors/\(key.user)/\(key.connection)"
            let isOwn = owners.updateValue(key, forKey: name).map { $0 == key } ?? true
            if !isLegal || !isExact || !isOwn || names.key(of: Array(name.utf8)) != key { violations += 1 }
        }
        #expect(violations == 0)
        #expect(owners.count > 500_000)
    }

    /// Names that others made are not taken for ours.
    @Test(arguments: [
        "", "ai2-connectors", "ai2-connectors/", "ai2-connectors/a", "ai2-connectors/a/", "ai2-connectors//b",
        "ai2-connectors/a/b/c", "ai2-connectors/a/b c", "ai2-connectors/a/=41", "ai2-connectors/a/=2f", "ai2-connectors/a/=0",
        "ai2-connectors/a/=FF", "ai2-connectors/a/ü", "ai2-connectors/a/=00", "ai2-connectors2/a/b", "other/a/b",
    ])
    func namesOfOthersAreNone(name: String) {
        #expect(names.key(of: Array(name.utf8)) == nil)
    }

    @Test func bytesThatAreNoTextAreNoName() {
        #expect(names.key(of: Array("ai2-connectors/a/".utf8) + [0xFF]) == nil)
    }

    /// The range of a folder has all names that begin with it, and no others.
    @Test func aFolderEndsBehindItsNames() throws {
        let (folder, end) = (names.folder(of: "u"), EtcdNames.end(of: names.folder(of: "u")))
        #expect(folder == "ai2-connectors/u/" && end == "ai2-connectors/u0")
        for connection in ["!", "a", "~", "\u{10FFFF}"] {
            let name = names.name(of: try RecordKey(user: "u", connection: connection))
            #expect(folder < name && name < end)
        }
        for user in ["t", "u-", "u.", "u0", "v"] {
            let name = names.name(of: try RecordKey(user: user, connection: "c"))
            #expect(!(folder <= name && name < end), "\(user)")
        }
    }
}
