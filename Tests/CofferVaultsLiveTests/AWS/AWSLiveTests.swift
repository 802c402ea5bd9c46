import CofferAWS
import CofferCore
import CofferHTTP
import CofferVault
import Foundation
import Testing

/// What the emulators are faithful about, each asked where it is.
@Suite(.serialized) struct AWSLiveTests {
    // MARK: MiniStack

    @Test func aHundredKeysAreFiveCalls() async throws {
        let counter = Counter()
        let vault = try AWSLive.vault(counter: counter)
        let keys = try (0..<100).map { try AWSLive.key("u", "c\($0)") }
        for (number, key) in keys.enumerated() where number.isMultiple(of: 2) {
            _ = try await vault.write(key, AWSLive.item("v\(number)"), condition: .none, deadline: AWSLive.deadline)
        }
        counter.reset()
        let found = await vault.readMany(keys, deadline: AWSLive.deadline)
        #expect(counter.operations == [String](repeating: "BatchGetSecretValue", count: 5))
        for (number, outcome) in found.enumerated() {
            #expect(try outcome.get()?.version == (number.isMultiple(of: 2) ? "v\(number)" : nil))
        }
    }

    @Test func batchesThatAreNotAllowedAreTriedOnce() async throws {
        let counter = Counter()
        let prefix = AWSLive.freshPrefix()
        let keys = try (0..<3).map { try AWSLive.key("u", "c\($0)") }
        let writer = try AWSLive.vault(prefix: prefix)
        _ = try await writer.write(keys[1], AWSLive.item("v1"), condition: .none, deadline: AWSLive.deadline)
        let vault = try AWSLive.vault(try AWSLive.variables(user: "NOBATCH"), prefix: prefix, counter: counter)
        for _ in 0..<2 {
            let found = await vault.readMany(keys, deadline: AWSLive.deadline)
            #expect(try found.map { try $0.get()?.version } == [nil, "v1", nil])
        }
        #expect(counter.operations.count { $0 == "GetSecretValue" } == 6)
        #expect(counter.operations.count { $0 == "BatchGetSecretValue" } <= 1)
    }

    @Test func storesWhatIsScheduledForDeletion() async throws {
        let counter = Counter()
        let vault = try AWSLive.vault(deletion: .recoverable(days: 7), counter: counter)
        let key = try AWSLive.key("u", "c")
        _ = try await vault.write(key, AWSLive.item("v1"), condition: .none, deadline: AWSLive.deadline)
        #expect(try await vault.remove(key, ifVersion: nil, deadline: AWSLive.deadline))
        #expect(try await vault.read(key, deadline: AWSLive.deadline) == nil)
        #expect(try await vault.remove(key, ifVersion: nil, deadline: AWSLive.deadline) == false)
        counter.reset()
        _ = try await vault.write(key, AWSLive.item("v2"), condition: .none, deadline: AWSLive.deadline)
        #expect(counter.operations == ["GetSecretValue", "RestoreSecret", "PutSecretValue"])
        #expect(try await vault.read(key, deadline: AWSLive.deadline)?.version == "v2")
    }

