import Dispatch
import Synchronization
import Testing

@testable import CofferDaemon

@Suite struct LogQueueTests {
    /// Standard error that can be blocked, and broken.
    private final class Sink: Sendable {
        private let lines = Mutex<[String]>([])
        private let gate = DispatchSemaphore(value: 0)
        let isBlocked = Atomic<Bool>(false)
        let isBroken = Atomic<Bool>(false)

        func write(_ bytes: [UInt8]) -> Bool {
            if isBlocked.load(ordering: .acquiring) { gate.wait() }
            if isBroken.load(ordering: .acquiring) { return false }
            lines.withLock { $0.append(String(decoding: bytes, as: UTF8.self)) }
            return true
        }

        func release() {
            isBlocked.store(false, ordering: .releasing)
            gate.signal()
        }

        var all: [String] { lines.withLock { $0 } }
    }

    private let sink = Sink()
    private let queue: LogQueue

    init() throws {
        let sink = sink
        queue = LogQueue(report: { "dropped \($0)" }, write: { _, bytes in sink.write(bytes) })
        try queue.start()
    }

    @Test func writesInOrder() {
        for number in 0..<1_000 { queue.append("line \(number)") }
        queue.flush(milliseconds: 10_000)
        #expect(sink.all == (0..<1_000).map { "line \($0)\n" })
        #expect(queue.droppedTotal == 0)
    }

    @Test func nobodyWaitsForAReaderAndWhatIsDroppedIsReported() {
        sink.isBlocked.store(true, ordering: .releasing)
        let line = String(repeating: "x", count: 1_000)
        let start = ContinuousClock.now
        for _ in 0..<3_000 { queue.append(line) }
        queue.flush(milliseconds: 50)
        #expect(ContinuousClock.now - start < .seconds(5))
        let dropped = queue.droppedTotal
        #expect((1_900..<2_100).contains(dropped))
        sink.release()
        queue.flush(milliseconds: 10_000)
        queue.append("after")
        queue.flush(milliseconds: 10_000)
        #expect(sink.all.filter { $0 == line + "\n" }.count == 3_000 - Int(dropped))
        let reported = sink.all.filter { $0.hasPrefix("dropped ") }
        #expect((1...2).contains(reported.count))
        #expect(reported.reduce(0) { $0 + (UInt64($1.dropFirst(8).dropLast()) ?? 0) } == dropped)
        #expect(sink.all.contains("after\n"))
    }

    @Test func whatTheSystemRefusesIsCountedAndReportedLater() {
        sink.isBroken.store(true, ordering: .releasing)
        for _ in 0..<3 {
            queue.append("lost")
            queue.flush(milliseconds: 10_000)
        }
        #expect(queue.droppedTotal == 3)
        sink.isBroken.store(false, ordering: .releasing)
        queue.append("kept")
        queue.flush(milliseconds: 10_000)
        #expect(sink.all == ["kept\n", "dropped 3\n"])
    }
}
