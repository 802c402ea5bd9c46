import CofferCore
import CofferVaultKit
import Testing

@testable import CofferGoogle

@Suite struct GoogleNamesTests {
    private let names: Base32Names

    init() throws { names = try Base32Names(prefix: "ai2-connectors", rules: GoogleVault.nameRules, vault: "cloud") }

    /// Exact names: other programs and older daemons find records by them.
    @Test(arguments: [
        ("user123", "conn456", "ai2-connectors-ovzwk4rrgizq-mnxw43rugu3a"),
        ("a", "b", "ai2-connectors-me-mi"),
        ("ann@example.com", "gmail", "ai2-connectors-mfxg4qdfpbqw24dmmuxgg33n-m5wwc2lm"),
        ("auth0|5f7c", "my mail account", "ai2-connectors-mf2xi2bqpq2wmn3d-nv4sa3lbnfwcayldmnxxk3tu"),
        ("ü", "李雷", "ai2-connectors-yo6a-42oy52m3w4"),
        ("USER", "user", "ai2-connectors-kvjukuq-ovzwk4q"),
    ])
    func namesAreThese(user: String, connection: String, name: String) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.name(of: key) == name)
        #expect(names.key(of: name) { nil } == key)
        #expect(names.starts(of: user).contains { name.hasPrefix($0) })
    }

    /// SHA-256 of each id in base32, by Python's hashlib and base64.
    @Test func longIdsAreHashed() throws {
        let key = try RecordKey(user: String(repeating: "u", count: 256), connection: "c")
        let name = names.name(of: key)
        #expect(
            name == "ai2-connectors-h-53vaxge5w2uuicbz6232vtth3xktxr3t23ccxakajjekzmlcmmdq-fz6sya5jkb5oezpm6w2tk2efuuzzhiqctusbhfezojs2dis257da")
        #expect(names.key(of: name) { nil } == nil)
        #expect(names.key(of: name) { key } == key)
        #expect(names.key(of: name) { try? RecordKey(user: "another", connection: "c") } == nil)
        #expect(names.starts(of: key.user).contains { name.hasPrefix($0) })
    }

    @Test func theLongestIdsMakeALegalName() throws {
        let id = String(repeating: "x", count: 256)
        for prefix in ["p", String(repeating: "p", count: GoogleVault.nameRules.longestPrefix)] {
            let names = try Base32Names(prefix: prefix, rules: GoogleVault.nameRules, vault: "cloud")
            for (user, connection) in [(id, id), (id, "c"), ("u", id)] {
                #expect(Self.isLegal(names.name(of: try RecordKey(user: user, connection: connection))))
            }
        }
    }

    @Test(arguments: [
        "ai2-connectors", "ai2-connectors-", "ai2-connectors-me", "ai2-connectors-me-", "ai2-connectors--me",
        "ai2-connectors-me-mi-mi", "ai2-connectors-ME-mi", "ai2-connectors-m1-mi", "ai2-connectors-mf-mi", "ai2-connectors-m-mi",
        "ai2-connectors-check", "other-me-mi", "ai2-connectors-aa-mi", "ai2-connectors-74-mi",
    ])
    func foreignNamesAreNoRecords(name: String) {
        #expect(names.key(of: name) { nil } == nil)
    }

    @Test(arguments: ["", "a/b", "a.b", "a b", "ü", "a-h", String(repeating: "p", count: 101)])
    func prefixesThatCannotBeginANameAreRefused(prefix: String) {
        #expect(throws: Failure.self) { try Base32Names(prefix: prefix, rules: GoogleVault.nameRules, vault: "cloud") }
    }

    private static func isLegal(_ name: String) -> Bool {
        (1...255).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    private static let pieces: [String] = [
        "a", "b", "A", "1", "2", "7", "-", "_", "h", "-h-", "/", ".", "..", "@", "|", ":", " ", "=", "%", "ü", "李", "🗝", "u\u{308}",
        "me", "ovzwk4rrgizq", "auth0|", "@example.com", String(repeating: "x", count: 75),
    ]

    private static func id(_ random: inout some RandomNumberGenerator) -> String {
        var id = ""
        repeat { id += pieces.randomElement(using: &random) ?? "a" } while Bool.random(using: &random) && id.utf8.count < 180
        return id
    }

    /// Random pairs: every name is legal, and is read back as the record's, so it is no other's. Names of long
    /// ids are not read back, and compared with each other.
    @Test(.timeLimit(.minutes(5)), arguments: 0..<4 as Range<UInt64>) func distinctPairsHaveDistinctNames(seed: UInt64) async throws {
        var random = SplitMix(seed: seed)
        var hashed: [String: RecordKey] = [:]
        for pair in 0..<5_000 {
            // The other tests share the threads.
            if pair % 256 == 0 { await Task.yield() }
            let key = try RecordKey(user: Self.id(&random), connection: Self.id(&random))
            let name = names.name(of: key)
            var other: RecordKey?
            if name.hasPrefix("ai2-connectors-h-") {
                other = hashed.updateValue(key, forKey: name) ?? key
            } else {
                other = names.key(of: name) { nil }
            }
            guard Self.isLegal(name), other == key, pair % 16 != 0 || names.starts(of: key.user).contains(where: name.hasPrefix)
            else {
                Issue.record("\(key) has the name \(name)")
                return
            }
        }
        #expect(hashed.count > 5, "too few long ids: \(hashed.count)")
    }

    private struct SplitMix: RandomNumberGenerator {
        private var state: UInt64
        init(seed: UInt64) { state = seed }

        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var word = state
            word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
            return word ^ word >> 31
        }
    }
}
