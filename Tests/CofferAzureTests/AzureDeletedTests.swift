import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferAzure

/// Names that a deleted secret has, and what of it comes back.
@Suite(.timeLimit(.minutes(1))) struct AzureDeletedTests {
    private let fixture = AzureFixture()

    private func sent(_ operation: FakeKeyVault.Operation) -> HTTPRequest? {
        fixture.fake.requests.last { FakeCall($0).operation == operation }
    }

    @Test func aDeletedSecretIsRecovered() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        _ = try await fixture.remove(vault)
        fixture.advance(milliseconds: FakeKeyVault.deletion)
        fixture.fake.forget()
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(fixture.fake.calls.prefix(3) == [.get, .set, .recover] && fixture.fake.calls.dropFirst(3).allSatisfy { $0 == .set })
        #expect(sent(.recover)?.path == "/deletedsecrets/\(AzureFixture.secret)/recover?api-version=7.4")
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    @Test func aDeletedSecretIsPurged() async throws {
        let fixture = AzureFixture(deleted: .purge)
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        _ = try await fixture.remove(vault)
        fixture.advance(milliseconds: FakeKeyVault.deletion)
        fixture.fake.forget()
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(fixture.fake.calls.prefix(3) == [.get, .set, .purge])
        #expect(fixture.fake.state.withLock { $0.secrets[AzureFixture.secret]?.versions.count } == 1)
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    /// It takes the service some 12 seconds, and nothing can be done about it before.
    @Test func whatIsStillBeingDeletedIsWaitedFor() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        _ = try await fixture.remove(vault)
        fixture.fake.forget()
        let found = await failure { () async throws(Failure) in
            try await vault.write(try fixture.key(), fixture.item("v2"), condition: .none, deadline: fixture.manual.boot + .seconds(1))
        }
        #expect(found?.code == .aborted && found?.retryable == true && found?.mayHaveWritten == false)
        #expect(found?.retryAfterMilliseconds == 1_000 && !fixture.fake.calls.contains(.recover))
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    /// The deadline comes after the recovery: what was deleted is there again, and is no record.
    @Test func aRecoveryWithoutItsWriteBringsNothingBack() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        _ = try await fixture.remove(vault)
        fixture.advance(milliseconds: FakeKeyVault.deletion)
        let found = await failure { () async throws(Failure) in
            try await vault.write(try fixture.key(), fixture.item("v2"), condition: .none, deadline: fixture.manual.boot + .milliseconds(300))
        }
        #expect(found?.code == .aborted && found?.mayHaveWritten == true)
        fixture.advance(milliseconds: FakeKeyVault.recovery)
        #expect(fixture.fake.state.withLock { $0.secrets[AzureFixture.secret] } != nil)
        #expect(try await fixture.read(vault) == nil)
    }

    @Test(arguments: [AzureOptions.Deleted.recover, .purge])
    func whoMayNotFreeTheNameIsTold(deleted: AzureOptions.Deleted) async throws {
        let fixture = AzureFixture(deleted: deleted)
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        _ = try await fixture.remove(vault)
        fixture.advance(milliseconds: FakeKeyVault.deletion)
        fixture.fake.state.withLock { $0.denied = [.recover, .purge] }
        let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v2")) }
        #expect(found?.code == .permissionDenied && found?.message.contains(deleted.rawValue) == true && found?.mayHaveWritten == false)
    }

    // MARK: What cannot be freed at once

    /// "404 while still being deleted" says the service of what it calls recoverable elsewhere, for a moment.
    @Test(arguments: [(404, "SecretNotFound", nil), (409, "Conflict", "ObjectIsBeingDeleted"), (409, "Conflict", nil)] as [(Int, String, String?)])
    func whatWasNotFreedIsFreedLater(status: Int, code: String, inner: String?) async throws {
        let vault = try await deletedRecord()
        for _ in 0..<2 { fixture.fake.plan(.recover, status, code, inner) }
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(fixture.fake.calls.count { $0 == .recover } == 3)
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    /// Nothing was done, and nothing is said to be under way.
    @Test func whatIsNeverFreedIsSaidSo() async throws {
        let vault = try await deletedRecord()
        for _ in 0..<99 { fixture.fake.plan(.recover, 404, "SecretNotFound") }
        let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v2")) }
        #expect(found?.code == .aborted && found?.retryable == true && found?.mayHaveWritten == false)
        #expect(found?.message.contains("still being deleted") == true)
    }

    /// Another daemon deletes between the recovery and the write.
    @Test func whatIsDeletedAgainIsRecoveredAgain() async throws {
        let vault = try await deletedRecord()
        fixture.fake.plan(.recover, .response(recovered(type: AzureDocument.removed)))
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(fixture.fake.calls.count { $0 == .recover } == 2)
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    /// A recovery that has begun may end although the next one is refused.
    @Test func whatFailsAfterARecoveryMayHaveBroughtSomethingBack() async throws {
        let vault = try await deletedRecord()
        fixture.fake.plan(.recover, .response(recovered(type: AzureDocument.removed)))
        fixture.fake.plan(.recover, 403, "Forbidden", "ForbiddenByRbac")
        let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v2")) }
        #expect(found?.code == .permissionDenied && found?.mayHaveWritten == true && found?.isUnsent == false)
    }

    @Test func aDeleteDuringARecoveryIsToBeRetried() async throws {
        let vault = try await deletedRecord()
        let found = await failure { () async throws(Failure) in
            try await vault.write(try fixture.key(), fixture.item("v2"), condition: .none, deadline: fixture.manual.boot + .milliseconds(300))
        }
        #expect(found?.code == .aborted && found?.mayHaveWritten == true)
        let refused = await failure { () async throws(Failure) in _ = try await fixture.remove(vault) }
        #expect(refused?.code == .aborted && refused?.retryable == true && refused?.mayHaveWritten == false)
        fixture.advance(milliseconds: FakeKeyVault.recovery)
        _ = try await fixture.remove(vault)
        #expect(fixture.fake.state.withLock { $0.secrets.isEmpty && !$0.deleted.isEmpty })
    }

    // MARK: What was deleted without a mark

    /// By a daemon that may not mark, or that purges what it deleted.
    @Test(arguments: [AzureOptions.Deleted.recover, .purge])
    func isMarkedOnceItIsRecovered(deletedBy other: AzureOptions.Deleted) async throws {
        let vault = try await unmarkedRecord(deletedBy: other)
        fixture.fake.plan(.set, 409, "Conflict", "ObjectIsDeletedButRecoverable")
        fixture.fake.plan(.set, 429, "Throttled")
        let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v2")) }
        #expect(found?.code == .resourceExhausted && found?.mayHaveWritten == true)
        let version = try #require(fixture.fake.state.withLock { $0.secrets[AzureFixture.secret]?.versions.last?.id })
        #expect(sent(.update)?.path == "/secrets/\(AzureFixture.secret)/\(version)?api-version=7.4")
        fixture.advance(milliseconds: FakeKeyVault.recovery)
        #expect(try await fixture.read(vault) == nil)
        _ = try await fixture.write(vault, fixture.item("v3"))
        #expect(try await fixture.read(vault)?.version == "v3")
    }

    @Test func whoMayNotMarkItWritesAllTheSame() async throws {
        let vault = try await unmarkedRecord(deletedBy: .purge)
        fixture.fake.state.withLock { $0.denied = [.update] }
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    /// What is to be marked was deleted again.
    @Test func isRecoveredAgainToBeMarked() async throws {
        let vault = try await unmarkedRecord(deletedBy: .purge)
        fixture.fake.plan(.recover, .response(recovered(type: "application/vnd.coffer+json")))
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(fixture.fake.calls.contains(.update) && fixture.fake.calls.count { $0 == .recover } >= 2)
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    // MARK: Helpers

    private func deletedRecord() async throws -> AzureVault {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        _ = try await fixture.remove(vault)
        fixture.advance(milliseconds: FakeKeyVault.deletion)
        fixture.fake.forget()
        return vault
    }

    private func unmarkedRecord(deletedBy other: AzureOptions.Deleted) async throws -> AzureVault {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        var deleting = fixture
        deleting.options.deleted = other
        fixture.fake.state.withLock { $0.denied = [.update] }
        #expect(try await fixture.remove(try deleting.vault()))
        fixture.fake.state.withLock { $0.denied = [] }
        fixture.advance(milliseconds: FakeKeyVault.deletion)
        fixture.fake.forget()
        return vault
    }

    /// The answer to a recovery.
    private func recovered(type: String) -> HTTPResponse {
        let id = "https://my-vault.vault.azure.net/secrets/\(AzureFixture.secret)/\(String(repeating: "0", count: 31))1"
        return HTTPResponse(
            status: 200, body: JSON.object([("id", .string(id)), ("contentType", .string(type))]).encode())
    }
}
