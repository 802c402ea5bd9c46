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
        #expect(try await served() == "new")
        #expect(fixture.files == [] && fixture.fake.calls == [])
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
        #expect(fixture.files == [])
    }

    @Test func aSecretThatAnotherProgramUnsetAndDeployedIsGone() async throws {
        try await store("ours")
        fixture.fake.unset(name)
        fixture.deploy()
        #expect(try await served() == nil)
        #expect(fixture.files == [])
    }

    /// Until the API has answered: what was deployed counts, and nothing that was stored is lost.
    @Test func withoutTheAPITheEnvironmentCountsAndWhereItHasNothingWhatWasStored() async throws {
        try await store("ours")
        fixture.updateWithout([name: Secret("other")])
        fixture.fake.plan("GET secrets", .error(.init(.refused, isUnsent: true)))
        let vault = try fixture.vault()
        #expect(try await served(vault) == "other")
        // It is not asked at every read.
        fixture.fake.forget()
        #expect(try await served(vault) == "other")
        #expect(fixture.fake.calls == [])
        fixture.advance(milliseconds: 5_000)
        #expect(try await served(vault) == "ours")
        fixture.updateWithout([:])
        fixture.fake.plan("GET secrets", 503)
        #expect(try await served() == "ours")
    }

    /// The daemon is in no Machine, or its version is not told: only the variable itself speaks.
    @Test func withoutAMachineTheVariableAloneDecides() async throws {
        fixture.leaveTheMachine()
        fixture.environment { $0[name] = Secret("old") }
        try await store("ours")
        #expect(try await served() == "ours")
        fixture.environment { $0[name] = Secret("theirs") }
        fixture.fake.set(name, "theirs")
        #expect(try await served() == "theirs")
    }

    @Test func anAPIWithoutDigestsLeavesItToTheEnvironment() async throws {
        fixture.fake.state.withLock { $0.tellsDigests = false }
        try await store("ours")
        fixture.updateWithout([name: Secret("other")])
        #expect(try await served() == "other")
        try await store("again")
        fixture.updateWithout([:])
        #expect(try await served() == "again")
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

    @Test func aRecordThatIsNotInTheEnvironmentLeavesNoFile() async throws {
        try await store("new")
        #expect(try await remove())
        #expect(fixture.files == [] && fixture.fake.values == [:])
        #expect(try await served() == nil)
    }

    /// Of a secret that another program has staged nobody knows the value; it is there all the same.
    @Test func whatAnotherProgramHasStagedCanBeDeleted() async throws {
        fixture.fake.set(name, "theirs")
        #expect(try await served() == nil)
        #expect(try await remove())
        #expect(fixture.fake.values == [:])
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
