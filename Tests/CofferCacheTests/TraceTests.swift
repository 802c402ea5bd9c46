import CofferCacheSimulation
import CofferWorkload
import Testing

@Suite struct TraceTextTests {
    static let head = "coffer-trace 1\nrecords 3\n"

    @Test func readsWhatItWrites() throws {
        let trace = Trace(
            records: 3,
            events: [
                .init(time: 0, .get(2)), .init(time: 0, .store(3)), .init(time: 7, .delete(0)),
                .init(time: 600_000, .down), .init(time: 4_294_967_295, .up),
            ])
        let text = trace.text(comment: "by hand")
        #expect(
            String(decoding: text, as: UTF8.self) == """
                coffer-trace 1
                records 3
                # by hand
                0 G 2
                0 S 3
                7 D 0
                600000 down
                4294967295 up

                """)
        #expect(try Trace(text: text) == trace)
        #expect(trace.keys == 4)
    }

    @Test func comesWithoutEvents() throws {
        let trace = try Trace(text: Array(Self.head.utf8))
        #expect(trace == Trace(records: 3, events: []))
        #expect(trace.keys == 3)
    }

    @Test(
        arguments: [
            ("", 1, "expected \"coffer-trace 1\" and a line feed"),
            ("coffer-trace 2\n", 1, "expected \"coffer-trace 1\" and a line feed"),
            ("coffer-trace 1\nrecords\n", 2, "expected \"records N\", N up to 16777216, and a line feed"),
            ("coffer-trace 1\nrecords 16777217\n", 2, "expected \"records N\", N up to 16777216, and a line feed"),
            (head + "x", 3, "expected milliseconds up to 4294967295 and a space"),
            (head + "-1 G 1\n", 3, "expected milliseconds up to 4294967295 and a space"),
            (head + "4294967296 G 1\n", 3, "expected milliseconds up to 4294967295 and a space"),
            (head + "1\n", 3, "expected milliseconds up to 4294967295 and a space"),
            (head + "\n", 3, "expected milliseconds up to 4294967295 and a space"),
            (head + "1 get 1\n", 3, "expected G, S or D with a space and a record, or down, or up"),
            (head + "1 G\n", 3, "expected G, S or D with a space and a record, or down, or up"),
            (head + "1 G \n", 3, "expected a record from 0 to 16777215"),
            (head + "1 S 16777216\n", 3, "expected a record from 0 to 16777215"),
            (head + "1 D 99999999999999999999\n", 3, "expected a record from 0 to 16777215"),
            (head + "1 G 1 \n", 3, "expected a line feed behind the event"),
            (head + "1 G 1\r\n", 3, "expected a line feed behind the event"),
            (head + "1 G 1", 3, "expected a line feed behind the event"),
            (head + "# one\n2 G 1\n# two\n1 G 1\n", 6, "1ms, and the event before is at 2ms"),
            (head + "1 up\n", 3, "the vault is up already"),
            (head + "1 down\n2 down\n", 4, "the vault is down already"),
        ] as [(String, Int, String)])
    func refuses(text: String, line: Int, what: String) {
        let error = #expect(throws: TraceError.self) { try Trace(text: Array(text.utf8)) }
        #expect(error?.description == "line \(line): \(what)")
    }
}

@Suite struct TraceMakerTests {
    static func make(seed: UInt64 = 1, _ change: (inout TraceShape) -> Void = { _ in }) -> Trace {
        var shape = TraceShape()
        shape.records = 500
        shape.seconds = 600
        shape.scans = 2
        shape.scannedPerSecond = 50
        shape.outageSeconds = 60
        change(&shape)
        return TraceMaker(shape, random: SplitMix(seed: seed)).make()
    }

    /// Nothing but what is asked for.
    static func makeOnly(_ change: (inout TraceShape) -> Void) -> Trace {
        make { shape in
            (shape.getsPerSecond, shape.scans, shape.outages) = (0, 0, 0)
            (shape.replacedPerMinute, shape.rotatedPerMinute) = (0, 0)
            change(&shape)
        }
    }

    /// FNV-1a. Another hash means another trace: then all published figures are another trace's.
    @Test func theSameSeedMakesTheSameFile() {
        let hash = Self.make().text(comment: "").reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01B3
        }
        #expect(hash == 3_597_499_785_450_428_755)
        #expect(Self.make() == Self.make())
        #expect(Self.make() != Self.make(seed: 2))
    }

    @Test func isReadAsItWasMade() throws {
        let trace = Self.make()
        #expect(try Trace(text: trace.text(comment: "made")) == trace)
        #expect(trace.events.count > 24_000)
    }

    @Test(arguments: [(0.0, 0.010...0.020), (0.99, 0.37...0.40), (1.5, 0.70...0.90)])
    func popularityIsZipfs(exponent: Double, share: ClosedRange<Double>) {
        let trace = Self.makeOnly {
            $0.records = 1_000
            $0.exponent = exponent
            $0.getsPerSecond = 40
        }
        var counts = [Int](repeating: 0, count: 1_000)
        for event in trace.events { if case .get(let key) = event.action { counts[Int(key)] += 1 } }
        #expect(counts.reduce(0, +) == 24_000)
        let top = counts.sorted(by: >).prefix(10).reduce(0, +)
        #expect(share.contains(Double(top) / 24_000))
        if exponent > 0 { #expect(counts[0] == counts.max()) }
    }

    @Test func scansReadEachRecordOnce() {
        let trace = Self.makeOnly { $0.scans = 2 }
        #expect(trace.events.count == 1_000)
        for scan in [trace.events.prefix(500), trace.events.suffix(500)] {
            #expect(Set(scan.compactMap(\.action.key)) == Set(0..<500))
        }
        #expect(trace.events[0].time == 150_000 && trace.events[500].time == 450_000)
    }

    @Test func recordsAppearAndDie() {
        let trace = Self.makeOnly {
            $0.replacedPerMinute = 10
            $0.getsOfDeleted = 3
        }
        var alive = Set<UInt32>(0..<500)
        var missed = 0
        for event in trace.events {
            switch event.action {
            case .store(let key): #expect(alive.insert(key).inserted)
            case .delete(let key): #expect(alive.remove(key) != nil)
            case .get(let key): missed += alive.contains(key) ? 0 : 1
            case .down, .up: Issue.record("no outage was asked for")
            }
        }
        #expect(alive.count == 500)
        #expect(trace.keys == 600)
        // Three for each of the 100, but for those after the end.
        #expect((270...300).contains(missed))
    }

    @Test func outagesAreThereAndWritesAreTriedAgain() throws {
        let trace = Self.makeOnly {
            $0.outages = 3
            $0.rotatedPerMinute = 60
            $0.replacedPerMinute = 6
        }
        let downs = trace.events.indices.filter { trace.events[$0].action == .down }
        let ups = trace.events.indices.filter { trace.events[$0].action == .up }
        #expect(downs.count == 3 && ups.count == 3)
        for (down, up) in zip(downs, ups) {
            #expect(trace.events[up].time - trace.events[down].time == 60_000)
            let inVain = trace.events[down + 1..<up].filter { if case .get = $0.action { false } else { true } }
            let again = trace.events[(up + 1)...].prefix { $0.time == trace.events[up].time }
            #expect(inVain.count > 50)
            #expect(Set(inVain.map(\.action.key)).isSubset(of: Set(again.map(\.action.key))))
        }
        // What could not be stored cannot be deleted either, in an outage.
        for (down, up) in zip(downs, ups) {
            #expect(!trace.events[down..<up].contains { if case .delete = $0.action { true } else { false } })
        }
    }
}
