import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferAWS

/// What a Store and a Delete ask, call by call.
@Suite struct AWSVaultWriteTests {
    private let fixture = AWSFixture()
    private var fake: FakeSecretsManager { fixture.fake }

    private func write(_ vault: AWSVault, _ item: VaultItem) async throws(Failure) -> WallMilliseconds {
        try await vault.write(try fixture.key(), item, condition: .none, deadline: fixture.deadline).createdAt
    }

    @Test func createsWhatIsMissing() async throws {
        _ = try await write(try fixture.vault(), fixture.item())
        #expect(fake.calls == ["GetSecretValue", "CreateSecret"])
        let body = try #require(fake.bodies.last)
        #expect(body["Name"]?.text == "ai2-connectors/user123/conn456")
        #expect(body["Description"]?.text == "AI2 Connector credentials for user user123, connection conn456")
        let tags = body["Tags"]?.elements?.map { "\($0["Key"]?.text ?? "")=\($0["Value"]?.text ?? "")" }
        #expect(tags == ["Service=ai2-connectors", "UserId=user123", "ConnectionId=conn456"])
        #expect(body["SecretString"]?.text?.hasPrefix(#"{"coffer":"coffer1:AQID","version":"v1","created":"#) == true)
        #expect(body["KmsKeyId"] == nil)
        let token = try #require(body["ClientRequestToken"]?.text)
        #expect(token.utf8.count == 36 && token.split(separator: "-").map(\.count) == [8, 4, 4, 4, 12])
    }

    @Test func namesTheKeyThatIsConfigured() async throws {
        let fixture = AWSFixture(options: AWSOptions(keyID: "alias/coffer"))
        _ = try await fixture.vault().write(
            try fixture.key(), fixture.item(), condition: .none, deadline: fixture.deadline)
        #expect(fixture.fake.bodies.last?["KmsKeyId"]?.text == "alias/coffer")
    }

    @Test func leavesIDsOutOfTagsThatCannotHoldThem() async throws {
        _ = try await fixture.vault().write(
            try fixture.key("ü", "aws:x"), fixture.item(), condition: .none, deadline: fixture.deadline)
        #expect(fake.bodies.last?["Tags"]?.elements?.compactMap { $0["Key"]?.text } == ["Service"])
    }

    @Test func putsWhatIsThere() async throws {
        let vault = try fixture.vault()
        _ = try await write(vault, fixture.item("v1"))
        fake.forget()
        _ = try await write(vault, fixture.item("v2"))
        #expect(fake.calls == ["GetSecretValue", "PutSecretValue"])
        #expect(fake.bodies.last?["Tags"] == nil)
    }

    @Test func putsAfterARaceForTheName() async throws {
        fake.plan("CreateSecret", refusal: "ResourceExistsException")
        let vault = try fixture.vault()
        fake.state.withLock { state in
            state.secrets["ai2-connectors/user123/conn456"] = .init(text: "{}", token: "other", created: 1, body: .null)
        }
        // The first look came too early to see it.
        fake.plan("GetSecretValue", refusal: "ResourceNotFoundException")
        _ = try await write(vault, fixture.item())
        #expect(fake.calls == ["GetSecretValue", "CreateSecret", "PutSecretValue"])
    }

