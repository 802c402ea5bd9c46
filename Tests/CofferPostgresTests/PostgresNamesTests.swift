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

    /// A million random pairs: each name leads back to its pair, so that no two pairs share one; it is ASCII within
    /// the limit of the table; and an id of letters and digits stands in it as the guide writes it.
    @Test(.timeLimit(.minutes(5))) func aMillionPairsShareNoName() throws {
        var generator = SystemRandomNumberGenerator()
        let characters = Array("aA0.-_=/%~ @|:+\u{e9}\u{301}\"\\?#&';☃2EF")
        func id(_ round: Int) -> String {
            if round % 10_000 == 0 { return String(repeating: "/", count: 256) }
            let count = Int.random(in: 1...(round % 4 == 0 ? 12 : 3), using: &generator)
            return String((0..<count).map { _ in characters.randomElement(using: &generator)! })
        }
        for round in 0..<1_000_000 {
            let key = RecordKey(checkedUser: id(round), connection: id(round + 1))
            let name = names.record(key)
            guard names.key(of: name) == key, name.utf8.count <= PostgresNames.maximumBytes,
                name.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
            else {
                Issue.record("\(key) has the name \(name)")
                return
            }
            guard key.user.utf8.allSatisfy({ $0 < 0x80 && $0.isPlain }), key.connection.utf8.allSatisfy(\.isPlain) else {
                continue
            }
            #expect(name == "ai2-connectors/\(key.user)/\(key.connection)")
        }
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
