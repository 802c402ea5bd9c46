import CofferCore
import CofferHTTP
import CofferHashiCorp
import CofferVault
import Foundation
import Testing

/// What lies in the vault beside the value, seen by its operator.
@Suite struct HashiCorpRecordTests {
    private let folder = UUID().uuidString
    private var path: String { "ai2-connectors/\(folder)/user/connection" }
    private let bao: Operator
    private let key: VaultKey

    init() throws {
        bao = try Operator()
        key = try Live.key("user", "connection")
    }

    private func vault(softDelete: Bool = false, writesMetadata: Bool = true, token: String? = nil) throws
        -> HashiCorpVault
    {
        try Live.vault(
            auth: token.map { .token(Secret(text: $0)) }, folder: folder, softDelete: softDelete,
            writesMetadata: writesMetadata)
    }

    private func write(
        _ vault: HashiCorpVault, _ item: VaultItem, _ condition: WriteCondition = .none
    ) async throws(Failure) -> VaultReceipt {
        try await vault.write(key, item, condition: condition, deadline: Live.deadline)
    }

    private func metadata() async throws -> [String: Any] {
        try #require(try await bao.ask(.get, "secret/metadata/\(path)").json["data"] as? [String: Any])
    }

    @Test func customMetadataTellsWhoseRecordItIs() async throws {
        let item = Live.sealed("v1")
        _ = try await write(try vault(), item)
        let found = try await metadata()
        let custom = try #require(found["custom_metadata"] as? [String: String])
        #expect(custom["user"] == "user" && custom["connection"] == "connection")
        #expect(custom["created"]?.hasSuffix("Z") == true && custom["created"]?.count == 24)
        #expect(found["delete_version_after"] as? String == "0s")
    }

    @Test func expiryIsTheVaultsToCollect() async throws {
        let vault = try vault()
        _ = try await write(vault, Live.sealed("v1", expiresAt: SystemClock().wall + 100_000))
        // What is left of 100 s when the vault is asked, and the minute in which an expired record is left to lie.
        let kept = try #require(try await metadata()["delete_version_after"] as? String)
        #expect((30...40).map { "2m\($0)s" }.contains(kept), "\(kept)")
        // Without expiry again: the version must not go with the old one's time.
        _ = try await write(vault, Live.sealed("v2"))
        #expect(try await metadata()["delete_version_after"] as? String == "0s")
        let (_, json) = try await bao.ask(.get, "secret/data/\(path)")
        let version = ((json["data"] as? [String: Any])?["metadata"] as? [String: Any])?["deletion_time"] as? String
        #expect(version == "")
    }