    /// Without a look first, as text is written: the same end by the other way.
    @Test func putsTextIntoWhatIsScheduledForDeletion() async throws {
        let counter = Counter()
        let vault = try AWSLive.vault(deletion: .recoverable(days: 7), counter: counter)
        let key = try AWSLive.key("u", "c")
        for number in 1...2 {
            _ = try await vault.write(
                key, AWSLive.item("v\(number)", AWSLive.text(#"{"n":\#(number)}"#)), condition: .none,
                deadline: AWSLive.deadline)
            #expect(
                try await vault.read(key, deadline: AWSLive.deadline)?.payload == AWSLive.text(#"{"n":\#(number)}"#))
            #expect(try await vault.remove(key, ifVersion: nil, deadline: AWSLive.deadline))
        }
        #expect(counter.operations.filter { $0 == "RestoreSecret" }.count == 1)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let what: String
        var variables: [String: String] = [:]
        var user = "APP"
        let code: StatusCode
        let text: String
        var testDescription: String { what }
    }

    @Test(arguments: [
        Refusal(
            what: "an unknown key", variables: ["AWS_ACCESS_KEY_ID": "AKIAUNKNOWN000000000"], code: .unauthenticated,
            text: "the credentials are not accepted"),
        Refusal(
            what: "a wrong secret", variables: ["AWS_SECRET_ACCESS_KEY": "wrong"], code: .unauthenticated,
            text: "the signature is not accepted"),
        Refusal(
            what: "a session token that is none", variables: ["AWS_SESSION_TOKEN": "none"], code: .unauthenticated,
            text: ""),
        Refusal(what: "no rights", user: "NOBODY", code: .permissionDenied, text: "access was denied"),
    ])
    func refusesCredentials(_ refusal: Refusal) async throws {
        let variables = try AWSLive.variables(user: refusal.user).merging(refusal.variables) { $1 }
        let vault = try AWSLive.vault(variables)
        let key = try AWSLive.key("u", "c")
        let failures = [
            await AWSLive.failure { () throws(Failure) in try await vault.check(deadline: AWSLive.deadline) },
            await AWSLive.failure { () throws(Failure) in try await vault.read(key, deadline: AWSLive.deadline) },
            await AWSLive.failure { () throws(Failure) in
                try await vault.write(key, AWSLive.item("v"), condition: .none, deadline: AWSLive.deadline)
            },
            await AWSLive.failure { () throws(Failure) in
                try await vault.remove(key, ifVersion: nil, deadline: AWSLive.deadline)
            },
            await AWSLive.failure { () throws(Failure) in
                try await vault.list(user: nil, after: nil, limit: 1, deadline: AWSLive.deadline)
            },
        ]
        for failure in failures {
            #expect(failure?.code == refusal.code, "\(failure?.message ?? "nothing")")
            #expect(failure?.retryable == false)
            #expect(failure.map { refusal.text.isEmpty || $0.message.contains(refusal.text) } == true)
        }
    }

    @Test func aReaderReadsAndNoMore() async throws {
        let prefix = AWSLive.freshPrefix()
        let key = try AWSLive.key("u", "c")
        _ = try await AWSLive.vault(prefix: prefix).write(
            key, AWSLive.item("v1"), condition: .none, deadline: AWSLive.deadline)
        let vault = try AWSLive.vault(try AWSLive.variables(user: "READER"), prefix: prefix)
        try await vault.check(deadline: AWSLive.deadline)
        #expect(try await vault.read(key, deadline: AWSLive.deadline)?.version == "v1")
        for failure in [
            await AWSLive.failure { () throws(Failure) in
                try await vault.write(key, AWSLive.item("v2"), condition: .none, deadline: AWSLive.deadline)
            },
            await AWSLive.failure { () throws(Failure) in
                try await vault.remove(key, ifVersion: nil, deadline: AWSLive.deadline)
            },
        ] { #expect(failure?.code == .permissionDenied) }
        #expect(try await vault.read(key, deadline: AWSLive.deadline)?.version == "v1")
    }

    @Test func aWrongClockIsCorrectedOnce() async throws {
        let clock = SettableClock()
        let counter = Counter()
        clock.advance(milliseconds: 3_600_000)
        let vault = try AWSLive.vault(clock: clock, counter: counter)
        for _ in 0..<3 { #expect(try await vault.read(try AWSLive.key("u", "c"), deadline: AWSLive.deadline) == nil) }
        #expect(counter.operations.count == 4)
    }

    @Test func aBinarySecretIsNoRecord() async throws {
        let vault = try AWSLive.vault(prefix: "ai2-connectors")
        let failure = await AWSLive.failure { () throws(Failure) in
            try await vault.read(try AWSLive.key("boto", "binary"), deadline: AWSLive.deadline)
        }
        #expect(failure == .unreadable(vault: "live"))
    }

    @Test func aServerThatIsNotThereIsUnavailable() async throws {
        let variables = try AWSLive.variables().merging(["AWS_ENDPOINT_URL": "http://127.0.0.1:1"]) { $1 }
        let vault = try AWSLive.vault(variables)
        let failure = await AWSLive.failure { () throws(Failure) in try await vault.check(deadline: AWSLive.deadline) }
        #expect(failure?.code == .unavailable && failure?.retryable == true)
    }

    // MARK: moto

    /// A token that was used for the same content is the same write, for other
    /// content it is refused: MiniStack overwrites.
    @Test func motoTakesAWriteOnce() async throws {
        let vault = try AWSLive.vault(try AWSLive.moto())
        let key = try AWSLive.key("u", "c")
        let first = AWSLive.item("0123456789abcdef01234567", AWSLive.text("{\"n\":1}"))
        for _ in 0..<3 { _ = try await vault.write(key, first, condition: .none, deadline: AWSLive.deadline) }
        #expect(try await vault.read(key, deadline: AWSLive.deadline)?.version == first.version)
        let other = AWSLive.item(first.version, AWSLive.text("{\"n\":2}"))
        let failure = await AWSLive.failure { () throws(Failure) in
            try await vault.write(key, other, condition: .none, deadline: AWSLive.deadline)
        }
        #expect(failure?.code == .aborted)
        #expect(try await vault.read(key, deadline: AWSLive.deadline)?.payload == first.payload)
    }

    /// moto's 404 and AWS's 400 for what is missing are the same to us, and forced
    /// deletion of a missing secret succeeds there.
    @Test func motoRoundTrip() async throws {
        let vault = try AWSLive.vault(try AWSLive.moto())
        let key = try AWSLive.key("ü:/", "prod-abc123")
        try await vault.check(deadline: AWSLive.deadline)
        #expect(try await vault.read(key, deadline: AWSLive.deadline) == nil)
        #expect(try await vault.remove(key, ifVersion: nil, deadline: AWSLive.deadline) == false)
        let created = try await vault.write(key, AWSLive.item("v1"), condition: .none, deadline: AWSLive.deadline)
        #expect(try await vault.write(key, AWSLive.item("v2"), condition: .none, deadline: AWSLive.deadline)
                == VaultReceipt(version: "v2", createdAt: created.createdAt))
        #expect(
            try await vault.list(user: nil, after: nil, limit: 10, deadline: AWSLive.deadline).entries.map(\.name) == [
                .key(key.key)
            ])
        #expect(try await vault.remove(key, ifVersion: nil, deadline: AWSLive.deadline))
        #expect(try await vault.read(key, deadline: AWSLive.deadline) == nil)
    }

    @Test func motoReadsManyWithBothLists() async throws {
        let counter = Counter()
        let vault = try AWSLive.vault(try AWSLive.moto(), counter: counter)
        let keys = try (0..<45).map { try AWSLive.key("u", "c\($0)") }
        for key in keys.prefix(3) {
            _ = try await vault.write(key, AWSLive.item("v"), condition: .none, deadline: AWSLive.deadline)
        }
        counter.reset()
        let found = await vault.readMany(keys, deadline: AWSLive.deadline)
        #expect(try found.filter { try $0.get() != nil }.count == 3)
        #expect(counter.operations.count == 3)
    }
}
