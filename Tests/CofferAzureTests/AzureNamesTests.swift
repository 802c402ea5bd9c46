import CofferCore
import CofferVaultKit
import Testing

@testable import CofferAzure

@Suite struct AzureNamesTests {
    private let names: Base32Names

    init() throws { names = try Base32Names(prefix: "c", rules: AzureVault.nameRules, vault: "cloud") }

    /// Exact names: other programs and older daemons find records by them. The first is the paper's own.
    @Test(arguments: [
        ("user123", "conn456", "c-ovzwk4rrgizq-mnxw43rugu3a"), ("a", "b", "c-me-mi"), ("USER", "user", "c-kvjukuq-ovzwk4q"),
        ("ü", "李雷", "c-yo6a-42oy52m3w4"),
    ])
    func namesAreThese(user: String, connection: String, name: String) throws {
        let key = try RecordKey(user: user, connection: connection)
        #expect(names.name(of: key) == name)
        #expect(names.key(of: name) { nil } == key)
    }

    /// Two UUIDs fit as they are; what is longer is two digests.
    @Test func twoUUIDsTellWhoseTheyAre() throws {
        let uuid = "6fa459ea-ee8a-3ca4-894e-db77e160355e"
        let key = try RecordKey(user: uuid, connection: uuid)
        #expect(names.name(of: key).utf8.count == 119 && names.key(of: names.name(of: key)) { nil } == key)
        let long = try RecordKey(user: String(repeating: "x", count: 256), connection: uuid)
        #expect(names.name(of: long).hasPrefix("c-h-") && names.name(of: long).utf8.count == 109)
        #expect(names.key(of: names.name(of: long)) { nil } == nil && names.key(of: names.name(of: long)) { long } == long)
    }

    @Test func theLongestIdsMakeALegalName() throws {
        let id = String(repeating: "x", count: 256)
        let names = try Base32Names(prefix: String(repeating: "p", count: 19), rules: AzureVault.nameRules, vault: "cloud")
        #expect(names.name(of: try RecordKey(user: id, connection: id)).utf8.count == 127)
        #expect(AzureVault.nameRules.longestPrefix == 19)
    }

    /// No upper case: two daemons whose prefixes differ in case would share their secrets.
    @Test(arguments: ["", "C", "a_b", "a/b", "a.b", "ü", "a-h", String(repeating: "p", count: 20)])
    func prefixesThatCannotBeginANameAreRefused(prefix: String) {
        #expect(throws: Failure.self) { try Base32Names(prefix: prefix, rules: AzureVault.nameRules, vault: "cloud") }
    }
}
