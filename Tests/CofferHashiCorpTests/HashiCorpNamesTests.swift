import CofferCore
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferHashiCorp

@Suite struct HashiCorpNamesTests {
    private let names = HashiCorpNames(mount: "secret", prefix: "ai2-connectors")

    @Test(arguments: [
        ("user123", "conn456", "ai2-connectors/user123/conn456"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "a_b.c", "ai2-connectors/0f8fad5b-d9cb-469f-a165-70867728950e/a_b.c"),
        (".", "..", "ai2-connectors/=2E/=2E=2E"),
        ("a..b", ".a.", "ai2-connectors/a.=2Eb/=2Ea=2E"),
        ("a/b", "c=d", "ai2-connectors/a=2Fb/c=3Dd"),
        ("ü", "a b", "ai2-connectors/=C3=BC/a=20b"),
    ])
    func namesOfRecords(user: String, connection: String, path: String) throws {
        #expect(names.record(try RecordKey(user: user, connection: connection)) == path)
        #expect(names.path(.data, path) == "secret/data/" + path)
    }

    /// No two ids make the same part, every part leads back to its id, and none
    /// is changed by what servers do to paths.
    @Test func partsAreInjectiveAndStayAsTheyAre() throws {
        var generator = SystemRandomNumberGenerator()
        let characters = Array("aA0.-_=/%~ \u{e9}\u{301}\"\\?#&+:;☃2EF")
        var owners: [String: [UInt8]] = [:]
        for round in 0..<4000 {
            let count = Int.random(in: 1...(round < 1000 ? 3 : 8), using: &generator)
            let id = String((0..<count).map { _ in characters.randomElement(using: &generator)! })
            let part = HashiCorpNames.segment(id)
            #expect(HashiCorpNames.id(ofSegment: part).map { Array($0.utf8) } == Array(id.utf8))
            #expect(owners.updateValue(Array(id.utf8), forKey: part) ?? Array(id.utf8) == Array(id.utf8), "\(part)")
            let isPlain = part.utf8.allSatisfy { byte in
                byte != UInt8(ascii: "/") && byte != UInt8(ascii: "%") && (0x21...0x7E).contains(byte)
            }
            #expect(isPlain && !part.hasSuffix(".") && !part.contains("..") && !part.isEmpty, "\(part)")
            #expect(PercentEncoding.path(part.filter { $0 != "=" }) == part.filter { $0 != "=" })
        }
    }

    @Test(
        arguments: [
            ("ann@example.com", "mail", "ann%40example.com/mail"), ("auth0|5f7c", "c", "auth0%7C5f7c/c"),
            ("google-oauth2|1", "c", "google-oauth2%7C1/c"), ("user:12", "a b", "user%3A12/a%20b"),
            ("u", "\u{fc}", "u/%C3%BC"), ("a=b", "c", "a=b/c"), ("u", ".a", nil), ("u", "plain-1", nil),
            ("u", "a/b", nil),
            ("u", "a%2Fb", nil), ("u", "a?b", nil), ("u", "a#b", nil), ("u", "a\\b", nil), ("u", "a ", nil),
            ("u", "..", nil),
            ("u", "a:.", nil), ("u", "a:..b", nil), ("u", "a=2Fb", nil), ("a=2Fb", "x y", nil), ("x y", "a=20b", nil),
        ] as [(String, String, String?)])
    func literalNames(user: String, connection: String, path: String?) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.literalRecord(key) == path.map { "ai2-connectors/" + $0 })
    }

    /// Of all names of all records, escaped or literal, no two records share one; what a
    /// server makes of a literal one is the ids as they are; and listings lead back.
    @Test func noTwoRecordsShareAnyName() throws {
        var generator = SystemRandomNumberGenerator()
        let characters = Array("aA0.-_=/%~ @|:\u{e9}\u{301}\"\\?#&+;☃2EF")
        func id() -> String {
            let count = Int.random(in: 1...4, using: &generator)
            return String((0..<count).map { _ in characters.randomElement(using: &generator)! })
        }
        // By bytes: Swift takes two ways to write one character for the same.
        var owners: [[UInt8]: [[UInt8]]] = [:]
        for _ in 0..<20_000 {
            let key = try RecordKey(user: id(), connection: id())
            let owner = [Array(key.user.utf8), Array(key.connection.utf8)]
            for name in names.all(key) {
                // As the server sees it: percent-encoding is undone.
                let decoded = decode(name)
                #expect(owners.updateValue(owner, forKey: decoded) ?? owner == owner, "\(name)")
                let parts = decoded.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
                    .map { String(decoding: $0, as: UTF8.self) }
                #expect(parts.count == 3 && !parts.contains(".") && !parts.contains(".."))
                #expect(
                    parts.dropFirst().compactMap { HashiCorpNames.id(ofListed: $0).map { Array($0.utf8) } } == owner)
            }
        }
    }

    private func decode(_ path: String) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(path.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
            rest = rest.dropFirst(2)
        }
        return bytes
    }

    /// Names that others made are not taken for ours.
    @Test(arguments: ["", "a b", "a=2e", "a=41", "a.", "a..b", ".a", "=", "=0", "a=00", "=FF", "ü", "a/"])
    func namesOfOthersAreNone(part: String) {
        #expect(HashiCorpNames.id(ofSegment: part) == nil)
    }

    @Test func mountAndPrefixAreCleaned() throws {
        let options = try HashiCorpOptions(
            auth: .tokenFile("/t"), mount: "/team//kv/", prefix: "a b/", namespace: "/ns1/ns2/")
        #expect(options.mount == "team/kv" && options.prefix == "a b" && options.namespace == "ns1/ns2")
        #expect(
            HashiCorpNames(mount: options.mount, prefix: options.prefix).listing(of: nil)
                == "team/kv/metadata/a%20b/?list=true")
        #expect(try HashiCorpOptions(auth: .tokenFile("/t"), namespace: "").namespace == nil)
    }

    @Test(arguments: ["", "/", "..", "a/../b", "a.", "a..b", "a\nb", String(repeating: "a", count: 513)])
    func refusesWhatIsNoPath(text: String) {
        #expect(
            failure { () throws(Failure) in try HashiCorpOptions(auth: .tokenFile("/t"), mount: text) }?.code
                == .invalidArgument)
        #expect(
            failure { () throws(Failure) in try HashiCorpOptions(auth: .tokenFile("/t"), prefix: text) }?.code
                == .invalidArgument)
    }

    /// A vault that was restored elsewhere is the same; another folder in it is another vault.
    @Test func identityIsOfMountNamespaceAndPrefix() throws {
        func identity(_ mount: String, _ prefix: String, _ namespace: String?) throws -> [UInt8] {
            HashiCorpVault(
                name: "v\(mount)",
                options: try HashiCorpOptions(
                    auth: .tokenFile("/t"), mount: mount, prefix: prefix, namespace: namespace),
                transport: ScriptedTransport { _, _ in .absent }, isSecure: true,
                dependencies: HashiCorpDependencies { _, _ in Secret(text: "") }
            ).identity
        }
        let all = [
            try identity("a", "b", nil), try identity("a", "b", "c"), try identity("a", "c", "b"),
            try identity("a/b", "c", nil), try identity("a", "b/c", nil),
        ]
        #expect(Set(all).count == all.count && all.allSatisfy { $0.count == 16 })
        #expect(try identity("a", "b", "c") == identity("/a/", "b/", "c"))
    }
}
