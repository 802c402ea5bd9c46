import ArgumentParser
import CofferCore
import CofferWorkload
import Synchronization
import Testing

@testable import CofferLoad

/// Traces on a daemon of some lines, which answers the last request that it has first.
@Suite(.serialized) struct TraceRunTests {
    private static func play(
        _ trace: Trace, on daemon: SmallDaemon, _ arguments: String...
    ) throws -> TraceReport {
        try LoadOptions.parse(
            ["--socket", daemon.path, "--trace", "-", "--check-every", "1"] + arguments
        ).play(trace, on: daemon.path)
    }

    /// Of a few records, each of which comes and goes.
    private static let lively = Trace(
        records: 5,
        events: (0..<6_000).map { number in
            let key = UInt32(number * number % 31)
            let action: Trace.Action = number % 7 == 0 ? .store(key) : number % 11 == 0 ? .delete(key) : .get(key)
            return .init(time: UInt32(number), action)
        })

    @Test(arguments: [(1, 1), (1, 16), (3, 4), (16, 2)])
    func theCallsOfARecordKeepTheirOrder(connections: Int, depth: Int) throws {
        let daemon = try SmallDaemon()
        defer { daemon.stop() }
        let report = try Self.play(
            Self.lively, on: daemon, "--prepare", "--connections", "\(connections)", "--depth", "\(depth)")
        #expect(report.firstFault == nil)
        #expect(report.errors == 0 && report.wrongAnswers == 0)
        #expect(report.gets + report.stores + report.deletes == 6_000)
        #expect(report.statuses == ["OK": 6_000 - report.absent, "NOT_FOUND": report.absent])
        #expect(report.absent > 100)
        #expect(report.get?.count == UInt64(report.gets - report.absent))
        #expect(report.store?.count == UInt64(report.stores))
        #expect(report.delete?.count == UInt64(report.deletes))
        #expect(report.ratePerSecond > 0)
    }

    @Test func countsWhatTheDaemonSaysOfTheTraceAlone() throws {
        let daemon = try SmallDaemon()
        defer { daemon.stop() }
        let trace = Trace(
            records: 2,
            events: [
                .init(time: 0, .get(1)), .init(time: 1, .down), .init(time: 2, .get(1)), .init(time: 3, .up),
                .init(time: 4, .get(9)),
            ])
        let report = try Self.play(trace, on: daemon, "--prepare")
        #expect(daemon.invalidations == 1)
        #expect(report.skippedOutages == 1)
        // Its Stats count each Get as two hits, one miss and three reads.
        #expect(
            report.cache
                == TraceReport.Cache(
                    hits: 6, misses: 3, refreshes: 0, stale: 0, evictions: 0, vaultReads: 9, entries: 7, bytes: 700))
        #expect(report.hitRatio == 6.0 / 9.0)
        #expect(report.errors == 0 && report.absent == 1)
    }

    @Test func withoutPreparationRecordsAreMissing() throws {
        let daemon = try SmallDaemon()
        defer { daemon.stop() }
        let report = try Self.play(Trace(records: 1, events: [.init(time: 0, .get(0))]), on: daemon)
        #expect(report.errors == 1)
        #expect(report.firstFault == "coffer.v1.Credentials/Get: NOT_FOUND: there is no record")
        #expect(daemon.invalidations == 0)
    }

    @Test func aRecordThatShouldBeGoneIsAnError() throws {
        let daemon = try SmallDaemon(deletes: false)
        defer { daemon.stop() }
        let trace = Trace(records: 1, events: [.init(time: 0, .delete(0)), .init(time: 0, .get(0))])
        let report = try Self.play(trace, on: daemon, "--prepare")
        #expect(report.errors == 1 && report.wrongAnswers == 1)
        #expect(report.firstFault == "Get: record 0 came, and there is none")
    }

    @Test func callsComeAtTheTimesOfTheTrace() throws {
        let daemon = try SmallDaemon()
        defer { daemon.stop() }
        let trace = Trace(records: 1, events: (0...20).map { .init(time: $0 * 1_000, .get(0)) })
        let report = try Self.play(trace, on: daemon, "--prepare", "--speed", "50")
        #expect(report.seconds >= 0.4)
        #expect(report.speed == 50)
        #expect(report.errors == 0)
    }

    @Test func anEmptyTraceIsPlayedAtOnce() throws {
        let daemon = try SmallDaemon()
        defer { daemon.stop() }
        let report = try Self.play(Trace(records: 0, events: []), on: daemon, "--prepare")
        #expect(report.gets == 0 && report.errors == 0 && report.hitRatio == 0)
    }

    @Test func whoMayNotAskForStatsIsTold() throws {
        let daemon = try SmallDaemon(hasAdmin: false)
        defer { daemon.stop() }
        let error = #expect(throws: LoadError.self) { try Self.play(Self.lively, on: daemon) }
        #expect(
            error?.description == "coffer.v1.Admin/Stats: PERMISSION_DENIED: run as the daemon's own user")
    }

    @Test func textIsForPeople() {
        let report = TraceReport(
            connections: 8, depth: 1, valueBytes: 256, speed: nil, seconds: 2, ratePerSecond: 50_000, gets: 100_000,
            stores: 20, deletes: 10, absent: 3, skippedOutages: 2, hitRatio: 0.5678,
            cache: .init(
                hits: 56_780, misses: 43_220, refreshes: 7, stale: 1, evictions: 9, vaultReads: 43_227, entries: 12,
                bytes: 5_808),
            get: Report.Latency(count: 99_997, p50: 35.04, p99: 80.06, p999: 100, max: 2000.1), store: nil,
            delete: nil, statuses: ["OK": 100_027, "NOT_FOUND": 3], wrongAnswers: 0, errors: 0, firstFault: nil)
        #expect(
            report.text == """
                trace: 8 x 1, 256-byte values, 100000 Gets, 20 Stores, 10 Deletes, at full speed
                rate     50000 /s over 2.00 s
                Get      p50 35.0 µs  p99 80.1 µs  p99.9 100.0 µs  max 2000.1 µs
                hits     56.8 % of Gets, 1 stale
                vault    43227 reads, 7 of them to refresh
                cache    12 entries of 5808 bytes in all, 9 evicted
                skipped  2 outages of the vault
                status   OK 100027, NOT_FOUND 3, 3 NOT_FOUND expected
                errors   0
                """)
    }
}

