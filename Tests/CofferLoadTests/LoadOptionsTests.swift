import ArgumentParser
import Testing

@testable import CofferLoad

@Suite struct LoadOptionsTests {
    @Test func defaultsAreThoseOfTheHelp() throws {
        let options = try LoadOptions.parse(["--socket", "/s"])
        #expect(options.socket == "/s")
        let workload = options.workload
        #expect(workload.connections == 8 && workload.depth == 1 && workload.valueBytes == 256)
        #expect(workload.keys == 1000 && workload.distribution == .uniform)
        #expect(workload.storeShare == 0)
        #expect(options.schedule.warmupSeconds == 1)
        guard case .seconds(5) = options.schedule.length else {
            Issue.record("expected 5 seconds, got \(options.schedule.length)")
            return
        }
    }

    @Test func quantitiesHaveUnits() throws {
        let options = try LoadOptions.parse([
            "--socket", "/s", "--seconds", "1m", "--warmup", "250ms", "--size", "64KiB", "--max-age", "2s",
        ])
        #expect(options.seconds == 60 && options.warmup == 0.25 && options.size == 65_536 && options.maxAge == 2_000)
        let bare = try LoadOptions.parse(["--socket", "/s", "--seconds", "0.5", "--size", "512", "--max-age", "7"])
        #expect(bare.seconds == 0.5 && bare.size == 512 && bare.maxAge == 7)
    }

    @Test func requestsHaveNoWarmup() throws {
        let schedule = try LoadOptions.parse(["--floor", "--requests", "10"]).schedule
        #expect(schedule.warmupSeconds == 0)
        guard case .requests(10) = schedule.length else {
            Issue.record("expected 10 requests, got \(schedule.length)")
            return
        }
    }

    @Test(arguments: [
        [], ["--socket", "/s", "--floor"], ["--floor", "--floor-commits", "/f"],
        ["--floor-commits", "/f", "--floor-page-bytes", "1000"], ["--floor", "--floor-writers"],
        ["--floor-commits", "/f", "--floor-writers", "--connections", "65", "--depth", "16"],
        ["--floor", "--connections", "0"], ["--floor", "--depth", "1025"],
        ["--floor", "--seconds", "0"], ["--floor", "--seconds", "nan"],
        ["--floor", "--mix", "1.1"], ["--floor", "--size", "0"],
        ["--floor", "--size", "1048577"], ["--floor", "--keys", "0"],
        ["--floor", "--check-every", "0"], ["--floor", "--distribution", "normal"],
        ["--floor", "--requests", "10", "--warmup", "1"], ["--floor", "--unknown"],
        ["--floor", "--peer", "redis"], ["--socket", "/s", "--peer", "mysql"],
        ["--socket", "/s", "--peer", "redis", "--max-age", "0"], ["--socket", "/s", "--peer", "http"],
        ["--socket", "/s", "--peer", "http", "--keys", "1", "--prepare"],
        ["--socket", "/s", "--peer", "grpc", "--keys", "1", "--depth", "2"],
        ["--socket", "/s", "--max-age", "-1"],
        ["--floor", "--trace", "/t"], ["--socket", "/s", "--speed", "2"],
        ["--socket", "/s", "--trace", "/t", "--speed", "0"], ["--socket", "/s", "--trace", "/t", "--fill"],
        ["--socket", "/s", "--trace", "/t", "--peer", "redis"], ["--socket", "/s", "--trace", "/t", "--mix", "1"],
        ["--socket", "/s", "--trace", "/t", "--requests", "5"], ["--socket", "/s", "--trace", "/t", "--warmup", "1"],
    ])
    func refuses(arguments: [String]) {
        #expect(throws: (any Error).self) { try LoadOptions.parse(arguments) }
    }

    @Test func aRefusalGivesTheRange() {
        do {
            _ = try LoadOptions.parse(["--floor", "--depth", "0"])
            Issue.record("depth 0 was accepted")
        } catch {
            #expect(LoadOptions.message(for: error).contains("--depth: expected 1 to 1024, got 0"))
        }
    }
}
