import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Testing

@testable import CofferCloudflare

/// What `Tests/Live/run.py` says about the stand-in for Cloudflare's API that it started.
enum CloudflareLive {
    struct Missing: Error, CustomStringConvertible {
        let name: String
        var description: String { "\(name) is not set: these tests are run by Tests/Live/run.py" }
    }

    static func variable(_ name: String) throws -> String {
        let name = "COFFER_LIVE_CLOUDFLARE_\(name)"
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else { throw Missing(name: name) }
        return value
    }

    static func transport() throws -> any HTTPTransport { try liveTransport(address: try variable("ENDPOINT"), ca: nil) }

    static func client(_ product: CloudflareProduct, token: String = "app-token") throws -> CloudflareClient {
        CloudflareClient(
            transport: try transport(), root: "/client/v4", token: CloudflareToken(secret(token)), product: product,
            vault: "live")
    }

    static func secret(_ text: String) -> Secret { SecretWriter.build(count: text.utf8.count) { $0.append(text) } }

    static var deadline: BootInstant { SystemClock().boot + .seconds(60) }

    /// A new namespace; of the title lag-N one whose reads show a write after N seconds.
    static func namespace(_ title: String) async throws -> String {
        let call = CloudflareCall(
            .post, "/accounts/\(try variable("ACCOUNT"))/storage/kv/namespaces",
            json: .object([("title", .string(title))]), isWriting: true)
        let answer = try await client(.workersKV).call(call, deadline: deadline)
        return try #require(answer.result["id"]?.text)
    }

    static func vault(
        namespace: String, account: String? = nil, token: String = "app-token", clock: some Clock = SystemClock()
    ) throws -> CloudflareVault {
        CloudflareVault(
            name: "live", client: try client(.workersKV, token: token), account: try account ?? variable("ACCOUNT"),
            namespace: namespace, prefix: "connectors", clock: clock, random: SystemRandom())
    }

    /// A new store, in an account of its own: there is one in each.
    static func store(account: String = freshID()) async throws -> (account: String, store: String) {
        let call = CloudflareCall(
            .post, "/accounts/\(account)/secrets_store/stores", json: .object([("name", .string("default"))]),
            isWriting: true)
        let answer = try await client(.secretsStore).call(call, deadline: deadline)
        return (account, try #require(answer.result["id"]?.text))
    }

    static func secrets(account: String, store: String?, token: String = "app-token") throws -> CloudflareSecretsStore {
        CloudflareSecretsStore(
            name: "live", client: try client(.secretsStore, token: token), account: account, store: store,
            scopes: ["workers"], prefix: "c", clock: SystemClock())
    }

    static func freshID() -> String { UUID().uuidString.filter { $0 != "-" }.lowercased() }

    static func key(_ user: String, _ connection: String) throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: user, connection: connection), tag: [], userTag: [])
    }

    /// A credential in clear, as the TypeScript code has it.
    static func item(
        _ text: String, version: String = "v1", ttlSeconds: UInt64 = 0, at now: WallMilliseconds = SystemClock().wall
    ) -> VaultItem {
        return VaultItem(
            payload: .text(secret(text)), version: version, createdAt: now, updatedAt: now,
            expiresAt: ttlSeconds == 0 ? 0 : now + ttlSeconds * 1_000)
    }

    static func control(_ path: String, _ json: JSON) async throws {
        let request = HTTPRequest(.post, "/_fake/\(path)", body: json.encode())
        let response = try await transport().send(request, deadline: deadline)
        try #require(response.status == 200)
    }

    /// What `body` fails with.
    static func failure<R>(_ body: () async throws(Failure) -> R) async -> Failure? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error
        }
    }
}
