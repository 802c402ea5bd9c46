import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferFly

@Suite(.timeLimit(.minutes(1))) struct FlyLiveTests {
    @Test func aStoreReachesTheEnvironmentWithTheNextUpdate() async throws {
        let place = try await FlyPlace()
        let vault = try await place.vault()
        try await vault.check(deadline: place.deadline)
        try await place.store(#"{"apiKey":"ü ☃"}"#, vault)
        #expect(try await place.text(vault) == #"{"apiKey":"ü ☃"}"#)
        // A plain restart does not bring it in.
        let machine = try await place.machine()
        #expect(machine["environment"]?.members?.isEmpty == true)
        #expect(try await place.text(try await place.vault()) == #"{"apiKey":"ü ☃"}"#)
        try await place.deploy()
        let after = try await place.machine()
        #expect(after["environment"]?["CONNECTOR_user123_conn456"]?.text == #"{"apiKey":"ü ☃"}"#)
        let next = try await place.vault()
        #expect(try await place.text(next) == #"{"apiKey":"ü ☃"}"#)
        try await next.check(deadline: place.deadline)
        #expect(next.state.withLock { $0.entries.isEmpty })
        #expect(try await next.remove(place.key(), ifVersion: nil, deadline: place.deadline))
        #expect(try await place.text(try await place.vault()) == nil)
        try await place.deploy()
        #expect(try await place.text(try await place.vault()) == nil)
    }

    /// The daemon's own is the last: with it the daemon ends.
    @Test func deployedUpdatesEveryMachine() async throws {
        let place = try await FlyPlace(others: ["m2"])
        let vault = try await place.vault(deploys: true)
        try await place.store("text", vault)
        var own = try await place.machine()
        while own["environment"]?["CONNECTOR_user123_conn456"]?.text != "text", SystemClock().boot < place.deadline {
            #expect(own["environment"]?.members?.isEmpty == true)
            try await Task.sleep(for: .milliseconds(20))
            own = try await place.machine()
        }
        #expect(try await place.machine("m2")["environment"]?["CONNECTOR_user123_conn456"]?.text == "text")
        await vault.close()
        #expect(try await place.text(try await place.vault()) == "text")
    }

    @Test(arguments: [
        ("fm2_reader-token", StatusCode.permissionDenied), ("fm2_nobody-token", .permissionDenied), ("fm2_unknown", .unauthenticated),
        ("app-token", .unauthenticated), ("oauth-token,FlyV1", .unauthenticated),
    ])
    func aTokenThatDoesNotFitIsToldFromAnother(_ token: String, _ code: StatusCode) async throws {
        let place = try await FlyPlace("refused")
        let vault = try await place.vault(token: token)
        let failure = await place.failure(vault)
        #expect(failure?.code == code && failure?.mayHaveWritten == false && failure?.message.contains(token) == false)
        #expect(try await place.text(vault) == nil)
    }

    @Test(arguments: ["fm2_app-token", "oauth-token", "Bearer oauth-token", "FlyV1 fm2_app-token\n", "oauth-token,fm2_app-token"])
    func everyFormOfATokenWorks(_ token: String) async throws {
        let place = try await FlyPlace()
        #expect(await place.failure(try await place.vault(token: token)) == nil)
    }

    @Test func anAppThatIsNotThereIsNamed() async throws {
        let place = try await FlyPlace("refused")
        let failure = await place.failure(try await place.vault(app: "nowhere"))
        #expect(failure?.code == .failedPrecondition && failure?.message.contains("the app nowhere does not exist") == true)
    }

    @Test func tooManyCallsAreALimitWithAdvice() async throws {
        let place = try await FlyPlace("limited")
        let vault = try await place.vault()
        var failure: Failure?
        for _ in 0..<6 where failure == nil { failure = await place.failure(vault) }
        #expect(failure?.code == .resourceExhausted && failure?.retryAfterMilliseconds == 1_000)
    }

    @Test(arguments: [("lost", "text"), ("dropped", nil as String?)])
    func aStoreWithoutAnAnswerIsServedOnceTheEnvironmentHasIt(_ act: String, _ text: String?) async throws {
        let place = try await FlyPlace()
        try await place.plan("POST", [("act", .string(act))])
        let failure = await place.failure(try await place.vault())
        #expect(failure?.mayHaveWritten == true)
        #expect(try await place.text(try await place.vault()) == nil)
        try await place.deploy()
        #expect(try await place.text(try await place.vault()) == text)
    }
}
