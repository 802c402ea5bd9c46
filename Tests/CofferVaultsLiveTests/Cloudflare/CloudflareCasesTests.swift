import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultKit
import Foundation
import Testing

@testable import CofferCloudflare

/// The table of cases that Cloudflare's official SDK passes in the same run: see `Tests/Live/cloudflare_cases.json`.
@Suite struct CloudflareCasesTests {
    static func cases(_ kind: String) -> [CloudflareCase] {
        guard let path = try? CloudflareLive.variable("CASES"), let data = FileManager.default.contents(atPath: path),
            let json = try? JSON.parse(data.withUnsafeBytes { Secret(copying: $0) }), let all = json[kind]?.elements
        else { return [] }
        return all.map { CloudflareCase(json: $0) }
    }

    @Test func theTableIsThere() { #expect(Self.cases("kv").count >= 15 && Self.cases("secrets").count >= 5) }

    @Test(.timeLimit(.minutes(2)), arguments: cases("kv"))
    func workersKV(row: CloudflareCase) async throws {
        let namespace =
            if let id = row.json["namespace"]?.text { id } else { try await CloudflareLive.namespace("coffer \(row.name)") }
        let vault = try CloudflareLive.vault(
            namespace: namespace, account: row.json["account"]?.text, token: row.json["token"]?.text ?? "app-token")
        for step in row.steps {
            if step["do"]?.text == "plan" {
                try await row.plan(step, where: namespace)
                continue
            }
            let got = await outcome(of: step, vault)
            #expect(got == expected(step), "\(row.name): \(step["do"]?.text ?? "")")
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: cases("secrets"))
    func secretsStore(row: CloudflareCase) async throws {
        let (account, made) = try await CloudflareLive.store()
        if let quota = row.json["quota"]?.integer {
            try await CloudflareLive.control("quota?account=\(account)&quota=\(quota)", .object([]))
        }
        let store = row.json["store"]?.text ?? made
        let vault = try CloudflareLive.secrets(account: account, store: store, token: row.json["token"]?.text ?? "app-token")
        for step in row.steps {
            let got: String
            if step["do"]?.text == "names" {
                got = try await names(account: account, store: store)
            } else {
                got = await outcome(of: step, vault)
            }
            #expect(got == expected(step), "\(row.name): \(step["do"]?.text ?? "")")
        }
    }

    // MARK: Steps

    /// As one text, whatever kind of value it is.
    private func expected(_ step: JSON) -> String {
        switch step["expect"] {
        case .string(let text): text.string ?? ""
        case .array(let elements): elements.map { $0.text ?? "absent" }.joined(separator: ",")
        case let other?: other.encode().withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        case nil: ""
        }
    }

    private func outcome(of step: JSON, _ vault: any VaultAdapter) async -> String {
        do throws(Failure) {
            return try await done(step, vault)
        } catch {
            return error.code.name
        }
    }

    private func done(_ step: JSON, _ vault: any VaultAdapter) async throws(Failure) -> String {
        let (user, connection) = (step["user"]?.text ?? "", step["connection"]?.text ?? "")
        let deadline = CloudflareLive.deadline
        switch step["do"]?.text {
        case "store":
            let item = CloudflareLive.item(step["text"]?.text ?? "", ttlSeconds: UInt64(step["ttl"]?.integer ?? 0))
            _ = try await vault.write(
                try CloudflareLive.key(user, connection), item, condition: .none, deadline: deadline)
            return "ok"
        case "storeMany":
            for number in 0..<Int(step["count"]?.integer ?? 0) {
                _ = try await vault.write(
                    try CloudflareLive.key(user, "c\(number)"), CloudflareLive.item("{}"), condition: .none,
                    deadline: deadline)
            }
            return "ok"
        case "read": return text(of: try await vault.read(try CloudflareLive.key(user, connection), deadline: deadline))
        case "readMany":
            var keys: [VaultKey] = []
            for connection in step["connections"]?.elements ?? [] {
                keys.append(try CloudflareLive.key(user, connection.text ?? ""))
            }
            var texts: [String] = []
            for outcome in await vault.readMany(keys, deadline: deadline) { texts.append(text(of: try outcome.get())) }
            return texts.joined(separator: ",")
        case "delete":
            let existed = try await vault.remove(
                try CloudflareLive.key(user, connection), ifVersion: nil, deadline: deadline)
            // Workers KV itself does not tell.
            return vault.capabilities.readable ? "ok" : String(existed)
        case "expiry":
            let item = try await vault.read(try CloudflareLive.key(user, connection), deadline: deadline)
            let left = (Int64(item?.expiresAt ?? 0) - Int64(SystemClock().wall)) / 1_000
            return (step["expect"]?.integer).map { $0 - 30 < left && left <= $0 } == true ? expected(step) : String(left)
        default: return try await listed(step, user, vault)
        }
    }

    private func listed(_ step: JSON, _ user: String, _ vault: any VaultAdapter) async throws(Failure) -> String {
        var (names, cursor): ([String], [UInt8]?) = ([], nil)
        repeat {
            let page = try await vault.list(
                user: VaultUser(id: user, tag: []), after: cursor, limit: Int(step["pages"]?.integer ?? 100),
                deadline: CloudflareLive.deadline)
            for case .key(let key) in page.entries.map(\.name) { names.append(key.connection) }
            cursor = page.next
        } while cursor != nil
        return step["pages"] == nil ? names.joined(separator: ",") : String(names.count)
    }

    private func text(of item: VaultItem?) -> String {
        guard case .text(let text)? = item?.payload else { return "absent" }
        return text.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    private func names(account: String, store: String) async throws -> String {
        let answer = try await CloudflareLive.client(.secretsStore).call(
            CloudflareCall(.get, "/accounts/\(account)/secrets_store/stores/\(store)/secrets"),
            deadline: CloudflareLive.deadline)
        return (answer.result.elements ?? []).compactMap { $0["name"]?.text }.sorted().joined(separator: ",")
    }
}

/// A row of the table.
struct CloudflareCase: Sendable, CustomTestStringConvertible {
    let json: JSON

    var name: String { json["name"]?.text ?? "" }
    var steps: [JSON] { json["steps"]?.elements ?? [] }
    var testDescription: String { name }

    /// Has the stand-in answer so, in this namespace.
    func plan(_ step: JSON, where namespace: String) async throws {
        var body = step["body"]?.text ?? ""
        if let code = step["code"]?.integer { body = #"{"success":false,"errors":[{"code":\#(code),"message":"raw"}]}"# }
        try await CloudflareLive.control(
            "plan",
            .object([
                ("match", .string("\(namespace).*(\(step["match"]?.text ?? ""))")), ("status", step["status"] ?? .null),
                ("body", .string(body)), ("times", step["times"] ?? .integer(1)),
            ]))
    }
}
