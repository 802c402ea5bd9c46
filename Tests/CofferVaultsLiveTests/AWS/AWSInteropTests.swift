import CofferAWS
import CofferCore
import CofferVault
import Foundation
import Testing

/// What boto3 wrote is read here, and what is written here boto3 reads:
/// Tests/Live/boto_interop.py, before and after.
@Suite struct AWSInteropTests {
    private let vault: AWSVault
    private static let envelope = (0..<2).flatMap { _ in (0...255).map { UInt8($0) } }
    private static let legacy =
        "000102030405060708090a0b0c0d0e0f:43ef096e70d29336664ebc1447be5dbe:"
        + "84f20393a01e0e14522362e821af335e7c407bdc981e6e2b9d56a75a5035b6f860ecc38d8f21"
    private static let json =
        #"{"apiKey": "sk_123", "nested": {"text": "a \"quoted\" ü ☃", "list": [1, 2.5, true, null]}, "big": 9007199254740991}"#

    init() throws { vault = try AWSLive.vault(prefix: "ai2-connectors") }

    private func read(_ connection: String) async throws -> VaultItem? {
        try await vault.read(try AWSLive.key("boto", connection), deadline: AWSLive.deadline)
    }

    @Test func readsWhatBotoWrote() async throws {
        #expect(try await read("json")?.payload == AWSLive.text(Self.json))
        #expect(try await read("legacy")?.payload == AWSLive.text(Self.legacy))
        #expect(
            try await read("sealed")
                == VaultItem(
                    payload: .sealed(Self.envelope), version: "v7", createdAt: 1000, updatedAt: 2000, expiresAt: 0))
        #expect(try await read("scheduled") == nil)
        let created = try #require(try await read("json")?.createdAt)
        #expect(SystemClock().wall - created < 600_000)
    }

    @Test(
        arguments: [
            ("json", AWSLive.text(json)), ("legacy", AWSLive.text(legacy)), ("sealed", .sealed(envelope)),
            ("removed", .sealed([1])),
        ] as [(String, VaultPayload)])
    func writesWhatBotoReads(_ connection: String, _ payload: VaultPayload) async throws {
        let key = try AWSLive.key("coffer", connection)
        _ = try await vault.write(key, AWSLive.item("v1", payload), condition: .none, deadline: AWSLive.deadline)
        #expect(try await vault.read(key, deadline: AWSLive.deadline)?.payload == payload)
        if connection == "removed" { #expect(try await vault.remove(key, ifVersion: nil, deadline: AWSLive.deadline)) }
    }
}