/// Records by name, and Stats that grow with each Get.
private final class SmallDaemon: Sendable {
    private struct State {
        var records: Set<[UInt8]> = []
        var gets: UInt64 = 0
        var invalidations = 0
    }

    private final class Service: Sendable {
        let state = Mutex(State())
        let deletes: Bool
        let hasAdmin: Bool

        init(deletes: Bool, hasAdmin: Bool) {
            self.deletes = deletes
            self.hasAdmin = hasAdmin
        }

        /// The answers to all whole frames, the last one first.
        func answer(to received: inout [UInt8]) -> [UInt8] {
            var answers: [UInt8] = []
            while received.count >= 4 {
                let length = 4 + received[..<4].reduce(0) { $0 << 8 | Int($1) }
                guard received.count >= length else { break }
                answers = answer(Array(received[..<length])) + answers
                received.removeFirst(length)
            }
            return answers
        }

        private func answer(_ frame: [UInt8]) -> [UInt8] {
            let method = frame[16..<20].reduce(0) { $0 << 8 | UInt32($1) }
            var answer = carryOut(method, Array(frame[FrameHeader.bytes...]))
            answer.replaceSubrange(8..<16, with: frame[8..<16])
            return answer
        }

        private func carryOut(_ method: UInt32, _ payload: [UInt8]) -> [UInt8] {
            // The user is the first field, of 13 bytes.
            let record = Array(payload.prefix(15))
            return state.withLock { state in
                switch method {
                case Method.get.id:
                    state.gets += 1
                    return state.records.contains(record) ? found(record) : Self.failure(.notFound)
                case Method.store.id:
                    state.records.insert(record)
                    return EchoAnswers(valueBytes: 256).store
                case Method.delete.id:
                    let existed = deletes ? state.records.remove(record) != nil : true
                    return EchoAnswers.frame(payload: existed ? [8, 1] : [])
                case _ where !hasAdmin: return Self.failure(.permissionDenied)
                case 0x94ec_83ee: return EchoAnswers.frame(payload: Self.stats(state.gets))
                case 0x04ed_31b6:
                    state.invalidations += payload == [0x18, 1] ? 1 : 0
                    return EchoAnswers.frame(payload: [])
                default: return Self.failure(.unimplemented)
                }
            }
        }

        private func found(_ record: [UInt8]) -> [UInt8] {
            var value = RecordShape(valueBytes: 256).value
            value.replaceSubrange(0..<RecordShape.digits, with: record.suffix(RecordShape.digits))
            return EchoAnswers.frame(payload: EchoAnswers.getResponse(value))
        }

        private static func failure(_ status: StatusCode) -> [UInt8] {
            var failure = MessageWriter()
            failure.field(2, Array("there is no record".utf8))
            return EchoAnswers.frame(status: status, payload: failure.bytes)
        }

        private static func stats(_ gets: UInt64) -> [UInt8] {
            let stats = [
                ("cache_bytes", 700), ("cache_entries", 7), ("cache_hits_total", 5 + 2 * gets),
                ("cache_misses_total", 8 + gets), ("vault_reads_total", 1 + 3 * gets),
            ]
            var answer = MessageWriter()
            for (name, value) in stats {
                var stat = MessageWriter()
                stat.field(1, Array(name.utf8))
                stat.field(2, value)
                answer.field(1, stat.bytes)
            }
            return answer.bytes
        }
    }

    private let server: SmallServer
    private let service: Service

    init(deletes: Bool = true, hasAdmin: Bool = true) throws {
        let service = Service(deletes: deletes, hasAdmin: hasAdmin)
        self.service = service
        server = try SmallServer { service.answer(to: &$0) }
    }

    var path: String { server.path }
    var invalidations: Int { service.state.withLock { $0.invalidations } }

    func stop() { server.stop() }
}
