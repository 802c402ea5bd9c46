import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Synchronization
import Testing

@testable import CofferFly

/// Which of two states of a secret is the newer one.
@Suite(.timeLimit(.minutes(1))) struct FlyOrderTests {
    private let fixture = FlyFixture()

    private func served(_ vault: FlyVault? = nil) async throws -> String? {
        try await (vault ?? (try fixture.vault())).text(fixture, try fixture.key())
    }

    private let name = "CONNECTOR_user123_conn456"

    private func store(_ text: String) async throws { try await fixture.vault().put(text, fixture, fixture.key()) }

    private func remove() async throws -> Bool {
        try await fixture.vault().remove(fixture.key(), ifVersion: nil, deadline: fixture.deadline)
    }

    // MARK: A Store

    @Test func theEnvironmentIsReadAsTheGuideWroteIt() async throws {
        fixture.environment { $0[name] = Secret(#"{"apiKey":"sk_123","secret":"sec_456"}"#) }
        #expect(try await served() == #"{"apiKey":"sk_123","secret":"sec_456"}"#)
        #expect(fixture.fake.calls == [])
    }

    @Test func whatWasStoredIsServedAtOnceAndAfterARestart() async throws {
        let vault = try fixture.vault()
        try await vault.put("new", fixture, fixture.key())
        #expect(try await served(vault) == "new")
        #expect(fixture.files.count == 1)
        #expect(try await served() == "new")
        fixture.environment { $0[name] = Secret("old") }
        try await store("newer")
        #expect(try await served() == "newer")
    }

    @Test func aDeploymentTakesOverAndTheFileGoes() async throws {
        try await store("new")
        fixture.deploy()
        fixture.fake.forget()
        let vault = try fixture.vault()
        #expect(try await served(vault) == "new")
        // Nothing that is served depends on it: no read asks.
        #expect(fixture.fake.calls == [] && fixture.files.count == 1)
        try await vault.check(deadline: fixture.deadline)
        #expect(fixture.files == [])
        #expect(try await served(vault) == "new")
        #expect(try await served() == "new")
    }

    /// An update fixes the secrets when it is asked for: what is written until the Machine starts again is not in it, and a
    /// plain restart that agrees proves nothing.
    @Test func anUpdateOfBeforeBringsNothingOlderBack() async throws {
        fixture.environment { $0[name] = Secret("A") }
        try await store("B")
        let update = fixture.fake.values
        try await store("A")
        let vault = try fixture.vault()
        #expect(try await served(vault) == "A")
        try await vault.check(deadline: fixture.deadline)
        fixture.boot(update)
        for _ in 1...2 { #expect(try await served() == "A") }
    }

    @Test func anUpdateOfBeforeADeleteDoesNotBringTheRecordBack() async throws {
        try await store("new")
        let update = fixture.fake.values
        #expect(try await remove())
        fixture.boot(update)
        for _ in 1...2 { #expect(try await served() == nil) }
        fixture.deploy()
        try await fixture.vault().check(deadline: fixture.deadline)
        #expect(try await served() == nil)
        #expect(fixture.files == [])
    }

    /// Replicas of the API lag: what settles is asked for with the version of the write.
    @Test func aReplicaThatLagsThrowsNoStoreAway() async throws {
        fixture.fake.set(name, "old")
        fixture.deploy()
        try await store("ours")
        fixture.updateWithout([name: Secret("in between")])
        fixture.fake.forget()
        let vault = try fixture.vault()
        #expect(try await served(vault) == "ours")
        #expect(fixture.fake.requests.map(\.path) == ["/v1/apps/my-app/secrets?min_version=42"])
        try await vault.check(deadline: fixture.deadline)
        #expect(fixture.fake.requests.allSatisfy { $0.path.hasSuffix("?min_version=42") })
        #expect(try await served() == "ours")
    }

    /// A write of before never hides what was deployed after it.
    @Test func aValueThatAnotherProgramDeployedLaterWins() async throws {
        fixture.environment { $0[name] = Secret("old") }
        try await store("ours")
        fixture.fake.set(name, "theirs")
        fixture.deploy()
        #expect(try await served() == "theirs")
        #expect(fixture.files == [])
    }

    @Test func aValueThatAnotherProgramStagedWaitsForItsDeployment() async throws {
        fixture.environment { $0[name] = Secret("old") }
        try await store("ours")
        fixture.fake.set(name, "theirs")
        #expect(try await served() == "ours")
        #expect(try await served() == "ours")
        fixture.deploy()
        #expect(try await served() == "theirs")
    }

    /// The value of before the Store, deployed again after it: the Machine's version tells it from a mere restart.
    @Test func aValueThatWasPutBackAndDeployedWins() async throws {
        fixture.environment { $0[name] = Secret("old") }
        fixture.fake.set(name, "old")
        try await store("ours")
        fixture.fake.set(name, "old")
        fixture.deploy()
        #expect(try await served() == "old")
        #expect(fixture.files == [])
    }

    /// An update of the Machine that began before the Store, or whose replica of the secrets lags: the API's digest says that
    /// the Store is still the newest.
    @Test func anUpdateThatDidNotBringItInHidesNothing() async throws {
        fixture.environment { $0[name] = Secret("old") }
        try await store("ours")
        fixture.updateWithout([name: Secret("in between")])
        #expect(try await served() == "ours")
        fixture.updateWithout([:])
        #expect(try await served() == "ours")
        fixture.deploy()
        #expect(try await served() == "ours")
        try await fixture.vault().check(deadline: fixture.deadline)
        #expect(fixture.files == [])
        #expect(try await served() == "ours")
    }

    @Test func aSecretThatAnotherProgramUnsetAndDeployedIsGone() async throws {
        try await store("ours")
        fixture.fake.unset(name)
        fixture.deploy()
        #expect(try await served() == nil)
        #expect(fixture.files == [])
    }

    /// Only the API's word ends what was acknowledged.
    @Test func withoutTheAPIWhatWasStoredCounts() async throws {
        try await store("ours")
        fixture.fake.set(name, "theirs")
        fixture.deploy()
        fixture.fake.plan("GET secrets", .error(.init(.refused, isUnsent: true)))
        let vault = try fixture.vault()
        #expect(try await served(vault) == "ours")
        // It is not asked at every read.
        fixture.fake.forget()
        #expect(try await served(vault) == "ours")
        #expect(fixture.fake.calls == [])
        fixture.advance(milliseconds: 5_000)
        #expect(try await served(vault) == "theirs")
        #expect(fixture.files == [])
    }

    @Test func withoutATokenWhatWasStoredCountsAndTheOperatorIsTold() async throws {
        try await store("ours")
        fixture.updateWithout([name: Secret("other")])
        let vault = try fixture.vault(client: .some(nil))
        #expect(try await served(vault) == "ours")
        #expect(vault.findings?.contains("changed elsewhere since: 1;") == true)
        #expect(try fixture.vault().findings == nil)
    }

    /// The daemon is in no Machine, or its version is not told: only the variable itself speaks.
    @Test func withoutAMachineTheVariableAloneDecides() async throws {
        fixture.leaveTheMachine()
        fixture.environment { $0[name] = Secret("old") }
        try await store("ours")
        #expect(try await served() == "ours")
        fixture.environment { $0[name] = Secret("theirs") }
        #expect(try await served() == "ours")
        fixture.environment { $0[name] = Secret("theirs too") }
        fixture.fake.set(name, "theirs too")
        #expect(try await served() == "theirs too")
    }

    @Test func anAPIWithoutDigestsLeavesItToTheEnvironment() async throws {
        fixture.fake.state.withLock { $0.tellsDigests = false }
        try await store("ours")
        fixture.updateWithout([name: Secret("other")])
        #expect(try await served() == "other")
        try await store("again")
        fixture.updateWithout()
        #expect(try await served() == "again")
        fixture.updateWithout([:])
        #expect(try await served() == "again")
    }

    /// An update fixed a Store of this daemon, and a later one was acknowledged before the Machine started again.
    @Test func noAcknowledgedStoreIsOverruledByAnOlderOne() async throws {
        fixture.fake.state.withLock { $0.tellsDigests = false }
        try await store("first")
        let update = fixture.fake.values
        try await store("second")
        fixture.boot(update)
        for _ in 1...2 { #expect(try await served() == "second") }
        #expect(fixture.files.count == 1)
        fixture.deploy()
        #expect(try await served() == "second")
    }

    /// The digest is that of a Store whose answer was lost, and that came late.
    @Test func norIfALostOneComesLate() async throws {
        try await store("first")
        let update = fixture.fake.values
        fixture.fake.plan("POST secrets", .late)
        await #expect(throws: Failure.self) { try await store("lost") }
        try await store("third")
        fixture.fake.land()
        fixture.fake.catchUp()
        #expect(fixture.fake.values[name] == "lost")
        fixture.boot(update)
        for _ in 1...2 { #expect(try await served() == "third") }
        #expect(fixture.files.count == 1)
    }

    // MARK: A Delete

    @Test func whatWasDeletedStaysDeletedUntilAStartWithoutIt() async throws {
        fixture.fake.set(name, "old")
        fixture.deploy()
        #expect(try await remove())
        #expect(try await served() == nil)
        #expect(fixture.fake.values == [:] && fixture.files.count == 1)
        #expect(try await remove() == false)
        fixture.deploy()
        #expect(try await served() == nil)
        try await fixture.vault().check(deadline: fixture.deadline)
        #expect(fixture.files == [])
        // And set again by another program, it is there.
        fixture.fake.set(name, "back")
        fixture.deploy()
        #expect(try await served() == "back")
    }

    @Test func whatWasSetAgainAfterADeleteIsThereOnceDeployed() async throws {
        fixture.fake.set(name, "old")
        fixture.deploy()
        #expect(try await remove())
        fixture.fake.set(name, "old")
        #expect(try await served() == nil)
        fixture.deploy()
        #expect(try await served() == "old")
        #expect(fixture.files == [])
    }

    @Test func anUpdateThatStillHasWhatWasDeletedBringsItNotBack() async throws {
        fixture.fake.set(name, "old")
        fixture.deploy()
        #expect(try await remove())
        fixture.updateWithout()
        #expect(try await served() == nil)
    }

    /// A value that a write has replaced is not kept in memory: its fingerprint is.
    @Test func whatWasReplacedOrDeletedLeavesTheMemory() async throws {
        fixture.environment { $0[name] = Secret("old") }
        let vault = try fixture.vault()
        let (secret, path) = (ByteText(name), { (_: ByteText) in "" })
        #expect(vault.state.withLock { $0.environment[secret]?.value != nil })
        _ = try await vault.remove(fixture.key(), ifVersion: nil, deadline: fixture.deadline)
        #expect(vault.state.withLock { $0.environment[secret].map { $0.value == nil } } == true)
        guard case .removed = vault.state.withLock({ $0.found(secret, path: path) }) else {
            Issue.record("it is not removed")
            return
        }
    }

    /// Of a secret that another program has staged nobody knows the value; it is there all the same.
    @Test func whatAnotherProgramHasStagedCanBeDeleted() async throws {
        fixture.fake.set(name, "theirs")
        #expect(try await served() == nil)
        #expect(try await remove())
        #expect(fixture.fake.values == [:])
    }

    /// Another program has unset it just now, and the version is not told: a list that does not know proves nothing.
    @Test func aListOfBeforeOverrulesNoDeleteThatTheAPIHadNothingToDoFor() async throws {
        fixture.fake.set(name, "old")
        fixture.deploy()
        fixture.fake.state.withLock { $0.secrets.unset(name) }
        fixture.fake.plan("DELETE secrets/", 404)
        #expect(try await remove())
        fixture.updateWithout()
        for _ in 1...2 {
            #expect(try await served() == nil)
            try await fixture.vault().check(deadline: fixture.deadline)
        }
        #expect(fixture.files.count == 1)
        fixture.deploy()
        try await fixture.vault().check(deadline: fixture.deadline)
        #expect(try await served() == nil)
        #expect(fixture.files == [])
    }

    /// What another program sets and deploys after it counts.
    @Test func whatWasSetAfterADeleteThatTheAPIHadNothingToDoForIsServed() async throws {
        fixture.environment { $0[name] = Secret("old") }
        fixture.fake.plan("DELETE secrets/", 404)
        _ = try await remove()
        fixture.fake.set(name, "theirs")
        fixture.deploy()
        #expect(try await served() == "theirs")
        #expect(fixture.files == [])
    }

    // MARK: Two Machines of an app

    @Test func aStoreOnOneMachineReachesTheOtherWithItsUpdate() async throws {
        let other = FlyFixture()
        let (key, theirs) = (try fixture.key(), try other.vault(client: fixture.client))
        try await fixture.vault().put("by one", fixture, key)
        #expect(try await theirs.text(other, key) == nil)
        try await theirs.put("by two", other, key)
        #expect(try await served() == "by one")
        fixture.deploy()
        #expect(try await served() == "by two")
        #expect(fixture.files == [])
    }
}
