import CofferCore
import CofferEtcd
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Foundation
import Testing

/// Who may do what, and what etcd's limits become.
@Suite(.timeLimit(.minutes(2))) struct EtcdAccessTests {
    private func failure(_ vault: EtcdVault, of item: VaultItem? = nil) async throws -> Failure? {
        let (key, item) = (try Live.key("u", "c"), item ?? Live.sealed("v1"))
        return await CofferVaultConformance.failure { () async throws(Failure) in
            _ = try await vault.write(key, item, condition: .none, deadline: EtcdLive.deadline)
        }
    }

    @Test func aWrongPasswordIsUnauthenticated() async throws {
        let vault = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login(password: "wrong"))
        let failure = try await failure(vault)
        #expect(failure?.code == .unauthenticated && failure?.reason == .vaultRefused && failure?.mayHaveWritten == false)
    }

    @Test func aClusterWithAuthenticationDemandsALogin() async throws {
        let failure = try await failure(EtcdLive.vault(try EtcdLive.members("TLS")))
        #expect(failure?.code == .unauthenticated && failure?.message.contains("none is configured") == true)
    }

    @Test func aUserWithoutARoleIsDenied() async throws {
        let vault = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login("nobody"))
        #expect(try await failure(vault)?.code == .permissionDenied)
        #expect(await CofferVaultConformance.failure { () async throws(Failure) in
            try await vault.check(deadline: EtcdLive.deadline)
        }?.code == .permissionDenied)
    }

    /// Reads, lists and watches; writes are denied, and have surely not happened.
    @Test func aUserWhoMayOnlyReadReads() async throws {
        let folder = UUID().uuidString
        let writer = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login(), folder: folder)
        let reader = EtcdLive.vault(try EtcdLive.members("TLS"), login: try EtcdLive.login("reader"), folder: folder)
        let heard = HeardChanges(reader)
        try await EtcdLive.waitForWatch(heard, writer)
        let key = try Live.key("u", "c")
        _ = try await writer.write(key, Live.sealed("v1"), condition: .none, deadline: EtcdLive.deadline)
        #expect(try await reader.read(key, deadline: EtcdLive.deadline)?.version == "v1")
        #expect(try await eventually { heard.records == ["first", "c"] })
        let failure = try await failure(reader, of: Live.sealed("v2"))
        #expect(failure?.code == .permissionDenied && failure?.mayHaveWritten == false)
        #expect(try await reader.read(key, deadline: EtcdLive.deadline)?.version == "v1")
        await writer.close()
        await reader.close()
    }

    /// A role for one prefix does not reach another.
    @Test func anotherPrefixIsDenied() async throws {
        let vault = EtcdVault(
            name: "live", options: EtcdOptions(prefix: "other", login: try EtcdLive.login()),
            members: try EtcdLive.members("TLS"), dependencies: EtcdDependencies { _, _ in Secret("") })
        #expect(try await failure(vault)?.code == .permissionDenied)
    }

    /// The JSON web tokens of this node expire after 2 s: a call after that logs in again by itself.
    @Test func anExpiredTokenIsReplaced() async throws {
        let vault = EtcdLive.vault(try EtcdLive.members("JWT"), login: try EtcdLive.login())
        for _ in 0..<3 {
            #expect(try await failure(vault) == nil)
            try await Task.sleep(for: .milliseconds(2_500))
        }
        #expect(try await vault.list(user: nil, after: nil, limit: 10, deadline: EtcdLive.deadline).entries.count == 1)
        await vault.close()
    }

    /// A change of users makes tokens old that were given before it.
    @Test func aTokenThatIsOlderThanTheUsersIsReplaced() async throws {
        let vault = EtcdLive.vault(try EtcdLive.members("JWT"), login: try EtcdLive.login())
        #expect(try await failure(vault) == nil)
        let root = try await EtcdLive.token("JWT", "root")
        let name = "user-\(UUID().uuidString)"
        _ = try await EtcdLive.ask("JWT", "auth/user/add", ["name": name, "password": "x"], token: root)
        #expect(try await failure(vault) == nil)
        await vault.close()
    }

    @Test func aLoginIsNotNeededWhereAuthenticationIsOff() async throws {
        let vault = EtcdLive.vault(try EtcdLive.members("SMALL"), login: try EtcdLive.login())
        try await vault.check(deadline: EtcdLive.deadline)
        await vault.close()
    }

    @Test func theCertificateIsVerified() async throws {
        let address = try EtcdLive.variable("TLS")
        let other = URL(fileURLWithPath: try EtcdLive.variable("CA")).deletingLastPathComponent().appending(path: "other-ca.pem")
        let members = try [address.replacing("127.0.0.1", with: "localhost"), address].map { address in
            EtcdMember(origin: HTTPOrigin(address: address)!, transport: try liveTransport(address: address, ca: other.path))
        }
        let failure = try await failure(EtcdLive.vault(members, login: try EtcdLive.login()))
        #expect(failure?.code == .failedPrecondition && failure?.reason == .vaultUnreachable && failure?.isUnsent == true)
    }

    /// etcd closes such a connection and says nothing.
    @Test func plainHTTPToTLSIsABrokenConnection() async throws {
        let address = try EtcdLive.variable("TLS").replacing("https://", with: "http://")
        let member = EtcdMember(
            origin: HTTPOrigin(address: address)!, transport: try liveTransport(address: address, ca: try EtcdLive.variable("CA")))
        let failure = try await failure(EtcdLive.vault([member]))
        #expect(failure?.code == .unavailable && failure?.reason == .vaultUnreachable && failure?.retryable == true)
    }
}

/// One node with small limits: the tests that fill it follow each other.
@Suite(.timeLimit(.minutes(2)), .serialized) struct EtcdLimitTests {
    private func write(_ vault: EtcdVault, bytes: Int, _ connection: String = "c") async throws -> Failure? {
        let (key, item) = (try Live.key("u", connection), Live.sealed("v1", [UInt8](repeating: 7, count: bytes)))
        return await failure { () async throws(Failure) in
            _ = try await vault.write(key, item, condition: .none, deadline: EtcdLive.deadline)
        }
    }

    /// A node with a lower limit than the usual one: 512 KiB.
    @Test func aRequestThatIsTooLargeForTheNode() async throws {
        let vault = EtcdLive.vault(try EtcdLive.members("SMALL"))
        for bytes in [400_000, EtcdVault.maximumPayloadBytes] {
            let failure = try await write(vault, bytes: bytes)
            #expect(failure?.code == .invalidArgument && failure?.reason == .credentialTooLarge && failure?.mayHaveWritten == false)
        }
        await vault.close()
    }

    /// The database is full: writes are refused, reads and removals go on.
    @Test func aFullDatabaseIsSaid() async throws {
        let vault = EtcdLive.vault(try EtcdLive.members("SMALL"))
        var failure: Failure?
        for number in 0..<40 where failure == nil {
            failure = try await write(vault, bytes: 300_000, "c\(number)")
        }
        #expect(failure?.code == .resourceExhausted && failure?.reason == .disk && failure?.retryable == false)
        #expect(failure?.mayHaveWritten == false && failure?.message.contains("database is full") == true)
        #expect(try await vault.read(try Live.key("u", "c0"), deadline: EtcdLive.deadline) != nil)
        #expect(try await vault.remove(try Live.key("u", "c0"), ifVersion: nil, deadline: EtcdLive.deadline))
        await vault.close()
    }
}
