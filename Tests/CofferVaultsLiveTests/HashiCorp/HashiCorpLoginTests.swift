import CofferCore
import CofferHTTP
import CofferHashiCorp
import CofferVault
import Foundation
import Testing

/// Getting tokens, and getting others when they no longer work.
@Suite struct HashiCorpLoginTests {
    private func works(_ vault: HashiCorpVault) async throws {
        let key = try Live.key("user", "connection")
        _ = try await vault.write(key, Live.sealed("v1"), condition: .none, deadline: Live.deadline)
        #expect(try await vault.read(key, deadline: Live.deadline)?.version == "v1")
        await vault.close()
    }

    private func file(_ content: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/coffer-live-\(UUID().uuidString)"
        try content.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test func appRole() async throws { try await works(try Live.vault(auth: try Live.appRole())) }

    @Test func appRoleWithSecretInAFile() async throws {
        let path = try file(try Live.variable("SECRET_ID") + "\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let role = try Live.variable("ROLE_ID")
        try await works(try Live.vault(auth: .appRole(mount: "approle", roleID: role, secretID: .file(path))))
    }

    @Test func jwt() async throws {
        try await works(
            try Live.vault(auth: .jwt(mount: "jwt", role: "live", tokenFile: try Live.variable("JWT_FILE"))))
    }

    @Test func kubernetes() async throws {
        try await works(
            try Live.vault(
                auth: .kubernetes(mount: "kubernetes", role: "live", tokenFile: try Live.variable("JWT_FILE"))))
    }

    @Test func tokenFileIsReadAgainWhenItChanges() async throws {
        let bao = try Operator()
        let (first, second) = (try await bao.token("app"), try await bao.token("app"))
        let path = try file(first + "\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let vault = try Live.vault(auth: .tokenFile(path))
        let key = try Live.key("user", "connection")
        #expect(try await vault.read(key, deadline: Live.deadline) == nil)
        try second.write(toFile: path, atomically: true, encoding: .utf8)
        try await bao.ask(.post, "auth/token/revoke", ["token": first])
        // At once, because the refusal makes it look.
        #expect(try await vault.read(key, deadline: Live.deadline) == nil)
        try await bao.ask(.post, "auth/token/revoke", ["token": second])
        let error = await failure { () throws(Failure) in _ = try await vault.read(key, deadline: Live.deadline) }
        #expect(error?.code == .unauthenticated)
        await vault.close()
    }

    /// However many calls meet the refusal: the server's own log counts one login more.
    @Test func revokedTokenLogsInAgainOnce() async throws {
        let bao = try Operator()
        let role = "live-\(UUID().uuidString.lowercased())"
        try await bao.ask(
            .post, "auth/approle/role/\(role)",
            [
                "role_id": role, "token_policies": "app", "token_ttl": "600s", "bind_secret_id": false,
                "token_bound_cidrs": "127.0.0.1/32",
            ])
        let vault = try Live.vault(auth: .appRole(mount: "approle", roleID: role, secretID: nil))
        let key = try Live.key("user", "connection")
        #expect(try await vault.read(key, deadline: Live.deadline) == nil)
        let logins = ["\"type\":\"response\"", "\"path\":\"auth/approle/login\"", "\"role_name\":\"\(role)\""]
        #expect(try Operator.audited(logins) == 1)
        try await Task.sleep(for: .milliseconds(1200))
        #expect(try await revokeTokens(of: role, bao) == 1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<40 {
                group.addTask {
                    let item = try await vault.read(key, deadline: Live.deadline)
                    #expect(item == nil)
                }
            }
            try await group.waitForAll()
        }
        #expect(try Operator.audited(logins) == 2)
        await vault.close()
    }

    /// Revokes every token of a role; how many there were.
    private func revokeTokens(of role: String, _ bao: Operator) async throws -> Int {
        let keys = try #require(
            (try await bao.ask(.get, "auth/token/accessors?list=true").json["data"] as? [String: Any])?["keys"]
                as? [String])
        var count = 0
        for accessor in keys {
            let (status, json) = try await bao.ask(.post, "auth/token/lookup-accessor", ["accessor": accessor])
            let meta = (json["data"] as? [String: Any])?["meta"] as? [String: Any]
            guard status == 200, meta?["role_name"] as? String == role else { continue }
            try await bao.ask(.post, "auth/token/revoke-accessor", ["accessor": accessor])
            count += 1
        }
        return count
    }

    /// Tokens of 3 seconds, which end for good after 7: while three of them end, no call may fail.
    @Test(.timeLimit(.minutes(3)))
    func aTokenOfThreeSecondsServesOnAndOn() async throws {
        let vault = try Live.vault(auth: try Live.appRole("BRIEF_ROLE_ID"))
        let key = try Live.key("user", "connection")
        _ = try await vault.write(key, Live.sealed("v1"), condition: .none, deadline: Live.deadline)
        let end = SystemClock().boot + .seconds(24)
        let count = try await withThrowingTaskGroup(of: Int.self) { group in
            for task in 0..<8 {
                group.addTask { try await calls(on: vault, key, writing: task == 0, until: end) }
            }
            return try await group.reduce(0, +)
        }
        #expect(count > 200, "only \(count) calls in 24 s")
        await vault.close()
    }

    /// How many were made.
    private func calls(
        on vault: HashiCorpVault, _ key: VaultKey, writing: Bool, until end: BootInstant
    ) async throws -> Int {
        var count = 0
        while SystemClock().boot < end {
            if writing {
                _ = try await vault.write(key, Live.sealed("v1"), condition: .none, deadline: Live.deadline)
            } else {
                #expect(try await vault.read(key, deadline: Live.deadline)?.version == "v1")
            }
            count += 1
            try await Task.sleep(for: .milliseconds(20))
        }
        return count
    }
}
