import CofferCore
import CofferHTTP
import CofferHashiCorp
import CofferVault
import Foundation
import Testing

/// Every refusal that a real server can be brought to.
@Suite struct HashiCorpErrorTests {
    private func expect(
        _ code: StatusCode, _ reason: Failure.Reason, _ words: String, retryable: Bool = false,
        line: SourceLocation = #_sourceLocation, _ call: () async throws(Failure) -> Void
    ) async {
        let error = await failure(call)
        #expect(error?.code == code, sourceLocation: line)
        #expect(error?.reason == reason, sourceLocation: line)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "no failure")", sourceLocation: line)
        #expect(error?.retryable == retryable, sourceLocation: line)
        #expect(error?.vault == "live", sourceLocation: line)
    }

    private func read(_ vault: HashiCorpVault) async throws(Failure) {
        _ = try await vault.read(try testKey(), deadline: Live.deadline)
    }

    private func testKey() throws(Failure) -> VaultKey {
        VaultKey(
            key: try RecordKey(user: "u", connection: "c"), tag: [UInt8](repeating: 1, count: 32),
            userTag: [UInt8](repeating: 2, count: 32))
    }

    private func write(_ vault: HashiCorpVault, _ item: VaultItem) async throws(Failure) {
        _ = try await vault.write(try testKey(), item, condition: .none, deadline: Live.deadline)
    }

    @Test func sealed() async throws {
        let vault = try Live.vault(transport: try Live.transport("SEALED_ADDR"))
        await expect(.unavailable, .vaultFailed, "sealed", retryable: true) { () throws(Failure) in
            try await read(vault)
        }
        await expect(.unavailable, .vaultFailed, "sealed", retryable: true) { () throws(Failure) in
            try await vault.check(deadline: Live.deadline)
        }
        let login = try Live.vault(auth: try Live.appRole(), transport: try Live.transport("SEALED_ADDR"))
        // A secret id may be good for one login only.
        await expect(.unavailable, .vaultFailed, "sealed") { () throws(Failure) in try await read(login) }
    }

    @Test func notInitialised() async throws {
        let vault = try Live.vault(transport: try Live.transport("EMPTY_ADDR"))
        await expect(.unavailable, .vaultFailed, "not initialised", retryable: true) { () throws(Failure) in
            try await vault.check(deadline: Live.deadline)
        }
        await expect(.unavailable, .vaultFailed, "sealed", retryable: true) { () throws(Failure) in
            try await read(vault)
        }
    }

    @Test func nobodyThere() async throws {
        let vault = try Live.vault(transport: try Live.transport("NOBODY_ADDR"))
        await expect(.unavailable, .vaultUnreachable, "cannot connect", retryable: true) { () throws(Failure) in
            try await read(vault)
        }
    }

    @Test func otherAuthority() async throws {
        let vault = try Live.vault(transport: try Live.transport(ca: "OTHER_CA"))
        await expect(.failedPrecondition, .vaultUnreachable, "no trusted authority issued its certificate") { () throws(Failure) in
            try await read(vault)
        }
    }

    @Test func unknownToken() async throws {
        let vault = try Live.vault(auth: .token(Secret(text: "s.unknown")))
        await expect(.unauthenticated, .vaultRefused, "rejected the token (expired or revoked)") { () throws(Failure) in
            try await read(vault)
        }
    }

    @Test func forbiddenByPolicy() async throws {
        let token = try await Operator().token("data-only")
        let vault = try Live.vault(auth: .token(Secret(text: token)), mount: "guarded")
        await expect(.permissionDenied, .vaultRefused, "may not do this") { () throws(Failure) in try await read(vault)
        }
        await expect(.permissionDenied, .vaultRefused, "may not do this") { () throws(Failure) in
            try await write(vault, Live.sealed("v1"))
        }
        let removing = try Live.vault(auth: .token(Secret(text: token)))
        try await write(removing, Live.sealed("v1"))
        await expect(.permissionDenied, .vaultRefused, "may not do this") { () throws(Failure) in
            _ = try await removing.remove(try testKey(), ifVersion: nil, deadline: Live.deadline)
        }
        await expect(.permissionDenied, .vaultRefused, "may not do this") { () throws(Failure) in
            _ = try await removing.list(user: nil, after: nil, limit: 1, deadline: Live.deadline)
        }
    }

