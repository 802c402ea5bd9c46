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

    /// Random pairs of ids: each name is legal, plain ids are in it as they are, and it leads back to its ids, so
    /// no two pairs share one.
    @Test(.timeLimit(.minutes(5))) func randomPairsHaveNamesOfTheirOwn() async {
        var generator = SystemRandomNumberGenerator()
        var violations = 0
        for _ in 0..<40 {
            violations += violationsInPairs(500, &generator)
            // Other tests of the process have time limits.
            await Task.yield()
        }
        #expect(violations == 0)
    }

    private static let characters = "aA0.-_=/%~ @|:\u{e9}\u{301}\"\\?#&+;☃2EF".unicodeScalars.map { Array(String($0).utf8) }

    private func violationsInPairs(_ count: Int, _ generator: inout SystemRandomNumberGenerator) -> Int {
        func id() -> String {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes += Self.characters[Int.random(in: 0..<Self.characters.count, using: &generator)]
            }
            return String(decoding: bytes, as: UTF8.self)
        }
        var violations = 0
        for _ in 0..<count {
            let key = RecordKey(checkedUser: id(), connection: id())
            let name = names.name(of: key)
            var slashes = 0
            var isLegal = true
            for byte in name.utf8 {
                if byte == UInt8(ascii: "/") { slashes += 1 }
                if byte < 0x21 || byte > 0x7E { isLegal = false }
            }
            let isPlain = key.user.utf8.allSatisfy(Self.isPlain) && key.connection.utf8.allSatisfy(Self.isPlain)
            let isExact = !isPlain || name == "ai2-connectors/\(key.user)/\(key.connection)"
            if slashes != 2 || !isLegal || !isExact || names.key(of: Array(name.utf8)) != key { violations += 1 }
        }
        return violations
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
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