    @Test func textsExpireByTheVault() async throws {
        let vault = try vault()
        let expires = SystemClock().wall + 4500
        _ = try await write(vault, Live.text(#"{"a":1}"#, expiresAt: expires))
        let item = try #require(try await vault.read(key, deadline: Live.deadline))
        // In whole seconds from the write: not before its time, and not long after.
        #expect((expires - 50...expires + 3000).contains(item.expiresAt))
        try await Task.sleep(for: .milliseconds(Int(item.expiresAt) - Int(SystemClock().wall) + 300))
        #expect(try await vault.read(key, deadline: Live.deadline) == nil)
    }

    @Test func textsCannotExpireWithoutMetadata() async throws {
        let vault = try vault(writesMetadata: false)
        #expect(vault.capabilities.nativeExpiry == false)
        let error = await failure { () throws(Failure) in
            try await write(vault, Live.text(#"{"a":1}"#, expiresAt: SystemClock().wall + 1500))
        }
        #expect(error?.code == .failedPrecondition)
        #expect(try await vault.read(key, deadline: Live.deadline) == nil)
    }

    @Test func textsKeepTheirCreationAndHaveVersions() async throws {
        let vault = try vault()
        let first = Live.text(#"{"a":1}"#)
        let receipt = try await write(vault, first)
        #expect(receipt.createdAt == first.updatedAt)
        let old = try #require(try await vault.read(key, deadline: Live.deadline))
        #expect(receipt.version == old.version, "what a Store answers is what if_version takes")
        try await Task.sleep(for: .milliseconds(20))
        #expect(try await write(vault, Live.text(#"{"a":2}"#), .ifVersion(old.version)).createdAt == old.createdAt)
        let new = try #require(try await vault.read(key, deadline: Live.deadline))
        #expect(new.createdAt == old.createdAt && new.updatedAt > old.updatedAt && new.version != old.version)
        let error = await failure { () throws(Failure) in
            try await write(vault, Live.text(#"{"a":3}"#), .ifVersion(old.version))
        }
        #expect(error == .versionMismatch)
        #expect(new.version.hasPrefix("2-") && new.version.utf8.count <= 128)
    }

    /// What metadata/ forbids is left out.
    @Test func dataRightsAreEnoughForSealedRecords() async throws {
        let vault = try vault(token: try await bao.token("data-only"))
        _ = try await write(vault, Live.sealed("v1", expiresAt: SystemClock().wall + 60_000))
        #expect(try await vault.read(key, deadline: Live.deadline)?.version == "v1")
        #expect(try await write(vault, Live.sealed("v2"), .ifVersion("v1")).version == "v2")
        #expect(try await metadata()["custom_metadata"] is NSNull)
        let error = await failure { () throws(Failure) in
            try await write(vault, Live.text(#"{"a":1}"#, expiresAt: SystemClock().wall + 60_000))
        }
        #expect(error?.code == .permissionDenied)
    }

    @Test func removalLeavesNothing() async throws {
        let vault = try vault()
        _ = try await write(vault, Live.sealed("v1"))
        #expect(try await vault.remove(key, ifVersion: nil, deadline: Live.deadline))
        #expect(try await bao.ask(.get, "secret/metadata/\(path)").status == 404)
    }

    @Test func conditionalRemovalDestroysEveryVersion() async throws {
        let vault = try vault()
        for version in ["v1", "v2", "v3"] { _ = try await write(vault, Live.sealed(version)) }
        #expect(try await vault.remove(key, ifVersion: "v3", deadline: Live.deadline))
        let versions = try #require(try await metadata()["versions"] as? [String: [String: Any]])
        #expect(versions.count == 4 && versions.values.allSatisfy { $0["destroyed"] as? Bool == true })
        // The key comes to life again, with a creation time of its own; and goes wholly in the end.
        let item = Live.sealed("v4")
        #expect(try await write(vault, item, .ifAbsent).createdAt == item.updatedAt)
        #expect(try await vault.remove(key, ifVersion: "v4", deadline: Live.deadline))
        #expect(try await vault.remove(key, ifVersion: nil, deadline: Live.deadline) == false)
        #expect(try await bao.ask(.get, "secret/metadata/\(path)").status == 404)
    }

    @Test(arguments: [nil, "v2"])
    func softDeletionCanBeUndone(version: String?) async throws {
        let vault = try vault(softDelete: true)
        for version in ["v1", "v2"] { _ = try await write(vault, Live.sealed(version)) }
        #expect(try await vault.remove(key, ifVersion: version, deadline: Live.deadline))
        #expect(try await vault.read(key, deadline: Live.deadline) == nil)
        #expect(try await vault.remove(key, ifVersion: version, deadline: Live.deadline) == false)
        try await bao.ask(.post, "secret/undelete/\(path)", ["versions": [2]])
        #expect(try await vault.read(key, deadline: Live.deadline)?.version == "v2")
    }

    @Test func recordsOverTombstonesAreNew() async throws {
        let vault = try vault(softDelete: true)
        _ = try await write(vault, Live.sealed("v1"))
        try await bao.ask(.delete, "secret/data/\(path)")
        let error = await failure { () throws(Failure) in try await write(vault, Live.sealed("v2"), .ifVersion("v1")) }
        #expect(error == .versionMismatch)
        let item = Live.sealed("v2")
        #expect(try await write(vault, item, .ifAbsent).createdAt == item.updatedAt)
        #expect(try await vault.read(key, deadline: Live.deadline)?.version == "v2")
    }

    /// One user's listing is not another's, whatever the ids hold.
    @Test func idsOfEveryKindStayApart() async throws {
        let vault = try vault()
        let ids = [
            "a", "a.", ".a", "..", "a..b", "a/b", "a:b", "a=b", "A", "ü", "☃ snow", "a%2Fb", "x\"y'",
            String(repeating: "é", count: 128),
        ]
        for id in ids {
            _ = try await vault.write(
                try Live.key(id, id), Live.sealed("v-\(id.utf8.count)-\(id.hashValue)"), condition: .ifAbsent,
                deadline: Live.deadline)
        }
        let page = try await vault.list(user: nil, after: nil, limit: 100, deadline: Live.deadline)
        let keys = try Set(ids.map { VaultPage.Entry.Name.key(try RecordKey(user: $0, connection: $0)) })
        #expect(Set(page.entries.map(\.name)) == keys && page.entries.count == ids.count)
    }
}
