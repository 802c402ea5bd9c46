import CofferCore
import CofferVaultKit
import Foundation
import Testing

@testable import CofferCloudflare

@Suite struct CloudflareNamesTests {
    private let names = CloudflareKVNames(prefix: "connectors")
    private let secrets = CloudflareSecretNames(prefix: "c")

    // MARK: Workers KV

    @Test(arguments: [
        ("user123", "conn456", "connectors:user123:conn456"),
        ("ann@example.com", "my mail account", "connectors:ann@example.com:my mail account"),
        ("auth0|5f7c8ec7c33c6c004bbafe82", "a=b", "connectors:auth0|5f7c8ec7c33c6c004bbafe82:a=b"),
        ("Anna Müller", "kalender für büro", "connectors:Anna Müller:kalender für büro"),
        ("李雷", "a/b", "connectors:李雷:a/b"), ("u", "50%", "connectors:u:50%"), ("u", "100%2f", "connectors:u:100%2f"),
        // What could not be told apart, or does not show.
        ("user:12", "slack:T024BE7LD", "connectors:user%3A12:slack%3AT024BE7LD"),
        ("a%3Ab", "c", "connectors:a%253Ab:c"), ("a%%3A", "%:", "connectors:a%%253A:%%3A"),
        ("a\u{a0}b", "\u{feff}", "connectors:a%C2%A0b:%EF%BB%BF"),
    ])
    func givesKeys(_ user: String, _ connection: String, _ name: String) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.name(of: key).hasSameBytes(as: name))
        #expect(names.key(ofName: name) == key)
    }

    @Test(arguments: [
        "other:u:c", "connectors:u", "connectors:u:c:d", "connectors::c", "connectors:u:", "connectors:coffer.check",
        // Other spellings of names that are ours, and bytes that are no text.
        "connectors:%75:c", "connectors:a%25b:c", "connectors:%FF:c", "connectorsx:u:c",
    ])
    func knowsForeignKeys(_ name: String) { #expect(names.key(ofName: name) == nil) }

    // MARK: Secrets Store

    @Test func givesNamesOfSecrets() throws {
        #expect(secrets.name(of: try RecordKey(user: "user123", connection: "conn456")) == "c-ovzwk4rrgizq-mnxw43rugu3a")
        let long = try RecordKey(user: "u", connection: String(repeating: "x", count: 39))
        #expect(secrets.name(of: long).hasPrefix("c-ou-0") && secrets.name(of: long).utf8.count == 5 + 53)
        let longest = try RecordKey(user: String(repeating: "ü", count: 19), connection: String(repeating: "x", count: 38))
        #expect(secrets.name(of: longest).utf8.count == 125)
    }

    @Test(arguments: [
        ("", ""), ("f", "my"), ("fo", "mzxq"), ("foo", "mzxw6"), ("foob", "mzxw6yq"), ("fooba", "mzxw6ytb"),
        ("foobar", "mzxw6ytboi"),
    ])
    func isBase32OfTheStandard(_ text: String, _ encoded: String) {
        #expect(Base32.text(text.utf8) == encoded)
    }

    // MARK: Both

    /// Ids that are often almost the same, and sometimes long.
    struct IDs {
        static let pieces: [[UInt8]] = [
            "a", "b", "A", "0", ":", "%", "3", "A", "25", "3A", "%3A", "%25", "=", "/", ".", "..", " ", "-", "_", "|", "@", "ü",
            "u\u{308}", "\u{a0}", "\u{2028}", "李", "+", "#", "?", "&", "\\", "\"",
        ].map { Array($0.utf8) }
        /// A small generator (xorshift64*): many draws of the system's take too long in a debug build.
        var state: UInt64

        mutating func draw(_ bound: Int) -> Int {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % bound
        }

        mutating func id() -> String {
            var id: [UInt8] = []
            for _ in 0...draw(4) { id += Self.pieces[draw(Self.pieces.count)] }
            if draw(32) == 0 { id += [UInt8](repeating: 0x78, count: 30 + draw(60)) }
            return String(decoding: id, as: UTF8.self)
        }
    }

    /// Random pairs of ids: every name is legal and comes back as its ids; so distinct pairs have distinct
    /// names. Pairs without a colon, a percent sign and what does not show have the TypeScript code's.
    @Test(.timeLimit(.minutes(5))) func randomKeysAreLegalAndInjective() async {
        let mistake = await Self.onThread { [names] in
            var ids = IDs(state: UInt64.random(in: 1...UInt64.max))
            let start = ids.state
            for _ in 0..<20_000 {
                let key = RecordKey(checkedUser: ids.id(), connection: ids.id())
                let name = names.name(of: key)
                let asTheyAre = "connectors:\(key.user):\(key.connection)"
                // Of all pieces the two that do not show are the only ones that begin so.
                let isShown = !asTheyAre.utf8.contains { $0 == 0xC2 || $0 == 0xE2 }
                let isPlain = isShown && !asTheyAre.utf8.contains(UInt8(ascii: "%")) && asTheyAre.utf8.count { $0 == 0x3A } == 2
                let isLegal = !name.utf8.contains { $0 < 0x20 || $0 == 0x7F || $0 == 0xC2 || $0 == 0xE2 }
                guard names.key(ofName: name) == key, isLegal, !isPlain || name.hasSameBytes(as: asTheyAre),
                    name.utf8.starts(with: names.userPrefix(key.user).utf8)
                else {
                    return "seed \(start): \(key.user) and \(key.connection) make \(name)"
                }
            }
            return nil
        }
        #expect(mistake == nil)
    }

    /// Random pairs of ids: legal names, and none that two pairs share, whatever the case.
    @Test(.timeLimit(.minutes(5))) func randomNamesOfSecretsAreLegalAndDistinct() async {
        let mistake = await Self.onThread { [secrets] in
            var ids = IDs(state: UInt64.random(in: 1...UInt64.max))
            let start = ids.state
            var seen: [String: RecordKey] = [:]
            seen.reserveCapacity(20_000)
            for _ in 0..<20_000 {
                let key = RecordKey(checkedUser: ids.id(), connection: ids.id())
                let name = secrets.name(of: key)
                let isLegal = name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
                guard isLegal, name.utf8.count <= 127, seen.updateValue(key, forKey: name) ?? key == key else {
                    return "seed \(start): \(key.user) and \(key.connection) make \(name)"
                }
            }
            return nil
        }
        #expect(mistake == nil)
    }

    /// On a thread of its own: it would keep other tests from the few that they share.
    private static func onThread(_ body: @escaping @Sendable () -> String?) async -> String? {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: body()) }
        }
    }

    @Test(arguments: ["", "a.b", "a/b", "a:b", "ü", String(repeating: "a", count: 33)])
    func refusesPrefixesOfSecrets(_ prefix: String) { #expect(CloudflareSecretNames.mistake(inPrefix: prefix) != nil) }
}
