import CofferCore
import CofferEtcd
import CofferVault
import Foundation
import Testing

/// What takes as long for each record among a hundred thousand as among a thousand. Expired ones etcd removes itself.
@Suite(.serialized) struct EtcdManyTests {
    private static let perTransaction = 128

    /// Records of one user in a folder of their own, all with one value.
    private func filled(_ count: Int) async throws -> EtcdVault {
        let folder = UUID().uuidString
        let vault = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login(), folder: folder)
        _ = try await vault.write(
            Live.key("user", name(0)), Live.sealed("v"), condition: .none, deadline: EtcdLive.deadline)
        let token = try await EtcdLive.token("TLS", "root")
        let start = "ai2-connectors/\(folder)/user/"
        let written = try await EtcdLive.ask("TLS", "kv/range", ["key": EtcdLive.base64(start + name(0))], token: token)
        let value = try #require((written["kvs"] as? [[String: Any]])?.first?["value"] as? String)
        for first in stride(from: 0, to: count, by: Self.perTransaction) {
            let puts = (first..<min(count, first + Self.perTransaction)).map { number in
                ["request_put": ["key": EtcdLive.base64(start + name(number)), "value": value]]
            }
            let done = try await EtcdLive.ask("TLS", "kv/txn", ["success": puts], token: token)
            try #require(done["succeeded"] as? Bool == true)
        }
        return vault
    }

    private func name(_ number: Int) -> String { "connection-\(1_000_000 + number)" }

    /// How long each record of the whole listing takes.
    private func list(_ vault: EtcdVault, _ count: Int) async throws -> Duration {
        var (seen, cursor): (Int, [UInt8]?) = (0, nil)
        let began = ContinuousClock.now
        repeat {
            let page = try await vault.list(user: nil, after: cursor, limit: 1_000, deadline: EtcdLive.deadline)
            seen += page.entries.count
            cursor = page.next
        } while cursor != nil
        let took = ContinuousClock.now - began
        try #require(seen == count)
        return took / count
    }

    private func readMany(_ vault: EtcdVault, _ count: Int) async throws -> Duration {
        let keys = try (0..<256).map { try Live.key("user", name($0 * count / 256)) }
        let began = ContinuousClock.now
        let records = await vault.readMany(keys, deadline: EtcdLive.deadline)
        let took = ContinuousClock.now - began
        try #require(records.allSatisfy { (try? $0.get()) != nil })
        return took / 256
    }

    /// By turns, so that a busy host slows both; the fastest counts. What grows with the records does so each time.
    private func compare(_ what: String, _ measure: (_ isLarge: Bool) async throws -> Duration) async throws {
        var tried: [[Duration]] = []
        for _ in 0..<5 {
            var best = [Duration.seconds(60), .seconds(60)]
            for _ in 0..<5 {
                for _ in 0..<20 { best[0] = min(best[0], try await measure(false)) }
                best[1] = min(best[1], try await measure(true))
            }
            if best[1] < best[0] * 1.3 { return print("\(what): \(best)") }
            tried.append(best)
        }
        Issue.record("\(what): \(tried)")
    }

    @Test(.timeLimit(.minutes(5))) func aHundredThousandRecordsTakeNoLongerEachThanAThousand() async throws {
        let (few, many) = (try await filled(1_000), try await filled(100_000))
        try await compare("a record of List") { try await list($0 ? many : few, $0 ? 100_000 : 1_000) }
        try await compare("a record of GetMany of 256") { try await readMany($0 ? many : few, $0 ? 100_000 : 1_000) }
        await few.close()
        await many.close()
    }
}