    @Test func createsWhatVanished() async throws {
        let vault = try fixture.vault()
        _ = try await write(vault, fixture.item("v1"))
        fake.forget()
        fake.plan("PutSecretValue", refusal: "ResourceNotFoundException")
        fake.state.withLock { $0.secrets = [:] }
        fake.plan(
            "GetSecretValue",
            .response(HTTPResponse.aws(200, #"{"VersionId":"x","CreatedDate":1.5,"SecretString":"{}"}"#)))
        _ = try await write(vault, fixture.item("v2"))
        #expect(fake.calls == ["GetSecretValue", "PutSecretValue", "CreateSecret"])
    }

    @Test func restoresWhatIsScheduledForDeletion() async throws {
        let fixture = AWSFixture(options: AWSOptions(deletion: .recoverable(days: 7)))
        let vault = try fixture.vault()
        let key = try fixture.key()
        _ = try await vault.write(key, fixture.item("v1"), condition: .none, deadline: fixture.deadline)
        #expect(try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline))
        #expect(fixture.fake.bodies.last?["RecoveryWindowInDays"]?.integer == 7)
        fixture.fake.forget()
        _ = try await vault.write(key, fixture.item("v2"), condition: .none, deadline: fixture.deadline)
        #expect(fixture.fake.calls == ["GetSecretValue", "RestoreSecret", "PutSecretValue"])
        #expect(try await vault.read(key, deadline: fixture.deadline)?.version == "v2")
    }

    /// It is there again, with its old value: the vault has changed.
    @Test func whatFailsAfterARestoreWasSent() async throws {
        let fixture = AWSFixture(options: AWSOptions(deletion: .recoverable(days: 7)))
        let vault = try fixture.vault()
        let key = try fixture.key()
        _ = try await vault.write(key, fixture.item("v1"), condition: .none, deadline: fixture.deadline)
        _ = try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
        fixture.fake.plan("PutSecretValue", .error(HTTPError(.refused, isUnsent: true)))
        let error = await failure { () async throws(Failure) in
            _ = try await vault.write(key, fixture.item("v2"), condition: .none, deadline: fixture.deadline)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.isUnsent == false)
    }

    @Test func waitsForANameThatIsStillTaken() async throws {
        for _ in 0..<3 {
            fake.plan("CreateSecret", refusal: "InvalidRequestException", message: "already scheduled for deletion")
            fake.plan("RestoreSecret", refusal: "ResourceNotFoundException")
        }
        let start = fixture.manual.boot
        _ = try await write(try fixture.vault(), fixture.item())
        let round = ["CreateSecret", "RestoreSecret"]
        #expect(fake.calls == ["GetSecretValue"] + round + round + round + ["CreateSecret"])
        let waited = fixture.manual.boot.milliseconds(since: start)
        #expect((600...8_000).contains(waited), "\(waited) ms")
        #expect(Set(fake.bodies.compactMap { $0["ClientRequestToken"]?.text }).count == 1)
    }

    @Test func givesUpOnTheNameInTime() async throws {
        for _ in 0..<100 {
            fake.plan("CreateSecret", refusal: "InvalidRequestException", message: "already scheduled for deletion")
            fake.plan("RestoreSecret", refusal: "ResourceNotFoundException")
        }
        let deadline = fixture.deadline
        let vault = try fixture.vault()
        let failure = await #expect(throws: Failure.self) {
            try await vault.write(try fixture.key(), fixture.item(), condition: .none, deadline: deadline)
        }
        #expect(failure?.code == .failedPrecondition)
        #expect(
            failure?.message
                == "AWS Secrets Manager: the secret is being deleted and could not be restored; try again in a minute, or allow secretsmanager:RestoreSecret"
        )
        #expect(fixture.manual.boot < deadline)
    }

    /// A write whose answer was lost is one write when it is sent again.
    @Test func isOneWriteHoweverOftenItIsSent() async throws {
        let vault = try fixture.vault()
        let item = fixture.item("v1")
        fake.plan("CreateSecret", .lost)
        let failure = await #expect(throws: Failure.self) { try await write(vault, item) }
        #expect(failure?.code == .unavailable && failure?.retryable == true && failure?.isUnsent == false)
        #expect(try await write(vault, item) == item.updatedAt)
        #expect(fake.calls == ["GetSecretValue", "CreateSecret", "GetSecretValue"])
        // Reads that lag behind: it is sent again, with the same token and text.
        fake.plan("GetSecretValue", refusal: "ResourceNotFoundException")
        #expect(try await write(vault, item) == item.updatedAt)
        let sent = fake.bodies.filter { $0["ClientRequestToken"] != nil }
        #expect(sent.count == 3)
        #expect(Set(sent.map { $0["ClientRequestToken"]?.text }).count == 1)
        #expect(Set(sent.map { $0["SecretString"]?.text }).count == 1)
    }

    @Test func tokensDifferBetweenWritesAndNames() async throws {
        let vault = try fixture.vault()
        for (connection, version) in [("a", "v1"), ("b", "v1"), ("a", "v2")] {
            _ = try await vault.write(
                try fixture.key("u", connection), fixture.item(version), condition: .none, deadline: fixture.deadline)
        }
        #expect(Set(fake.bodies.compactMap { $0["ClientRequestToken"]?.text }).count == 3)
    }

    @Test func aTokenUsedForOtherContentIsAborted() async throws {
        let vault = try fixture.vault()
        _ = try await write(vault, fixture.item("v1"))
        fake.plan("PutSecretValue", refusal: "ResourceExistsException")
        fake.plan("PutSecretValue", refusal: "ResourceExistsException")
        let failure = await #expect(throws: Failure.self) { try await write(vault, fixture.item("v2")) }
        #expect(failure?.code == .aborted)
    }

    // MARK: Deleting

    @Test func deletesForGood() async throws {
        let vault = try fixture.vault()
        _ = try await write(vault, fixture.item())
        fake.forget()
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline))
        #expect(fake.calls == ["GetSecretValue", "DeleteSecret"])
        #expect(fake.bodies.last?["ForceDeleteWithoutRecovery"]?.bool == true)
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline) == false)
    }

    @Test(arguments: [
        ("ResourceNotFoundException", ""), ("InvalidRequestException", "the secret is scheduled for deletion"),
    ])
    func deletingWhatIsGoneIsNoFailure(_ name: String, _ message: String) async throws {
        fake.plan("DeleteSecret", refusal: name, message: message)
        #expect(
            try await fixture.vault().remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline) == false)
    }

    @Test(arguments: ["AccessDeniedException", "DecryptionFailure"])
    func deletesWhatItMayNotRead(_ refusal: String) async throws {
        let vault = try fixture.vault()
        _ = try await write(vault, fixture.item())
        fake.forget()
        fake.plan("GetSecretValue", refusal: refusal)
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline))
        #expect(fake.calls == ["GetSecretValue", "DescribeSecret", "DeleteSecret"])
        fake.plan("GetSecretValue", refusal: refusal)
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline) == false)
    }
}
