import CofferCore
import Testing

@testable import CofferPostgres

@Suite struct PostgresNamesTests {
    private let names = PostgresNames(prefix: "ai2-connectors")

    @Test(arguments: [
        ("user123", "conn456", "ai2-connectors/user123/conn456"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "a_b.c", "ai2-connectors/0f8fad5b-d9cb-469f-a165-70867728950e/a_b.c"),
        ("ann@example.com", "auth0|5f7c", "ai2-connectors/ann@example.com/auth0|5f7c"),
        ("a/b", "c=d", "ai2-connectors/a=2Fb/c=3Dd"), ("ü", "a b", "ai2-connectors/=C3=BC/a=20b"),
        (".", "..", "ai2-connectors/./.."), ("%", "'", "ai2-connectors/=25/=27"),
    ])
    func namesOfRecords(user: String, connection: String, name: String) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.record(key) == name)
        #expect(names.key(of: name) == key)
    }

    @Test(arguments: [
        "", "ai2-connectors", "ai2-connectors/", "ai2-connectors/u", "ai2-connectors/u/", "ai2-connectors//c",
        "ai2-connectors/u/c/d", "ai2-connectors/u/=", "ai2-connectors/u/=2", "ai2-connectors/u/=2f", "ai2-connectors/u/=61",
        "ai2-connectors/u/a b", "ai2-connectors/u/=FF", "ai2-connectors/u/=00", "other/u/c", "ai2-connectorsx/u/c",
    ])
    func namesOfNobody(name: String) { #expect(names.key(of: name) == nil) }

    /// Random pairs of ids: no two share a name; each name is ASCII within the limit of the table and, as far as
    /// it is looked at, leads back to its pair; and ids of letters and digits stand in it as the guide writes them.
    @Test(.timeLimit(.minutes(5))) func randomPairsShareNoName() throws {
        var generator = SystemRandomNumberGenerator()
        let ids = Self.randomIDs(count: 4_096, using: &generator)
        var owners: [String: Int] = [:]
        owners.reserveCapacity(20_000)
        for round in 0..<20_000 {
            let pair = Int.random(in: 0..<1 << 24, using: &generator)
            let key = RecordKey(checkedUser: ids[pair >> 12], connection: ids[pair & 4_095])
            let name = names.record(key)
            guard owners.updateValue(pair, forKey: name) ?? pair == pair, name.utf8.count <= PostgresNames.maximumBytes else {
                return _ = Issue.record("another pair than \(key) has the name \(name), or it is too long")
            }
            guard round % 16 == 0 else { continue }
            #expect(names.key(of: name) == key && name.utf8.allSatisfy { (0x21...0x7E).contains($0) })
            if key.user.utf8.allSatisfy(\.isPlain), key.connection.utf8.allSatisfy(\.isPlain) {
                #expect(name == "ai2-connectors/\(key.user)/\(key.connection)")
            }
        }
        #expect(owners.count > 19_000)
    }

    /// Ids that differ by their bytes, among them texts that Unicode holds for equal and what looks escaped.
    private static func randomIDs(count: Int, using generator: inout SystemRandomNumberGenerator) -> [String] {
        let characters = Array("aA0.-_=/%~ @|:+\u{e9}\u{301}\"\\?#&';☃2EF")
        var ids = [String(repeating: "/", count: 256), String(repeating: "a", count: 256)]
        var known = Set(ids.map { Array($0.utf8) })
        while ids.count < count {
            let length = Int.random(in: 1...(ids.count % 4 == 0 ? 12 : 4), using: &generator)
            let id = String((0..<length).map { _ in characters.randomElement(using: &generator) ?? "a" })
            if known.insert(Array(id.utf8)).inserted { ids.append(id) }
        }
        return ids
    }

    /// Prefixes with slashes share no name with others, whatever the ids are.
    @Test func prefixesShareNoName() throws {
        let others = ["a", "a/b", "a/b/c", "b"].map { PostgresNames(prefix: $0) }
        let ids = ["a", "b", "c", "a/b", "b/c", "/"]
        var owners: Set<String> = []
        for names in others {
            for user in ids {
                for connection in ids {
                    let key = try RecordKey(user: user, connection: connection)
                    #expect(owners.insert(names.record(key)).inserted)
                    let readers = others.filter { $0.key(of: names.record(key)) != nil }
                    #expect(readers.map(\.folder) == [names.folder])
                }
            }
        }
    }

    /// All names of a user lie between the two bounds of a listing, and nobody else's.
    @Test func boundsOfListings() throws {
        let start = names.user("u")
        let end = PostgresNames.end(of: start)
        for (user, isInside) in [("u", true), ("u1", false), ("u0", false), ("u/", false), ("t", false), ("v", false)] {
            for connection in ["a", "~", "/", "\u{10FFFF}"] {
                let name = names.record(try RecordKey(user: user, connection: connection))
                let bytes = Array(name.utf8)
                let isBetween = Array(start.utf8).lexicographicallyPrecedes(bytes) && bytes.lexicographicallyPrecedes(Array(end.utf8))
                #expect(isBetween == isInside, "\(name)")
            }
        }
    }

    @Test func cursorsBelongToTheirListing() throws {
        let start = names.user("u")
        let bytes = PostgresCursor(name: start + "c").bytes(listing: start)
        #expect(try PostgresCursor(bytes, listing: start).name == start + "c")
        #expect(try PostgresCursor(nil, listing: start).name == start)
        let foreign = PostgresCursor(name: names.user("v") + "c").bytes(listing: start)
        for wrong in [[], [0], Array(bytes.dropFirst()), foreign, bytes + [0], bytes + [0xff]] as [[UInt8]] {
            #expect(throws: Failure.self) { try PostgresCursor(wrong, listing: start) }
        }
        #expect(throws: Failure.self) { try PostgresCursor(bytes, listing: names.folder) }
    }
}

extension UInt8 {
    fileprivate var isPlain: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
