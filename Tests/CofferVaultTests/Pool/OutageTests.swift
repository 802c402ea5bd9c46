import CofferCore
import CofferVault
import Testing

/// What a vault goes through when it was away, in virtual time.
@Suite(.serialized) struct OutageTests {
    private static let cases = OutageSimulation.Outage.allCases.flatMap { outage in
        [10.0, 90].flatMap { length in (0..<2 as Range<UInt64>).map { (outage, length, $0) } }
    }

    @Test(arguments: cases)
    func noHerdComesBack(outage: OutageSimulation.Outage, length: Double, seed: UInt64) {
        var simulation = OutageSimulation(seed: seed)
        simulation.outage = outage
        simulation.end = simulation.start + length
        // The longest rest is 36 s: there is time to come back, and a minute more.
        let back = simulation.end + 90
        simulation.stop = back + 60
        simulation.run()

        let steady = Double(simulation.calls(in: 30..<60)) / 30
        let peak = Double(simulation.peakRate(in: simulation.end..<simulation.stop))
        #expect(peak <= 2 * steady, "peak \(peak), steady \(steady)")
        #expect(simulation.peakInFlight <= simulation.limits.admission.maximum)
        let oldest = simulation.waiting.values.min() ?? .infinity
        #expect(oldest > simulation.stop - 10, "a key waits since \(oldest), stop \(simulation.stop)")
        #expect(Double(simulation.calls(in: back + 30..<back + 60)) > steady * 30 * 0.9)
    }

    @Test(arguments: OutageSimulation.Outage.allCases, 0..<2 as Range<UInt64>)
    func anOutageIsProbedRarely(outage: OutageSimulation.Outage, seed: UInt64) {
        var simulation = OutageSimulation(seed: seed)
        simulation.outage = outage
        (simulation.rate, simulation.keys) = (10, 50)
        simulation.end = simulation.start + 3_600
        simulation.stop = simulation.end
        simulation.run()
        // Five seconds until calls that hang have failed, and what was there by then.
        let probes = simulation.calls(in: simulation.start + 10..<simulation.end)
        // Not more than one in 30 s, from the first second on.
        #expect((80...120).contains(probes), "\(probes) probes in an hour")
        #expect(simulation.calls(in: simulation.start..<simulation.start + 10) <= 64 + 5 + 7)
    }

    /// A vault that takes long needs many places, and gets them.
    @Test func aSlowVaultGetsItsLoadBack() {
        var simulation = OutageSimulation(seed: 1)
        simulation.rate = 40
        simulation.latency = 1
        simulation.run()
        let steady = Double(simulation.calls(in: 30..<60)) / 30
        #expect((35...42).contains(steady))
        #expect(Double(simulation.calls(in: 210..<240)) / 30 > 33)
        #expect(Double(simulation.peakRate(in: 120..<240)) <= 2 * steady)
    }

    @Test func aVaultThatFlapsIsAskedLessAndLess() throws {
        let random = FixedRandom(0.5)
        var admission = AdmissionState(vault: "v", limits: VaultLimits())
        var time = 0.0
        var openings: [Double] = []
        // It answers every first call after a rest, and fails all that follow.
        for _ in 0..<200_000 where openings.count < 10 {
            time += 0.01
            let now = BootInstant.at(time)
            guard case .go(let pass) = admission.enter(deadline: now + .seconds(5), now: now, random: random) else {
                continue
            }
            let attempt = AdmissionState.Attempt(
                pass: pass, failure: pass.isProbe ? nil : .unavailable, hasAnswer: false, began: now,
                allowance: .seconds(5))
            _ = admission.leave(attempt, now: now, wall: 1, random: random)
            if case .open(let since, let until) = admission.health(kind: "", now: now).breaker, since == now {
                openings.append(until.secondsSinceStart - time)
            }
        }
        #expect(openings.count == 10)
        #expect(zip(openings, openings.dropFirst()).allSatisfy { $1 > 1.5 * $0 || $1 >= 30 }, "\(openings)")
        #expect(try #require(openings.last) >= 30)
    }
}