    @Test func unknownMountAndNamespace() async throws {
        for vault in [try Live.vault(mount: "nowhere"), try Live.vault(namespace: "nowhere")] {
            await expect(.failedPrecondition, .vaultRefused, "no such mount or namespace") { () throws(Failure) in
                try await read(vault)
            }
        }
    }

    @Test func wrongSecretID() async throws {
        let auth = HashiCorpOptions.Auth.appRole(
            mount: "approle", roleID: try Live.variable("ROLE_ID"), secretID: .value(Secret(text: "wrong")))
        let vault = try Live.vault(auth: auth)
        await expect(.unauthenticated, .vaultRefused, "refused the login") { () throws(Failure) in try await read(vault)
        }
    }

    @Test func wrongJWT() async throws {
        let vault = try Live.vault(
            auth: .jwt(mount: "jwt", role: "unknown", tokenFile: try Live.variable("JWT_FILE")))
        await expect(.unauthenticated, .vaultRefused, "refused the login") { () throws(Failure) in try await read(vault)
        }
    }

    /// The engine of version 1 takes the paths of version 2 for names: nothing gets there.
    @Test func firstVersionOfTheEngine() async throws {
        for call in 0..<5 {
            let vault = try Live.vault(mount: "first", folder: "")
            await expect(.failedPrecondition, .vaultRefused, "no KV engine of version 2") { () throws(Failure) in
                switch call {
                case 0: try await write(vault, Live.sealed("v1"))
                case 1: try await read(vault)
                case 2: _ = try await vault.remove(try testKey(), ifVersion: nil, deadline: Live.deadline)
                case 3: _ = try await vault.list(user: nil, after: nil, limit: 1, deadline: Live.deadline)
                default: try await vault.check(deadline: Live.deadline)
                }
            }
        }
        #expect(try await Operator().ask(.get, "first/data/ai2-connectors/u/c").status == 404)
    }

    @Test func rateQuota() async throws {
        let vault = try Live.vault(mount: "limited")
        var error: Failure?
        for _ in 0..<10 where error == nil {
            error = await failure { () throws(Failure) in try await read(vault) }
        }
        #expect(error?.code == .resourceExhausted && error?.reason == .limit)
        #expect(error?.retryable == true && error?.message.contains("limits the rate") == true)
    }

    /// What the storage refuses: a text whose characters the server escapes to six bytes each.
    @Test func tooLargeForTheStorage() async throws {
        let vault = try Live.vault(transport: try Live.transport("RAFT_ADDR"))
        let text = "{\"a\":\"" + String(repeating: "<", count: 400_000) + "\"}"
        await expect(.invalidArgument, .credentialTooLarge, "max_entry_size") { () throws(Failure) in
            try await write(vault, Live.text(text))
        }
    }

    @Test func tooComplexForTheListener() async throws {
        let vault = try Live.vault()
        let text = "{" + (0..<1200).map { "\"k\($0)\":\"v\"" }.joined(separator: ",") + "}"
        await expect(.invalidArgument, .vaultRefused, "limits of its listener") { () throws(Failure) in
            try await write(vault, Live.text(text))
        }
    }

    @Test(arguments: [#"{"coffer":"coffer1:AAAA"}"#, #"{"coffer":"removed"}"#, "[1]", "text", "{"])
    func refusesTextsThatAreNoCredentials(text: String) async throws {
        let vault = try Live.vault()
        let error = await failure { () throws(Failure) in try await write(vault, Live.text(text)) }
        #expect(error?.code == .invalidArgument && error?.reason == .badField)
    }
}
