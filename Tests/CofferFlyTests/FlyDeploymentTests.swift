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
    private func deployment(machine: String = "own") -> FlyDeployment {
        let (manual, notices) = (fixture.manual, notices)
        return FlyDeployment(
            fixture.client, machine: machine, delay: .seconds(10), clock: manual,
            notice: { text in notices.all.withLock { $0.append(text) } },
            sleep: { time in
                try Task.checkCancellation()
                manual.advance(milliseconds: UInt64(time.wholeNanoseconds / 1_000_000))
                try await Task.sleep(for: .milliseconds(1))
            })
    }

    private func machines(_ all: (id: String, state: String)...) {
        fixture.fake.state.withLock { $0.machines = all.map { ($0.id, $0.state, 1) } }
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
}
