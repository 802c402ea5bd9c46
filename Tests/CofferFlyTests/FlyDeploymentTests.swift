import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferFly

@Suite(.timeLimit(.minutes(1))) struct FlyDeploymentTests {
    private let fixture = FlyFixture()
    private let notices = Notices()

    private final class Notices: Sendable {
        let all = Mutex<[String]>([])
    }

    /// Its clock goes on instead of a pause.
    ///
    /// - Parameter hangs: whether a pause of this length does not end.
    private func deployment(
        machine: String = "own", hangs: @escaping @Sendable (Duration) -> Bool = { _ in false }
    ) -> FlyDeployment {
        let (manual, notices) = (fixture.manual, notices)
        return FlyDeployment(
            fixture.client, machine: machine, delay: .seconds(10), clock: manual,
            notice: { text in notices.all.withLock { $0.append(text) } },
            sleep: { time in
                try Task.checkCancellation()
                if hangs(time) { try await Task.sleep(for: .seconds(3_600)) }
                manual.advance(milliseconds: UInt64(time.wholeNanoseconds / 1_000_000))
                try await Task.sleep(for: .milliseconds(1))
            })
    }

    private func machines(_ all: (id: String, state: String)...) {
        fixture.fake.state.withLock { $0.machines = all.map { FakeFly.Machine(id: $0.id, state: $0.state) } }
    }

    private var calls: [String] { fixture.fake.calls.filter { $0.contains("machines") } }

    private func wait(for count: Int) async throws {
        for _ in 0..<5_000 where calls.count < count { try await Task.sleep(for: .milliseconds(1)) }
        #expect(calls.count >= count)
    }

    @Test func everyMachineIsUpdatedAsItIsAndTheOwnOneLast() async throws {
        machines(("own", "started"), ("two", "started"), ("three", "stopped"), ("gone", "destroyed"))
        let vault = try fixture.vault(deployment: deployment())
        try await vault.put("new", fixture, fixture.key())
        try await wait(for: 6)
        #expect(calls == [
            "GET machines", "POST machines/two", "GET machines/two/wait", "POST machines/three", "POST machines/own",
            "GET machines/own/wait",
        ])
        let bodies = fixture.fake.requests.filter { $0.path.contains("machines") }.compactMap(\.body?.text)
        #expect(bodies == [
            #"{"config":{"image":"img","guest":{"cpus":1.50}},"min_secrets_version":41,"skip_launch":false,"current_version":"i1"}"#,
            #"{"config":{"image":"img","guest":{"cpus":1.50}},"min_secrets_version":41,"skip_launch":true,"current_version":"i1"}"#,
            #"{"config":{"image":"img","guest":{"cpus":1.50}},"min_secrets_version":41,"skip_launch":false,"current_version":"i1"}"#,
        ])
        let wait = fixture.fake.requests.first { $0.path.contains("/wait") }?.path
        #expect(wait == "/v1/apps/my-app/machines/two/wait?state=started&timeout=60&instance_id=i2")
        await vault.close()
    }

    @Test func storesThatFollowEachOtherAreBroughtTogether() async throws {
        machines(("two", "started"))
        let deployment = deployment()
        for number in 1...5 { fixture.fake.set("CONNECTOR_a_\(number)", "x") }
        for version in 41...45 as ClosedRange<UInt64> { deployment.noteChange(version) }
        var bodies: [String] { fixture.fake.requests.compactMap(\.body?.text) }
        for _ in 0..<5_000 where bodies.last?.contains(#"_version":45"#) != true { try await Task.sleep(for: .milliseconds(1)) }
        #expect(bodies.last?.contains(#""min_secrets_version":45"#) == true)
        #expect(calls.filter { $0 == "POST machines/two" }.count <= 2)
        deployment.close()
    }

    /// One that does not come up again keeps the others from being restarted.
    @Test func aMachineThatDoesNotRunAgainStopsTheRestAndIsTriedLater() async throws {
        machines(("two", "started"), ("own", "started"))
        fixture.fake.plan("GET machines/two/wait", 408)
        fixture.fake.set("CONNECTOR_a_b", "x")
        let deployment = deployment()
        deployment.noteChange(41)
        try await wait(for: 8)
        #expect(calls.prefix(6) == [
            "GET machines", "POST machines/two", "GET machines/two/wait", "GET machines", "POST machines/two",
            "GET machines/two/wait",
        ])
        #expect(notices.all.withLock { $0 }.first?.hasPrefix("what was stored is not brought to the app's Machines yet") == true)
        deployment.close()
    }

    /// What was stored right before a crash is brought by the next start; what an update did not bring, by none.
    @Test func aStartBringsWhatNoUpdateHasTriedToBring() async throws {
        machines(("own", "started"))
        try await fixture.vault().put("new", fixture, fixture.key())
        let vault = try fixture.vault(deployment: deployment())
        try await wait(for: 3)
        await vault.close()
        fixture.updateWithout([:])
        fixture.fake.forget()
        let next = try fixture.vault(deployment: deployment())
        #expect(try await next.text(fixture, fixture.key()) == "new")
        try await Task.sleep(for: .milliseconds(50))
        #expect(calls == [])
        await next.close()
    }

    private func posts(_ machine: String) -> Int { calls.filter { $0 == "POST machines/\(machine)" }.count }

    private func environment(_ machine: String) -> [String: String]? {
        fixture.fake.state.withLock { $0.machines.first { $0.id == machine }?.environment }
    }

    /// The update of the own Machine ends the daemon: the others must have all before it.
    @Test func whatIsStoredDuringARollOutReachesTheMachinesThatWereUpdated() async throws {
        machines(("own", "started"), ("two", "started"), ("three", "started"))
        fixture.fake.set("CONNECTOR_a_b", "old")
        let deployment = deployment()
        let fake = fixture.fake
        let store: @Sendable (String) -> Void = { call in
            guard call == "POST machines/three", fake.values == ["CONNECTOR_a_b": "old"] else { return }
            fake.setUnseen("CONNECTOR_a_b", "new")
            deployment.noteChange(42)
        }
        fake.watcher.withLock { $0 = store }
        deployment.noteChange(41)
        for _ in 0..<5_000 where posts("own") == 0 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(posts("two") == 2 && posts("own") == 1)
        for machine in ["own", "two", "three"] { #expect(environment(machine) == ["CONNECTOR_a_b": "new"], "\(machine)") }
        deployment.close()
    }

    /// The own Machine has it, by somebody's update, and the others do not: the daemon before this one came to none.
    @Test func aStartBringsToTheOthersWhatItHasItself() async throws {
        machines(("own", "started"), ("two", "started"))
        let before = try fixture.vault(deployment: deployment(hangs: { _ in true }))
        try await before.put("new", fixture, fixture.key())
        await before.close()
        fixture.deploy()
        let vault = try fixture.vault(deployment: deployment())
        try await vault.check(deadline: fixture.deadline)
        for _ in 0..<5_000 where !calls.contains("GET machines/own/wait") { try await Task.sleep(for: .milliseconds(1)) }
        #expect(environment("two") == ["CONNECTOR_user123_conn456": "new"] && posts("own") == 1)
        await vault.close()
        // Once all have it, a start lets go of it.
        fixture.deploy()
        fixture.fake.forget()
        let next = try fixture.vault(deployment: deployment())
        try await next.check(deadline: fixture.deadline)
        try await Task.sleep(for: .milliseconds(50))
        #expect(calls == [] && fixture.files == ["deployed"])
        await next.close()
    }

    @Test func aStoreThatIsRepeatedIsBrought() async throws {
        machines(("two", "started"))
        let vault = try fixture.vault(deployment: deployment())
        fixture.fake.plan("POST secrets", .lost)
        let key = try fixture.key()
        let failure = await fixture.failure { () throws(Failure) in try await vault.put("new", fixture, key) }
        #expect(failure?.mayHaveWritten == true)
        try await vault.put("new", fixture, key)
        for _ in 0..<5_000 where posts("two") == 0 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(environment("two") == ["CONNECTOR_user123_conn456": "new"])
        await vault.close()
    }

    @Test func aFailureOfOneMachineRestartsNoOtherAgain() async throws {
        machines(("own", "started"), ("two", "started"), ("gone", "started"), ("three", "started"))
        fixture.fake.set("CONNECTOR_a_b", "x")
        fixture.fake.plan("GET machines/three/wait", 408)
        fixture.fake.plan("POST machines/gone", 404)
        let deployment = deployment()
        deployment.noteChange(41)
        for _ in 0..<5_000 where posts("own") == 0 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(posts("two") == 1 && posts("three") == 2 && posts("own") == 1)
        #expect(notices.all.withLock { $0.count } == 1)
        deployment.close()
    }

    /// The daemon stopped between the others' updates and its own Machine's.
    @Test func aStartInTheOwnTurnUpdatesTheOwnMachineOnly() async throws {
        machines(("own", "started"), ("two", "started"))
        fixture.fake.plan("POST machines/own", 503)
        let before = try fixture.vault(deployment: deployment(hangs: { $0 >= .seconds(30) }))
        try await before.put("new", fixture, fixture.key())
        for _ in 0..<5_000 where posts("own") == 0 { try await Task.sleep(for: .milliseconds(1)) }
        await before.close()
        fixture.fake.forget()
        let vault = try fixture.vault(deployment: deployment())
        for _ in 0..<5_000 where posts("own") == 0 { try await Task.sleep(for: .milliseconds(1)) }
        #expect(posts("two") == 0 && posts("own") == 1)
        await vault.close()
    }

    // MARK: A Delete for which the API has nothing to do

    private func remove(_ vault: FlyVault) async -> Failure? {
        await fixture.failure { () throws(Failure) in
            _ = try await vault.remove(fixture.key(), ifVersion: nil, deadline: fixture.deadline)
        }
    }

    /// The own Machine runs as of its own update: a Delete of a record that never was must not start it again.
    @Test func aDeleteOfWhatNeverWasUpdatesNoMachine() async throws {
        machines(("own", "started"), ("two", "started"))
        let before = try fixture.vault(deployment: deployment())
        try await before.put("new", fixture, fixture.key("another", "one"))
        for _ in 0..<5_000 where !calls.contains("GET machines/own/wait") { try await Task.sleep(for: .milliseconds(1)) }
        await before.close()
        fixture.deploy()
        fixture.fake.forget()
        let vault = try fixture.vault(deployment: deployment())
        fixture.fake.plan("DELETE secrets/", 404)
        #expect(await remove(vault) == nil)
        try await Task.sleep(for: .milliseconds(50))
        #expect(calls == [] && fixture.fake.calls.last == "DELETE secrets/CONNECTOR_user123_conn456")
        await vault.close()
    }

    /// The first Delete was applied and its answer lost: nobody knows at which version. Every Machine must lose the credential,
    /// by the next process too.
    @Test(arguments: [false, true])
    func aDeleteThatARepetitionFindsDoneReachesEveryMachine(isRestarted: Bool) async throws {
        machines(("own", "started"), ("two", "started"))
        let first = try fixture.vault(deployment: deployment())
        try await first.put("new", fixture, fixture.key())
        for _ in 0..<5_000 where !calls.contains("GET machines/own/wait") { try await Task.sleep(for: .milliseconds(1)) }
        #expect(environment("two") == ["CONNECTOR_user123_conn456": "new"])
        await first.close()
        fixture.deploy()
        fixture.fake.forget()
        let vault = try fixture.vault(deployment: deployment(hangs: { _ in isRestarted }))
        fixture.fake.plan("DELETE secrets/", .lost)
        #expect(await remove(vault)?.mayHaveWritten == true)
        fixture.fake.plan("DELETE secrets/", 404)
        #expect(await remove(vault) == nil)
        var next: FlyVault?
        if isRestarted {
            await vault.close()
            fixture.fake.catchUp()
            next = try fixture.vault(deployment: deployment())
        } else {
            fixture.fake.catchUp()
        }
        for _ in 0..<5_000 where !calls.contains("GET machines/own/wait") { try await Task.sleep(for: .milliseconds(1)) }
        #expect(environment("two") == [:] && environment("own") == [:] && posts("two") == 1 && posts("own") == 1)
        await vault.close()
        await next?.close()
    }
}
