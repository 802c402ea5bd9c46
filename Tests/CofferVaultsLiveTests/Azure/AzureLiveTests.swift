import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Testing

@testable import CofferAzure

/// Ways to log in, and records that are shared with Microsoft's own client: Tests/Live/azure_interop.py, before and after.
@Suite(.serialized) struct AzureLiveTests {
    private static let envelope = (0..<2).flatMap { _ in (0...255).map { UInt8($0) } }
    private static let json =
        #"{"apiKey": "sk_123", "nested": {"text": "a \"quoted\" ü ☃", "list": [1, 2.5, true, null]}, "big": 9007199254740991}"#
    /// 2040-01-02T03:04:05Z.
    private static let expires: WallMilliseconds = 2_209_086_245_000

    // MARK: Shared records

    @Test func readsWhatTheClientWrote() async throws {
        let vault = try AzureLive.vault(prefix: "c")
        let json = try #require(try await vault.read(try AzureLive.key("sdk", "json"), deadline: AzureLive.deadline))
        #expect(json.payload == AzureLive.text(Self.json) && json.version.utf8.count == 32 && json.expiresAt == Self.expires)
        #expect(SystemClock().wall - json.createdAt < 600_000)
        #expect(
            try await vault.read(try AzureLive.key("sdk", "sealed"), deadline: AzureLive.deadline)
                == VaultItem(payload: .sealed(Self.envelope), version: "v7", createdAt: 1000, updatedAt: 2000, expiresAt: 0))
    }

    @Test(
        arguments: [("json", AzureLive.text(json)), ("sealed", .sealed(envelope)), ("removed", .sealed([1]))]
            as [(String, VaultPayload)])
    func writesWhatTheClientReads(_ connection: String, _ payload: VaultPayload) async throws {
        let vault = try AzureLive.vault(prefix: "c")
        let key = try AzureLive.key("coffer", connection)
        let item = AzureLive.item("v1", payload, expiresAt: Self.expires)
        _ = try await vault.write(key, item, condition: .none, deadline: AzureLive.deadline)
        #expect(try await vault.read(key, deadline: AzureLive.deadline)?.payload == payload)
        if connection == "removed" {
            #expect(try await vault.remove(key, ifVersion: nil, deadline: AzureLive.deadline))
        }
    }

    /// Its deletion has no mark, and the Store that recovers it fails.
    @Test func whatAnotherProgramDeletedDoesNotComeBack() async throws {
        let vault = try AzureLive.vault()
        let key = try AzureLive.key("u", "unmarked")
        let secret = vault.names.name(of: key.key)
        func write(_ version: String) async throws(Failure) {
            _ = try await vault.write(key, AzureLive.item(version), condition: .none, deadline: AzureLive.deadline)
        }
        try await write("v1")
        _ = try await vault.client.call(.delete, "/secrets/\(secret)", deadline: AzureLive.deadline)
        // Until it can be recovered.
        try await Task.sleep(for: .milliseconds(400))
        let refusals = [
            (409, #"{"error":{"code":"Conflict","innererror":{"code":"ObjectIsDeletedButRecoverable"}}}"#),
            (429, #"{"error":{"code":"Throttled"}}"#),
        ]
        for (status, body) in refusals {
            let plan = JSON.object([
                ("when", .string("PUT /secrets/\(secret)?")), ("status", .integer(status)), ("body", .string(body)),
            ])
            try await AzureLive.control("plan", plan.encode().text ?? "")
        }
        let found = await failure { () async throws(Failure) in try await write("v2") }
        #expect(found?.code == .resourceExhausted && found?.mayHaveWritten == true)
        #expect(try await vault.secret(secret, AzureLive.deadline)?.contentType == AzureDocument.removed)
        #expect(try await vault.read(key, deadline: AzureLive.deadline) == nil)
        // Until the name is free for others too.
        try await Task.sleep(for: .milliseconds(300))
        try await write("v3")
        #expect(try await vault.read(key, deadline: AzureLive.deadline)?.version == "v3")
    }

    // MARK: Ways to log in

    private struct Way: Sendable {
        let name: String
        let variables: [String: String]
        var change: @Sendable (inout AzureOptions) -> Void = { _ in }
    }

    private static func ways() throws -> [Way] {
        let host = try AzureLive.variable("HOST")
        let (secret, certificate, subject) = (
            try AzureLive.file("client-secret"), try AzureLive.file("app-key.pem"), try AzureLive.file("subject")
        )
        return [
            Way(name: "secret", variables: AzureLive.secret),
            Way(name: "secretFile", variables: [:]) { $0.clientSecretFile = secret },
            Way(name: "certificate", variables: [:]) { $0.certificateFile = certificate },
            Way(name: "chain", variables: ["AZURE_CLIENT_SEND_CERTIFICATE_CHAIN": "1"]) { $0.certificateFile = certificate },
            Way(name: "federation", variables: [:]) { $0.federatedTokenFile = subject },
            Way(name: "machine", variables: ["AZURE_POD_IDENTITY_AUTHORITY_HOST": host]) { $0.client = "purger" },
            Way(name: "app-service", variables: ["IDENTITY_ENDPOINT": host + "/msi/token", "IDENTITY_HEADER": "live-proof"]) { $0.client = nil },
        ]
    }

    @Test func everyWayLogsIn() async throws {
        for way in try Self.ways() {
            let vault = try AzureLive.vault(way.variables, change: way.change)
            let found = await failure { () async throws(Failure) in try await vault.check(deadline: AzureLive.deadline) }
            #expect(found == nil, "\(way.name)")
        }
    }

    /// The server forgets every token: each vault logs in again by itself, once, and takes the challenge's word.
    @Test func aTokenThatIsNoLongerAcceptedIsReplaced() async throws {
        let recorder = Recorder()
        let vault = try AzureLive.vault(recorder: recorder)
        try await vault.check(deadline: AzureLive.deadline)
        try await AzureLive.control("expire")
        try await vault.check(deadline: AzureLive.deadline)
        #expect(recorder.requests.count { $0.path.hasSuffix("/token") } == 2)
    }

    /// The challenge names a resource that 127.0.0.1 is no part of.
    @Test func aVaultByAnotherNameGetsNoTokenUnlessItIsConfigured() async throws {
        let recorder = Recorder()
        let vault = try AzureLive.vault(change: { $0.resource = nil }, recorder: recorder)
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: AzureLive.deadline) }
        #expect(found?.code == .failedPrecondition && found?.message.contains("set resource") == true)
        #expect(recorder.requests.count == 1 && recorder.requests[0].headers.allSatisfy { $0.name != "Authorization" })
    }

    @Test func aClockThatIsWrongIsNamed() async throws {
        let clock = SettableClock()
        clock.manual.advance(milliseconds: 7_200_000)
        let certificate = try AzureLive.file("app-key.pem")
        let vault = try AzureLive.vault([:], change: { $0.certificateFile = certificate }, clock: clock)
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: AzureLive.deadline) }
        #expect(found?.code == .unauthenticated && found?.message.contains("clock") == true)
    }

    @Test(arguments: [("reader", true), ("nobody", false)])
    func aCheckShowsWhatTheRoleMay(role: String, isEnough: Bool) async throws {
        let vault = try AzureLive.vault(change: { $0.client = role })
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: AzureLive.deadline) }
        #expect(found?.code == (isEnough ? nil : .permissionDenied))
    }

    // MARK: What is sent

    /// Written for azure_interop.py, which compares it with what Microsoft's own client sends for the same operations.
    @Test func showsWhatItSends() async throws {
        var sent: [String: Any] = [:]
        func keep(_ operation: String, _ request: HTTPRequest?) throws {
            let request = try #require(request, "nothing was sent for \(operation)")
            let headers = Dictionary(uniqueKeysWithValues: request.headers.map { ($0.name.lowercased(), $0.value.text ?? "") })
            sent[operation] = ["method": request.method.rawValue, "path": request.path, "headers": headers, "body": request.body?.text ?? ""]
        }
        for deleted in AzureOptions.Deleted.allCases {
            let recorder = Recorder()
            let vault = try AzureLive.vault(
                prefix: "c", change: { ($0.client, $0.deleted) = ("purger", deleted) }, recorder: recorder)
            let key = try AzureLive.key("sdk", "requests")
            let item = AzureLive.item("v", AzureLive.text(#"{"apiKey":"sk_123","secret":"sec_456"}"#), expiresAt: Self.expires)
            func write() async throws(Failure) {
                _ = try await vault.write(key, item, condition: .none, deadline: AzureLive.deadline)
            }
            try await write()
            _ = try await vault.list(user: VaultUser(id: "sdk", tag: []), after: nil, limit: 7, deadline: AzureLive.deadline)
            _ = try await vault.remove(key, ifVersion: nil, deadline: AzureLive.deadline)
            try await write()
            func last(_ method: HTTPRequest.Method, _ part: String) -> HTTPRequest? {
                recorder.requests.last { $0.method == method && $0.path.hasPrefix(part) }
            }
            if deleted == .recover {
                try keep("set", last(.put, "/secrets/"))
                try keep("get", last(.get, "/secrets/"))
                try keep("list", recorder.requests.first { $0.method == .get && $0.path.contains("maxresults=7") })
                try keep("mark", last(.patch, "/secrets/"))
                try keep("delete", last(.delete, "/secrets/"))
                try keep("recover", last(.post, "/deletedsecrets/"))
            } else {
                try keep("purge", last(.delete, "/deletedsecrets/"))
            }
        }
        for way in try Self.ways() where !["secretFile", "chain"].contains(way.name) {
            let recorder = Recorder()
            try await AzureLive.vault(way.variables, change: way.change, recorder: recorder).check(deadline: AzureLive.deadline)
            #expect(recorder.requests.count == 2)
            try keep(way.name, recorder.requests.first)
        }
        let data = try JSONSerialization.data(withJSONObject: sent)
        try data.write(to: URL(filePath: try AzureLive.file("ours.json")))
    }
}
