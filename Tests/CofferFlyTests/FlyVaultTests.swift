import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Synchronization
import Testing

@testable import CofferFly

@Suite(.timeLimit(.minutes(1))) struct FlyVaultTests {
    private let fixture = FlyFixture()

    // MARK: Requests

    @Test func aStoreIsOneListAndOneCall() async throws {
        let vault = try fixture.vault()
        try await vault.put(#"{"apiKey":"a\"b"}"#, fixture, fixture.key())
        let requests = fixture.fake.requests
        #expect(requests.map { "\($0.method.rawValue) \($0.path)" } == [
            "GET /v1/apps/my-app/secrets", "POST /v1/apps/my-app/secrets/CONNECTOR_user123_conn456",
        ])
        #expect(requests[1].body?.text == #"{"value":"{\"apiKey\":\"a\\\"b\"}"}"#)
        #expect(requests[1].headers.first { $0.name == "Authorization" }?.value.text == "Bearer the-token")
        // The next list must know what was written.
        _ = try await vault.remove(fixture.key(), ifVersion: nil, deadline: fixture.deadline)
        #expect(fixture.fake.requests[2].path == "/v1/apps/my-app/secrets?min_version=41")
        #expect(fixture.fake.calls[3] == "DELETE secrets/CONNECTOR_user123_conn456")
    }

    /// What is sealed tells everything of itself, on whatever Machine it is read.
    @Test func aSealedRecordComesBackFromTheEnvironmentWhole() async throws {
        let key = try fixture.key()
        let item = VaultItem(
            payload: .sealed(Array(0...255)), version: "v7", createdAt: 5, updatedAt: fixture.manual.wall,
            expiresAt: fixture.manual.wall + 1_000)
        let receipt = try await fixture.vault().write(key, item, condition: .none, deadline: fixture.deadline)
        let before = try await fixture.vault().read(key, deadline: fixture.deadline)
        fixture.deploy()
        let after = try await fixture.vault().read(key, deadline: fixture.deadline)
        #expect(before == after && after?.payload == item.payload && after?.version == "v7")
        #expect(after?.createdAt == receipt.createdAt && after?.expiresAt == item.expiresAt)
        fixture.advance(milliseconds: 1_000)
        #expect(try await fixture.vault().read(key, deadline: fixture.deadline) == nil)
    }

    @Test func storesOfOneRecordTakeTurns() async throws {
        let (vault, key) = (try fixture.vault(), try fixture.key())
        await withTaskGroup(of: Failure?.self) { group in
            for number in 1...8 {
                group.addTask { [fixture] in
                    await fixture.failure { () throws(Failure) in try await vault.put("text \(number)", fixture, key) }
                }
            }
            for await failure in group { #expect(failure == nil) }
        }
        let calls = fixture.fake.calls
        #expect(calls.count == 16 && zip(calls, calls.dropFirst()).allSatisfy { $0 != $1 })
        #expect(try await vault.text(fixture, key) == fixture.fake.values["CONNECTOR_user123_conn456"])
    }

    // MARK: Refusals

    @Test func conditionsAreRefused() async throws {
        let (vault, key) = (try fixture.vault(), try fixture.key())
        for condition in [WriteCondition.ifAbsent, .ifVersion("v")] {
            let failure = await fixture.failure { () throws(Failure) in
                try await vault.write(key, fixture.item("x"), condition: condition, deadline: fixture.deadline)
            }
            #expect(failure?.code == .failedPrecondition)
        }
        let failure = await fixture.failure { () throws(Failure) in
            try await vault.remove(key, ifVersion: "v", deadline: fixture.deadline)
        }
        #expect(failure?.code == .failedPrecondition && fixture.fake.calls == [])
    }

    @Test func withoutATokenItOnlyReads() async throws {
        fixture.environment { $0["CONNECTOR_user123_conn456"] = Secret("deployed") }
        let (vault, key) = (try fixture.vault(client: .some(nil)), try fixture.key())
        #expect(try await vault.text(fixture, key) == "deployed")
        try await vault.check(deadline: fixture.deadline)
        for isStore in [true, false] {
            let failure = await fixture.failure { () throws(Failure) in
                if isStore { return try await vault.put("x", fixture, key) }
                _ = try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
            }
            #expect(failure?.code == .failedPrecondition && failure?.isUnsent == true)
            #expect(failure?.message == "the vault fly only reads: there is no API token")
        }
    }

    /// Every limit names the vault and itself, before anything is sent.
    @Test func limitsAreKept() async throws {
        let key = try fixture.key()
        let limit = FlyVault.maximumSealedBytes
        let large = VaultItem(
            payload: .sealed([UInt8](repeating: 7, count: limit)), version: String(repeating: "v", count: 128),
            createdAt: .max / 2, updatedAt: .max / 2, expiresAt: .max / 2)
        let vault = try fixture.vault()
        _ = try await vault.write(key, large, condition: .none, deadline: fixture.deadline)
        #expect(try #require(fixture.fake.values["CONNECTOR_user123_conn456"]).utf8.count <= 65_536)
        fixture.fake.forget()
        var larger = large
        larger.payload = .sealed([UInt8](repeating: 7, count: limit + 1))
        for (item, words) in [
            (larger, "\(limit + 1) bytes, this vault accepts 1 to \(limit)"), (fixture.item(""), "0 bytes, this vault accepts 1"),
            (fixture.item("a\0b"), "must not have a zero byte in a vault of type fly"),
        ] {
            let failure = await fixture.failure { () throws(Failure) in
                try await vault.write(key, item, condition: .none, deadline: fixture.deadline)
            }
            #expect(failure?.code == .invalidArgument && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
        #expect(fixture.fake.calls == [])
    }

    @Test func allRecordsTogetherHaveALimit() async throws {
        let text = String(repeating: "x", count: 40_000)
        for number in 1...25 { fixture.environment { $0["CONNECTOR_u_c\(number)"] = Secret(text) } }
        let vault = try fixture.vault()
        try await vault.put(text, fixture, fixture.key("u", "c25"))
        try await vault.put(text, fixture, fixture.key("u", "c26"))
        fixture.fake.forget()
        let key = try fixture.key("u", "c27")
        let failure = await fixture.failure { () throws(Failure) in try await vault.put(text, fixture, key) }
        #expect(failure?.code == .invalidArgument && failure?.isUnsent == true && fixture.fake.calls == [])
        #expect(failure?.message.contains("the vault fly (fly) accepts at most 1048576; delete some") == true)
        _ = try await vault.remove(fixture.key("u", "c1"), ifVersion: nil, deadline: fixture.deadline)
        try await vault.put(text, fixture, key)
    }

    /// Each of them fits, and both do not.
    @Test func storesAtOnceKeepTheLimitTogether() async throws {
        let text = String(repeating: "x", count: 40_000)
        for number in 1...25 { fixture.environment { $0["CONNECTOR_u_c\(number)"] = Secret(text) } }
        let vault = try fixture.vault()
        let keys = [try fixture.key("u", "c26"), try fixture.key("u", "c27")]
        var codes: [StatusCode?] = []
        await withTaskGroup(of: Failure?.self) { group in
            for key in keys {
                group.addTask { [fixture] in
                    await fixture.failure { () throws(Failure) in try await vault.put(text, fixture, key) }
                }
            }
            for await failure in group { codes.append(failure?.code) }
        }
        #expect(codes == [nil, .invalidArgument] || codes == [.invalidArgument, nil])
        // Names of 14 and 15 bytes, `=` and the zero byte.
        let bytes: Int = 26 * 40_002 + 9 * 14 + 17 * 15
        let total: Int = vault.state.withLock { $0.totalBytes }
        #expect(total == bytes)
    }

    // MARK: Listing

    @Test func aListHasWhatTheEnvironmentAndStoresHave() async throws {
        fixture.environment {
            $0["CONNECTOR_a_1"] = Secret("one")
            $0["CONNECTOR_a_2"] = Secret("two")
            $0["CONNECTOR_a__2D_1"] = Secret("another user's")
            $0["CONNECTOR_A_B_C"] = Secret("no record")
            $0["CONNECTOR_a_damaged"] = Secret(#"{"coffer":"coffer1:!"}"#)
        }
        let vault = try fixture.vault()
        try await vault.put("three", fixture, fixture.key("a", "3"))
        _ = try await vault.remove(fixture.key("a", "1"), ifVersion: nil, deadline: fixture.deadline)
        let page = try await vault.list(user: VaultUser(id: "a", tag: []), after: nil, limit: 10, deadline: fixture.deadline)
        let keys = page.entries.map { entry in
            guard case .key(let key) = entry.name else { return "" }
            return "\(key.connection) \((try? entry.item.get()) == nil ? "unreadable" : "whole")"
        }
        #expect(keys == ["2 whole", "3 whole", "damaged unreadable"] && page.next == nil)
        let all = try await vault.list(user: nil, after: nil, limit: 10, deadline: fixture.deadline)
        #expect(all.entries.count == 4)
    }

    /// The data folder is another app's of the same name: only the operator can know.
    @Test func anAppThatWasMadeAgainIsNamed() async throws {
        try await fixture.vault().put("one", fixture, fixture.key())
        fixture.fake.state.withLock { ($0.secrets, $0.replica) = (.init(version: 1), .init(version: 1)) }
        let vault = try fixture.vault()
        for failure in [
            await fixture.failure { () throws(Failure) in try await vault.put("two", fixture, fixture.key()) },
            await fixture.failure { () throws(Failure) in try await vault.check(deadline: fixture.deadline) },
        ] {
            #expect(failure?.code == .aborted && failure?.message.contains("does not know version 41 of its secrets") == true)
            #expect(failure?.message.contains("remove \(fixture.folder)") == true, "\(String(describing: failure))")
        }
    }

    /// An app's other secrets are nobody's records: they cost no memory.
    @Test func aListLeavesOutWhatIsNoRecord() async throws {
        for name in ["CONNECTOR_a_b", "DATABASE_URL", "CONNECTOR"] { fixture.fake.set(name, "x") }
        let listing = try await fixture.client.list(since: 0, deadline: fixture.deadline)
        #expect(listing.secrets.keys.map(\.text) == ["CONNECTOR_a_b"])
    }

    /// No file becomes damaged after the start: a name is hashed once.
    @Test func namesAreLookedUpOncePerSetOfDamagedFiles() async throws {
        try await fixture.vault().put("x", fixture, fixture.key())
        fixture.fake.set("CONNECTOR_a_b", "x")
        let path = "\(fixture.folder)/\(fixture.files[0])"
        try Data("damaged".utf8).write(to: URL(filePath: path))
        let strange = "\(fixture.folder)/\(String(repeating: "0", count: 32)).sealed"
        try Data("damaged".utf8).write(to: URL(filePath: strange))
        for file in [path, strange] {
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        }
        let vault = try fixture.vault()
        try await vault.check(deadline: fixture.deadline)
        // One of the files has no secret any more: its name stays unknown, and no name is hashed again for it.
        #expect(vault.state.withLock { $0.hasUnnamed && $0.searched.count == 2 && $0.names.map(\.text).count == 1 })
        fixture.fake.set("CONNECTOR_a_c", "x")
        fixture.fake.unset("CONNECTOR_a_b")
        try await vault.check(deadline: fixture.deadline)
        #expect(vault.state.withLock { $0.searched } == [ByteText("CONNECTOR_a_c"), ByteText("CONNECTOR_user123_conn456")])
    }

    @Test func aCheckAsksTheAPI() async throws {
        try await fixture.vault().check(deadline: fixture.deadline)
        #expect(fixture.fake.calls == ["GET secrets"])
    }
}
