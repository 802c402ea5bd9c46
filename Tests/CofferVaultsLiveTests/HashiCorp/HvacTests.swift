import CofferCore
import CofferHashiCorp
import CofferVault
import Testing

/// The Swift half of Tests/Live/hvac_interop.py, in every format.
@Suite struct HvacTests {
    private static let envelope = [UInt8](0...255) + [UInt8](0...255)
    private static let legacy =
        "000102030405060708090a0b0c0d0e0f:43ef096e70d29336664ebc1447be5dbe:"
        + "84f20393a01e0e14522362e821af335e7c407bdc981e6e2b9d56a75a5035b6f860ecc38d8f21"
    private static let credential =
        #"{"apiKey":"sk_123","nested":{"text":"a \"quoted\" ü ☃","list":[1,2.5,true,null]},"big":9007199254740991}"#

    private func vault() throws -> HashiCorpVault { try Live.vault(auth: try Live.appRole(), folder: "") }

    private func read(_ name: String) async throws -> VaultItem? {
        try await vault().read(try Live.key("hvac", name), deadline: Live.deadline)
    }

    @Test func readsJSON() async throws {
        let item = try #require(try await read("json"))
        guard case .text(let text) = item.payload else { return #expect(Bool(false), "not a text") }
        // The server sorts members by name.
        let sorted =
            #"{"apiKey":"sk_123","big":9007199254740991,"nested":{"list":[1,2.5,true,null],"text":"a \"quoted\" ü ☃"}}"#
        #expect(text.string == sorted)
        #expect(item.version.hasPrefix("1-20"))
        #expect(item.createdAt == item.updatedAt && item.expiresAt == 0)
    }

    @Test func readsTheOldEncryption() async throws {
        #expect(try await read("legacy")?.payload == .text(Secret(text: Self.legacy)))
    }

    @Test func readsSealed() async throws {
        let expected = VaultItem(
            payload: .sealed(Self.envelope), version: "v7", createdAt: 1000, updatedAt: 2000, expiresAt: 0)
        #expect(try await read("sealed") == expected)
    }

    @Test(arguments: ["deleted", "destroyed", "never-written"])
    func readsWhatIsGoneAsAbsent(name: String) async throws {
        #expect(try await read(name) == nil)
    }

    @Test func listsWhatIsThereAndPassesOverOtherNames() async throws {
        let user = try Live.key("hvac", "json")
        let page = try await vault().list(
            user: VaultUser(id: "hvac", tag: user.userTag), after: nil, limit: 100, deadline: Live.deadline)
        #expect(page.next == nil)
        let keys = try ["json", "legacy", "not plain", "sealed"].map {
            VaultPage.Entry.Name.key(try RecordKey(user: "hvac", connection: $0))
        }
        #expect(page.entries.map(\.name) == keys)
    }

    @Test func writesForHvac() async throws {
        let vault = try vault()
        func write(_ name: String, _ item: VaultItem) async throws {
            _ = try await vault.write(try Live.key("coffer", name), item, condition: .none, deadline: Live.deadline)
        }
        try await write("json", Live.text(Self.credential))
        try await write("legacy", Live.text(Self.legacy))
        try await write("sealed", Live.sealed("v8", Self.envelope))
        try await write("Zoë:.x.", Live.text(Self.credential))
        for name in ["removed", "removed-by-version"] {
            try await write(name, Live.sealed("v1"))
            try await write(name, Live.sealed("v2"))
            let version = name == "removed" ? nil : "v2"
            #expect(try await vault.remove(try Live.key("coffer", name), ifVersion: version, deadline: Live.deadline))
        }
    }
}
