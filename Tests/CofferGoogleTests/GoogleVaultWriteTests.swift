import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferGoogle

@Suite(.timeLimit(.minutes(1))) struct GoogleVaultWriteTests {
    private let fixture = GoogleFixture()
    private static let text = #"{"apiKey":"sk_123","secret":"sec_456"}"#

    private func body(_ operation: FakeSecretManager.Operation, _ fixture: GoogleFixture? = nil) -> String? {
        (fixture ?? self.fixture).fake.requests.last { FakeCall($0).operation == operation }?.sentText
    }

    // MARK: Calls

    @Test func theFirstWriteMakesTheSecret() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1", .text(Secret(Self.text))))
        #expect(fixture.fake.calls == [.access, .create, .addVersion])
        #expect(fixture.fake.requests[1].path == "/v1/projects/my-project/secrets?secretId=\(GoogleFixture.secret)")
        #expect(
            body(.create)
                == #"{"replication":{"automatic":{}},"labels":{"managed-by":"coffer"},"annotations":{"coffer-user":"user123","coffer-connection":"conn456"}}"#)
        #expect(fixture.fake.requests[2].path == "/v1/projects/my-project/secrets/\(GoogleFixture.secret):addVersion")
        // The paper's own vector.
        #expect(
            body(.addVersion)
                == #"{"payload":{"data":"eyJhcGlLZXkiOiJza18xMjMiLCJzZWNyZXQiOiJzZWNfNDU2In0=","dataCrc32c":"3693237187"}}"#)
    }

    @Test func laterWritesAddAVersion() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        fixture.fake.forget()
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(fixture.fake.calls == [.access, .addVersion])
    }

    @Test(arguments: [
        (GoogleOptions(project: "p", location: "europe-west3"), "/v1/projects/p/locations/europe-west3/secrets", ""),
        (GoogleOptions(project: "p", replicas: ["a1", "b2"]), "/v1/projects/p/secrets", #""replication":{"userManaged":{"replicas":[{"location":"a1"},{"location":"b2"}]}},"#),
        (GoogleOptions(project: "example.com:p"), "/v1/projects/example.com:p/secrets", #""replication":{"automatic":{}},"#),
    ])
    func secretsAreMadeWhereTheyAreToBe(options: GoogleOptions, path: String, replication: String) async throws {
        let fixture = GoogleFixture(options: options)
        _ = try await fixture.write(try fixture.vault(), fixture.item())
        #expect(fixture.fake.requests.allSatisfy { $0.path.hasPrefix(path) })
        #expect(body(.create, fixture)?.hasPrefix("{\(replication)\"labels\"") == true)
    }

    @Test func aRaceForTheFirstVersionIsNoFailure() async throws {
        let vault = try fixture.vault()
        fixture.fake.put(GoogleFixture.secret, "{}")
        fixture.fake.plan(.access, 404, "NOT_FOUND")
        _ = try await fixture.write(vault, fixture.item("v1"))
        #expect(fixture.fake.calls == [.access, .create, .addVersion])
        #expect(try await vault.read(try fixture.key(), deadline: fixture.deadline)?.version == "v1")
    }

    @Test func aSecretThatWasDeletedMeanwhileIsMadeAgain() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        fixture.fake.forget()
        fixture.fake.plan(.addVersion, 404, "NOT_FOUND")
        fixture.fake.change(GoogleFixture.secret) { _ in }
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(fixture.fake.calls == [.access, .addVersion, .create, .addVersion])
    }

    @Test func aSecretThatIsNotSeenYetIsWaitedFor() async throws {
        let vault = try fixture.vault()
        for _ in 0..<4 { fixture.fake.plan(.addVersion, 404, "NOT_FOUND") }
        _ = try await fixture.write(vault, fixture.item("v1"))
        #expect(try await vault.read(try fixture.key(), deadline: fixture.deadline)?.version == "v1")
        for _ in 0..<100 { fixture.fake.plan(.addVersion, 404, "NOT_FOUND") }
        let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v2")) }
        #expect(found?.code == .unavailable && found?.retryable == true && found?.mayHaveWritten == false)
    }

    @Test func aProjectThatIsNotThereIsSaid() async throws {
        fixture.fake.plan(.create, 404, "NOT_FOUND")
        let found = await failure { () async throws(Failure) in try await fixture.write(try fixture.vault(), fixture.item()) }
        #expect(found?.code == .failedPrecondition && found?.message.contains("project") == true && found?.mayHaveWritten == false)
    }

    @Test func aWriteWhoseAnswerWasLostIsNotMadeTwice() async throws {
        let vault = try fixture.vault()
        fixture.fake.plan(.addVersion, .lost)
        let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v1")) }
        #expect(found?.mayHaveWritten == true)
        fixture.fake.forget()
        #expect(try await fixture.write(vault, fixture.item("v1")).version == "v1")
        #expect(fixture.fake.calls == [.access])
    }

    @Test func aTextsReceiptIsWhatReadingGives() async throws {
        let vault = try fixture.vault()
        var item = fixture.item("v1", .text(Secret(Self.text)))
        // The service's clock and this host's differ.
        item.updatedAt += 5_000
        let receipt = try await fixture.write(vault, item)
        let found = try #require(try await vault.read(try fixture.key(), deadline: fixture.deadline))
        #expect(found.version == receipt.version && found.updatedAt == item.updatedAt && found.createdAt == receipt.createdAt)
        // Another daemon gives it the same version.
        let theirs = try await fixture.vault().read(try fixture.key(), deadline: fixture.deadline)
        #expect(theirs?.version == receipt.version)
    }

    // MARK: Limits

    @Test func theLargestPayloadsFit() async throws {
        let vault = try fixture.vault()
        let largest = GoogleDocument.maximumPayloadBytes
        for count in [1, 48_900, 49_000, largest] {
            let item = VaultItem(
                payload: .sealed([UInt8](repeating: 255, count: count)),
                version: String(repeating: "v", count: 123) + "\(count + 10_000)",
                createdAt: .max, updatedAt: UInt64(Int64.max), expiresAt: 0)
            _ = try await fixture.write(vault, item)
            #expect(try await vault.read(try fixture.key(), deadline: fixture.deadline)?.payload == item.payload)
        }
        fixture.fake.forget()
        for payload in [VaultPayload.sealed([UInt8](repeating: 0, count: largest + 1)), .sealed([]), .text(Secret(String(repeating: "x", count: 65_537)))] {
            let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v", payload)) }
            #expect(found?.code == .invalidArgument && found?.reason == .credentialTooLarge)
        }
        #expect(fixture.fake.calls == [])
    }

    @Test(arguments: [#"{"coffer":"coffer1:AQID"}"#, "coffer1b…"])
    func aTextThatLooksSealedIsRefused(text: String) async throws {
        let found = await failure { () async throws(Failure) in
            try await fixture.write(try fixture.vault(), fixture.item("v", .text(Secret(text))))
        }
        #expect(found?.code == .invalidArgument && fixture.fake.calls == [])
    }

    @Test func conditionsAreRefusedBeforeAnythingIsSent() async throws {
        let vault = try fixture.vault()
        for condition in [WriteCondition.ifAbsent, .ifVersion("v")] {
            let found = await failure { () async throws(Failure) in
                try await vault.write(try fixture.key(), fixture.item(), condition: condition, deadline: fixture.deadline)
            }
            #expect(found?.code == .failedPrecondition)
        }
        #expect(fixture.fake.calls == [] && !vault.capabilities.conditionalWrites && !vault.capabilities.nativeExpiry)
    }

    /// A secret's own expiry lets every version go, also one that was added since: an acknowledged Store could be lost.
    @Test func theServicesExpiryIsNotUsed() async throws {
        var item = fixture.item("v1")
        item.expiresAt = fixture.manual.wall + 60_000
        _ = try await fixture.write(try fixture.vault(), item)
        let create = try #require(body(.create))
        #expect(!create.contains("ttl") && !create.contains("expire"))
    }

    // MARK: Old versions

    private func states(_ fixture: GoogleFixture) -> [String] {
        fixture.fake.state.withLock { $0.secrets[GoogleFixture.secret]?.versions.map(\.state) ?? [] }
    }

    @Test(arguments: [0, 1, 2, 3])
    func asManyVersionsStayAsAreWanted(kept: Int) async throws {
        let fixture = GoogleFixture(options: GoogleOptions(project: "p", versionsKept: kept))
        let vault = try fixture.vault()
        for number in 1...6 { _ = try await fixture.write(vault, fixture.item("v\(number)")) }
        let gone = kept == 0 ? 0 : 6 - kept
        #expect(states(fixture) == [String](repeating: "DESTROYED", count: gone) + [String](repeating: "ENABLED", count: 6 - gone))
        #expect(fixture.fake.calls.count { $0 == .destroy } == gone)
    }

    private func expectTwoLive(of count: Int) {
        #expect(states(fixture) == [String](repeating: "DESTROYED", count: count - 2) + ["ENABLED", "ENABLED"])
    }

    @Test func destroysVersionsThatOthersAdded() async throws {
        let vault = try fixture.vault()
        for number in 1...3 { _ = try await fixture.write(vault, fixture.item("v\(number)")) }
        for _ in 0..<3 { fixture.fake.put(GoogleFixture.secret, "{}") }
        _ = try await fixture.write(vault, fixture.item("v4"))
        expectTwoLive(of: 7)
        #expect(try await vault.read(try fixture.key(), deadline: fixture.deadline)?.version == "v4")
        fixture.fake.forget()
        _ = try await fixture.write(vault, fixture.item("v5"))
        #expect(fixture.fake.calls == [.access, .addVersion, .destroy], "what is known is not listed again")
    }

    @Test func destroysWhatAnotherDaemonLeft() async throws {
        for number in 1...7 { fixture.fake.put(GoogleFixture.secret, "{\"n\":\(number)}") }
        _ = try await fixture.write(try fixture.vault(), fixture.item("v8"))
        expectTwoLive(of: 8)
    }

    /// Not all at once: a Store has to end.
    @Test(arguments: [(20, 3), (1_050, 1)]) func destroysManyVersionsByAndBy(count: Int, stores: Int) async throws {
        for number in 1...count { fixture.fake.put(GoogleFixture.secret, "{\"n\":\(number)}") }
        let vault = try fixture.vault()
        for number in 1...stores {
            _ = try await fixture.write(vault, fixture.item("v\(number)"))
            let gone = min(8 * number, count + number - 2)
            #expect(states(fixture).map { $0 == "DESTROYED" } == (1...count + number).map { $0 <= gone })
        }
        #expect(fixture.fake.calls.count { $0 == .listVersions } == (count > 1_000 ? 2 : 1))
    }

    @Test(arguments: [400, 404, 429, 503, 0])
    func destroysLaterWhatItCouldNotDestroy(status: Int) async throws {
        let vault = try fixture.vault()
        for number in 1...2 { _ = try await fixture.write(vault, fixture.item("v\(number)")) }
        let names = [400: "FAILED_PRECONDITION", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"]
        if let name = names[status] {
            fixture.fake.plan(.destroy, status, name)
        } else {
            fixture.fake.plan(.destroy, .error(HTTPError(.interrupted, isUnsent: true)))
        }
        _ = try await fixture.write(vault, fixture.item("v3"))
        #expect(states(fixture) == ["ENABLED", "ENABLED", "ENABLED"])
        _ = try await fixture.write(vault, fixture.item("v4"))
        expectTwoLive(of: 4)
    }

    @Test func destroysTheVersionOfAWriteWhoseAnswerWasLost() async throws {
        let vault = try fixture.vault()
        for number in 1...2 { _ = try await fixture.write(vault, fixture.item("v\(number)")) }
        fixture.fake.plan(.addVersion, .lost)
        _ = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v3")) }
        for number in 4...5 { _ = try await fixture.write(vault, fixture.item("v\(number)")) }
        expectTwoLive(of: 5)
    }

    /// Deleted and stored again elsewhere between this write and its destructions: the numbers are the same, and the only
    /// version of the new secret is the record.
    @Test(arguments: [1, 2]) func neverDestroysVersionsOfASecretThatWasMadeAgain(kept: Int) async throws {
        let fixture = GoogleFixture(options: GoogleOptions(project: "p", versionsKept: kept))
        let vault = try fixture.vault()
        for number in 1...kept { _ = try await fixture.write(vault, fixture.item("v\(number)")) }
        for isListed in [false, true] {
            if isListed { vault.memory.forgetVersions(of: GoogleFixture.secret) }
            fixture.manual.advance(milliseconds: 1_000)
            let payload = Secret("{}")
            let made = FakeSecretManager.Version(
                data: Base64.text(payload).text, checksum: String(CRC32C.checksum(payload)), created: fixture.manual.wall)
            fixture.fake.plan(.addVersion, .after { $0.secrets[GoogleFixture.secret]?.versions = [made] })
            _ = try await fixture.write(vault, fixture.item("again"))
            #expect(states(fixture) == ["ENABLED"])
            for number in 0..<kept { fixture.fake.put(GoogleFixture.secret, "{\"n\":\(number)}") }
        }
    }

    /// Of two daemons that store at once, the one that comes later to destroy leaves the newer version.
    @Test func neverDestroysWhatIsNewer() async throws {
        let fixture = GoogleFixture(options: GoogleOptions(project: "p", versionsKept: 1))
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        vault.memory.forgetVersions(of: GoogleFixture.secret)
        let now = fixture.manual.wall
        fixture.fake.plan(
            .addVersion,
            .after { state in
                let payload = Secret("{}")
                state.secrets[GoogleFixture.secret]?.versions.append(
                    .init(data: Base64.text(payload).text, checksum: String(CRC32C.checksum(payload)), created: now + 1))
            })
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(states(fixture) == ["DESTROYED", "DESTROYED", "ENABLED"] || states(fixture) == ["DESTROYED", "ENABLED", "ENABLED"])
        #expect(states(fixture).last == "ENABLED")
    }

    @Test(arguments: [FakeSecretManager.Operation.destroy, .listVersions])
    func aStoreWaitsASecondAtMostForDestruction(operation: FakeSecretManager.Operation) async throws {
        let vault = try fixture.vault()
        for number in 1...2 { _ = try await fixture.write(vault, fixture.item("v\(number)")) }
        if operation == .listVersions { vault.memory.forgetVersions(of: GoogleFixture.secret) }
        fixture.fake.plan(operation, .silence)
        let before = fixture.manual.boot
        #expect(try await fixture.write(vault, fixture.item("v3")).version == "v3")
        #expect(fixture.manual.boot <= before + .milliseconds(1_001) && fixture.fake.calls.last == operation)
    }

    @Test(arguments: [(400, "FAILED_PRECONDITION"), (404, "NOT_FOUND"), (503, "UNAVAILABLE"), (429, "RESOURCE_EXHAUSTED")])
    func whatIsNotDestroyedInPassingFailsNoStore(code: Int, status: String) async throws {
        let vault = try fixture.vault()
        for number in 1...2 { _ = try await fixture.write(vault, fixture.item("v\(number)")) }
        fixture.fake.plan(.destroy, code, status)
        #expect(try await fixture.write(vault, fixture.item("v3")).version == "v3")
        #expect(fixture.fake.calls.last == .destroy)
    }

    @Test func aRoleThatMayNotDestroyIsSaid() async throws {
        let vault = try fixture.vault()
        for number in 1...2 { _ = try await fixture.write(vault, fixture.item("v\(number)")) }
        fixture.fake.plan(.destroy, 403, "PERMISSION_DENIED")
        let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v3")) }
        #expect(found?.code == .permissionDenied && found?.mayHaveWritten == true && found?.retryable == false)
        #expect(found?.message.contains("secretmanager.versions.destroy and secretmanager.versions.list") == true)
    }

    // MARK: Removing

    @Test func aRemovalDeletesTheSecret() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        fixture.fake.forget()
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline))
        #expect(fixture.fake.calls == [.access, .delete])
        #expect(fixture.fake.requests[1].path == "/v1/projects/my-project/secrets/\(GoogleFixture.secret)")
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline) == false)
    }

    @Test func whoMayNotReadMayRemove() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        fixture.fake.plan(.access, 403, "PERMISSION_DENIED")
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline))
        fixture.fake.plan(.access, 403, "PERMISSION_DENIED")
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline) == false)
    }
}
