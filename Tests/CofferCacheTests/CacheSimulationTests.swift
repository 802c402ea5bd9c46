import CofferCacheSimulation
import Testing

/// Some seeds, as the debug build can; `coffer-simulate` plays the many.
@Suite struct CacheSimulationTests {
    @Test(arguments: 0..<10) func keepsEveryPromise(block: UInt64) throws {
        for seed in block * 10..<block * 10 + 10 {
            var simulation = try Simulation(seed: seed)
            try simulation.run()
        }
    }

    @Test func racedStoresAndGetsReviveNothing() async throws {
        let result = await (try Race()).run(pairs: 20_000)
        #expect(result.pairs == 20_000)
        #expect(result.revived == 0)
        #expect(result.hits > 0)
    }
}
