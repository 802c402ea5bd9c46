import CofferCore
import CofferEtcd
import CofferVault
import CofferVaultConformance
import Foundation
import Testing

/// What lies in etcd, as its own tools see it.
@Suite(.timeLimit(.minutes(2))) struct EtcdStoredTests {
    private func range(_ folder: String, _ token: String) async throws -> [[String: Any]] {
        let answer = try await EtcdLive.ask(
            "TLS", "kv/range",
            ["key": EtcdLive.base64("ai2-connectors/\(folder)/"), "range_end": EtcdLive.base64("ai2-connectors/\(folder)0")],
            token: token)
        return answer["kvs"] as? [[String: Any]] ?? []
    }

    private func lease(_ record: [String: Any], _ token: String) async throws -> Int {
        let answer = try await EtcdLive.ask(
            "TLS", "lease/timetolive", ["ID": record["lease"] as? String ?? "0"], token: token)
        return Int(answer["TTL"] as? String ?? "") ?? 0
    }

    /// A sealed document under the record's own name, with a lease if it expires; and the lease goes with the record.
    @Test func aRecordIsADocumentWithALease() async throws {
        let folder = UUID().uuidString
        let vault = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login(), folder: folder)
        let token = try await EtcdLive.token("TLS")
        let key = try Live.key("ann@example.com", "my mail")
        let expiry = SystemClock().wall + 600_000
        _ = try await vault.write(key, Live.sealed("v1", expiresAt: expiry), condition: .none, deadline: EtcdLive.deadline)
        let first = try #require(try await range(folder, token).first)
        let name = Data(base64Encoded: first["key"] as? String ?? "").map { String(decoding: $0, as: UTF8.self) }
        #expect(name == "ai2-connectors/\(folder)/ann@example.com/my=20mail")
        let value = try #require(Data(base64Encoded: first["value"] as? String ?? ""))
        let document = try JSONSerialization.jsonObject(with: value) as? [String: Any]
        #expect(document?["version"] as? String == "v1" && document?["expires"] as? UInt64 == expiry)
        #expect((655...661).contains(try await lease(first, token)))

        // Replaced by one that never expires: the lease is gone, and the record stays.
        _ = try await vault.write(key, Live.sealed("v2"), condition: .none, deadline: EtcdLive.deadline)
        let second = try #require(try await range(folder, token).first)
        #expect(second["lease"] == nil)
        #expect(try await eventually { (try? await lease(first, token)) == -1 })
        #expect(try await vault.read(key, deadline: EtcdLive.deadline)?.version == "v2")
        await vault.close()
    }

    /// A record that has expired is removed by etcd, when its lease is over: here revoked, instead of waited for.
    @Test func etcdRemovesWithTheLease() async throws {
        let folder = UUID().uuidString
        let vault = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login(), folder: folder)
        let token = try await EtcdLive.token("TLS")
        let key = try Live.key("u", "c")
        _ = try await vault.write(
            key, Live.sealed("v1", expiresAt: SystemClock().wall + 1_000), condition: .none, deadline: EtcdLive.deadline)
        let record = try #require(try await range(folder, token).first)
        let heard = HeardChanges(vault)
        let other = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login(), folder: folder)
        try await EtcdLive.waitForWatch(heard, other)
        _ = try await EtcdLive.ask("TLS", "lease/revoke", ["ID": record["lease"] as? String ?? ""], token: token)
        #expect(try await eventually { heard.records == ["first", "c"] })
        #expect(try await vault.read(key, deadline: EtcdLive.deadline) == nil)
        await other.close()
        await vault.close()
    }

    /// Keys of other programs below the prefix are passed over; one under the name of a record is that record's failure.
    @Test func recordsOfOtherProgramsAreLeftAlone() async throws {
        let folder = UUID().uuidString
        let vault = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login(), folder: folder)
        let token = try await EtcdLive.token("TLS")
        for name in ["x", "u/foreign", "u/a/b", "u/=41"] {
            _ = try await EtcdLive.ask(
                "TLS", "kv/put",
                ["key": EtcdLive.base64("ai2-connectors/\(folder)/\(name)"), "value": EtcdLive.base64("theirs")], token: token)
        }
        let key = try Live.key("u", "c")
        _ = try await vault.write(key, Live.sealed("v1"), condition: .none, deadline: EtcdLive.deadline)
        let page = try await vault.list(user: nil, after: nil, limit: 100, deadline: EtcdLive.deadline)
        #expect(page.entries.count == 2 && page.entries.count { (try? $0.item.get()) != nil } == 1)
        let other = try Live.key("u", "foreign")
        let foreign = await failure { () async throws(Failure) in
            try await vault.read(other, deadline: EtcdLive.deadline)
        }
        #expect(foreign?.code == .dataLoss && foreign?.isOfOneRecord == true)
        #expect(try await range(folder, token).count == 5)
        await vault.close()
    }

    /// What does not fit one answer is read in parts: 4 records of 1 MB.
    @Test func manyLargeRecordsAreReadAndListed() async throws {
        let vault = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login())
        let keys = try (0..<4).map { try Live.key("u", "c\($0)") }
        for key in keys {
            let item = Live.sealed("v1", [UInt8](repeating: 5, count: EtcdVault.maximumPayloadBytes))
            _ = try await vault.write(key, item, condition: .none, deadline: EtcdLive.deadline)
        }
        let many = await vault.readMany(keys, deadline: EtcdLive.deadline)
        #expect(many.allSatisfy { ((try? $0.get()) ?? nil)?.payload.count == EtcdVault.maximumPayloadBytes })
        var cursor: [UInt8]?
        var count = 0
        repeat {
            let page = try await vault.list(user: nil, after: cursor, limit: 1_000, deadline: EtcdLive.deadline)
            count += page.entries.count
            cursor = page.next
        } while cursor != nil
        #expect(count == 4)
        for key in keys { _ = try await vault.remove(key, ifVersion: nil, deadline: EtcdLive.deadline) }
        await vault.close()
    }
}
