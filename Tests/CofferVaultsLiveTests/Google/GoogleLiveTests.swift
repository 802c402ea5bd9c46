import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Testing

@testable import CofferGoogle

/// Credentials, and records that are shared with Google's own client: Tests/Live/google_interop.py, before and after.
@Suite(.serialized) struct GoogleLiveTests {
    private static let envelope = (0..<2).flatMap { _ in (0...255).map { UInt8($0) } }
    private static let json =
        #"{"apiKey": "sk_123", "nested": {"text": "a \"quoted\" ü ☃", "list": [1, 2.5, true, null]}, "big": 9007199254740991}"#

    // MARK: Shared records

    @Test func readsWhatTheClientWrote() async throws {
        let vault = try GoogleLive.vault(prefix: "ai2-connectors")
        let json = try #require(try await vault.read(try GoogleLive.key("sdk", "json"), deadline: GoogleLive.deadline))
        #expect(json.payload == GoogleLive.text(Self.json) && json.version.hasPrefix("1-"))
        #expect(SystemClock().wall - json.createdAt < 600_000)
        #expect(
            try await vault.read(try GoogleLive.key("sdk", "sealed"), deadline: GoogleLive.deadline)
                == VaultItem(
                    payload: .sealed(Self.envelope), version: "v7", createdAt: 1000, updatedAt: 2000, expiresAt: 0))
    }

    @Test(
        arguments: [("json", GoogleLive.text(json)), ("sealed", .sealed(envelope)), ("removed", .sealed([1]))]
            as [(String, VaultPayload)])
    func writesWhatTheClientReads(_ connection: String, _ payload: VaultPayload) async throws {
        let vault = try GoogleLive.vault(prefix: "ai2-connectors")
        let key = try GoogleLive.key("coffer", connection)
        _ = try await vault.write(key, GoogleLive.item("v1", payload), condition: .none, deadline: GoogleLive.deadline)
        #expect(try await vault.read(key, deadline: GoogleLive.deadline)?.payload == payload)
        if connection == "removed" {
            #expect(try await vault.remove(key, ifVersion: nil, deadline: GoogleLive.deadline))
        }
    }

    // MARK: Credentials

    @Test(arguments: ["app", "federation", "federation-url", "user"])
    func everyFileLogsIn(name: String) async throws {
        let vault = try GoogleLive.vault(try GoogleLive.file(name))
        try await vault.check(deadline: GoogleLive.deadline)
    }

    @Test func theMetadataServerLogsIn() async throws {
        try await GoogleLive.vault(try GoogleLive.instance()).check(deadline: GoogleLive.deadline)
    }

    /// The server forgets the token: the vault logs in again by itself, once.
    @Test func aTokenThatIsNoLongerAcceptedIsReplaced() async throws {
        let recorder = Recorder()
        let vault = try GoogleLive.vault(try GoogleLive.file("app"), recorder: recorder)
        try await vault.check(deadline: GoogleLive.deadline)
        let header = try #require(recorder.requests.last?.headers.first { $0.name == "Authorization" }?.value.text)
        try await GoogleLive.control("expire", #"{"authorization":"\#(header)"}"#)
        try await vault.check(deadline: GoogleLive.deadline)
        #expect(recorder.requests.count { $0.path == "/token" } == 2)
    }

    @Test func aClockThatIsWrongIsNamed() async throws {
        let clock = SettableClock()
        clock.manual.advance(milliseconds: 7_200_000)
        let vault = try GoogleLive.vault(try GoogleLive.file("app"), clock: clock)
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: GoogleLive.deadline) }
        #expect(found?.code == .unauthenticated && found?.message.contains("clock") == true)
    }

    @Test(arguments: [("reader", true), ("nobody", false)])
    func aCheckShowsWhatTheRoleMay(role: String, isEnough: Bool) async throws {
        let vault = try GoogleLive.vault(try GoogleLive.file(role))
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: GoogleLive.deadline) }
        #expect(found?.code == (isEnough ? nil : .permissionDenied))
    }

    @Test func aRoleThatMayNotDestroyIsSaid() async throws {
        let vault = try GoogleLive.vault(try GoogleLive.file("nodestroy"))
        let key = try GoogleLive.key("u", "c")
        for version in ["v1", "v2"] {
            _ = try await vault.write(key, GoogleLive.item(version), condition: .none, deadline: GoogleLive.deadline)
        }
        let found = await failure { () async throws(Failure) in
            try await vault.write(key, GoogleLive.item("v3"), condition: .none, deadline: GoogleLive.deadline)
        }
        #expect(found?.code == .permissionDenied && found?.mayHaveWritten == true)
        #expect(try await vault.read(key, deadline: GoogleLive.deadline)?.version == "v3")
    }
}
