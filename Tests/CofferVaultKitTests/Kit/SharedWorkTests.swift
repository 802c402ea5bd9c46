import CofferCore
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct SharedWorkTests {
    private let clock = SystemClock()
    private let work: SharedWork<Int>
    private let gate = Gate()

    init() { work = SharedWork(clock: clock) }

    /// Counts who comes, and lets nobody through before it is opened.
    private final class Gate: Sendable {
        private let state = Mutex<(runs: Int, isOpen: Bool)>((0, false))
        var runs: Int { state.withLock { $0.runs } }
        func open() { state.withLock { $0.isOpen = true } }

        func pass() async -> Result<Int, Failure> {
            let number = state.withLock { state in
                state.runs += 1
                return state.runs
            }
            while !state.withLock({ $0.isOpen }), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(1)) }
            return .success(number)
        }
    }

    @Test func isDoneOnceForAllWhoWantItMeanwhile() async throws {
        let (work, gate, end) = (work, gate, clock.boot + .seconds(30))
        let waiting = (0..<50).map { _ in Task { await work.outcome(by: end) { await gate.pass() } } }
        _ = try await eventually { gate.runs == 1 }
        try await Task.sleep(for: .milliseconds(50))
        gate.open()
        for task in waiting { #expect(await task.value == .success(1)) }
        #expect(gate.runs == 1)
        #expect(await work.outcome(by: end) { await gate.pass() } == .success(2))
    }

    @Test func eachWaitsNoLongerThanItsDeadline() async throws {
        let (work, gate) = (work, gate)
        let long = clock.boot + .seconds(30)
        let patient = Task { await work.outcome(by: long) { await gate.pass() } }
        _ = try await eventually { gate.runs == 1 }
        #expect(await work.outcome(by: clock.boot + .milliseconds(30)) { await gate.pass() } == nil)
        #expect(await work.outcome(by: clock.boot) { await gate.pass() } == nil)
        // The work goes on for the others.
        gate.open()
        #expect(await patient.value == .success(1) && gate.runs == 1)
    }

    @Test func aCancelledTaskGetsNothing() async throws {
        let (work, gate, end) = (work, gate, clock.boot + .seconds(30))
        let left = Task { await work.outcome(by: end) { await gate.pass() } }
        let stays = Task { await work.outcome(by: end) { await gate.pass() } }
        _ = try await eventually { gate.runs == 1 }
        left.cancel()
        #expect(await left.value == nil)
        gate.open()
        #expect(await stays.value == .success(1))
    }

    @Test func canBeginBeforeSomebodyWaits() async throws {
        let (work, gate) = (work, gate)
        for _ in 0..<3 { work.begin { await gate.pass() } }
        #expect(try await eventually { gate.runs == 1 })
        let waiting = Task { await work.outcome(by: SystemClock().boot + .seconds(30)) { await gate.pass() } }
        try await Task.sleep(for: .milliseconds(20))
        gate.open()
        #expect(await waiting.value == .success(1))
    }

    /// Else a vault's breaker would count one login that fails as often as calls wait for it.
    @Test func aFailureIsThatOfOneWhoWaitsAndRememberedForTheOthers() async throws {
        let (work, gate, end) = (work, gate, clock.boot + .seconds(30))
        let failure = Failure(.unavailable, .vaultUnreachable, "no connection")
        let waiting = (0..<20).map { _ in
            Task {
                await work.outcome(by: end) {
                    _ = await gate.pass()
                    return .failure(failure)
                }
            }
        }
        _ = try await eventually { gate.runs == 1 }
        try await Task.sleep(for: .milliseconds(50))
        gate.open()
        var outcomes: [Result<Int, Failure>?] = []
        for task in waiting { outcomes.append(await task.value) }
        #expect(gate.runs == 1)
        #expect(outcomes.count { $0 == .failure(failure) } == 1)
        #expect(outcomes.count { $0 == .failure(failure.remembered) } == 19)
    }

    @Test func cancellingEndsTheWork() async throws {
        let (work, gate, end) = (work, gate, clock.boot + .seconds(30))
        let waiting = Task { await work.outcome(by: end) { await gate.pass() } }
        _ = try await eventually { gate.runs == 1 }
        work.cancel()
        #expect(await waiting.value == .success(1))
    }
}
