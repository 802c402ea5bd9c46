import CofferCore
import CofferVaultKit
import Testing

@testable import CofferAWS

@Suite struct AWSNamesTests {
    private let names: AWSNames
    init() throws { names = try AWSNames(prefix: "ai2-connectors", vault: "cloud") }

    @Test(arguments: [
        ("user123", "conn456", "ai2-connectors/user123/conn456"),
        ("user:12", "a/b", "ai2-connectors/user=3A12/a=2Fb"),
        ("550e8400-e29b-41d4-a716-446655440000", "c", "ai2-connectors/550e8400-e29b-41d4-a716-446655440000/c"),
        // The end that the service forbids, in the connection and across the slash.
        ("u", "prod-abc123", "ai2-connectors/u/prod=2Dabc123"), ("u", "x-a=b", "ai2-connectors/u/x-a=3Db"),
        ("u", "x-=bcd", "ai2-connectors/u/x=2D=3Dbcd"),
        ("a-bc", "def", "ai2-connectors/a=2Dbc/def"),
        ("a-x-yz", "c", "ai2-connectors/a-x=2Dyz/c"), ("a-xxyz", "c", "ai2-connectors/a-xxyz/=63"),
        ("a-bc", ":", "ai2-connectors/a=2Dbc/=3A"), ("a-", "bcdef", "ai2-connectors/a-/=62cdef"),
    ])
    func gives(_ user: String, _ connection: String, _ name: String) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.name(of: key) == name)
        #expect(names.key(ofName: name) == key)
    }

    @Test(
        arguments: [
            ("u", "prod-abc123", "ai2-connectors/u/prod-abc123"), ("a-x-yz", "c", "ai2-connectors/a-x-yz/c"),
            ("a-bc", "def", "ai2-connectors/a-bc/def"), ("a=b", "c", "ai2-connectors/a=b/c"),
            ("user123", "conn456", nil), ("user:12", "prod-abc123", nil), ("u", "a/b", nil), ("u", "a=2Fb", nil),
            ("a=2Dbc", "def", nil), ("u", "prod=2Dabc123", nil),
        ] as [(String, String, String?)])
    func literalNames(_ user: String, _ connection: String, _ name: String?) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.literalName(of: key) == name)
        if let name { #expect(names.key(ofListed: name) == key && names.key(ofName: name) == nil) }
    }

    @Test(arguments: [
        "other/u/c", "ai2-connectors/u", "ai2-connectors/u/c/d", "ai2-connectors//c", "ai2-connectors/u/",
        "ai2-connectors/u/=63",
        "ai2-connectors/coffer.check", "ai2-connectors/u/a b", "ai2-connectors/u/=2f",
    ])
    func knowsForeignNames(_ name: String) { #expect(names.key(ofName: name) == nil) }

    /// No two records share a name, every name is one that the service takes, and
    /// a user's names are found by its beginning.
    @Test func isInjectiveAndAllowed() throws {
        let alphabet = Array("ab--c=:/-.@ü_")
        var random = SystemRandomNumberGenerator()
        func id() -> String {
            String((0..<Int.random(in: 1...9, using: &random)).map { _ in alphabet.randomElement(using: &random)! })
        }
        for prefix in ["ai2-connectors", "x", "a-b/c-def"] {
            let names = try AWSNames(prefix: prefix, vault: "cloud")
            var seen: [String: RecordKey] = [:]
            for _ in 0..<5_000 {
                let key = try RecordKey(user: id(), connection: id())
                let name = names.name(of: key)
                let isAllowed =
                    (name.utf8.count < 7 || name.utf8.suffix(7).first != UInt8(ascii: "-"))
                    && name.utf8.allSatisfy { $0.isASCIILetterOrDigit || "/_+=.@-".utf8.contains($0) }
                let isOurs = names.key(ofName: name) == key && name.hasPrefix(names.userPrefix(key.user))
                let literal = names.literalName(of: key)
                let isFound =
                    literal.map { name in
                        names.key(ofListed: name) == key && names.userPrefixes(key.user).contains(where: name.hasPrefix)
                    } ?? true
                for name in [name, literal ?? name] {
                    guard seen[name, default: key] == key, isAllowed, isOurs, isFound else {
                        Issue.record("\(key.user) and \(key.connection) make \(name)")
                        return
                    }
                    seen[name] = key
                }
            }
        }
    }

    @Test func plainIDsKeepTheirNames() throws {
        let alphabet = Array("abXY09")
        for _ in 0..<2_000 {
            let ids = (0..<2).map { _ in String((0..<Int.random(in: 1...8)).map { _ in alphabet.randomElement()! }) }
            #expect(
                try names.name(of: RecordKey(user: ids[0], connection: ids[1]))
                    == "ai2-connectors/\(ids[0])/\(ids[1])")
        }
    }

    @Test func knowsWhichNamesAreTooLong() throws {
        let fits = try RecordKey(
            user: String(repeating: "u", count: 256), connection: String(repeating: "c", count: 240))
        #expect(names.name(of: fits).utf8.count == AWSNames.maximumBytes && names.preferred(fits) != nil)
        let long = try RecordKey(user: String(repeating: ":", count: 200), connection: "c")
        #expect(names.name(of: long).utf8.count == 617 && names.preferred(long) == nil)
    }

    @Test(arguments: ["", "/a", "a/", "a b", "a:b", "x-yz", "ab-", String(repeating: "a", count: 129)])
    func refusesPrefixes(_ prefix: String) {
        #expect(throws: Failure.self) { try AWSNames(prefix: prefix, vault: "cloud") }
    }
}
