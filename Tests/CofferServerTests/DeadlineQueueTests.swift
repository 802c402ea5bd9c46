import CofferCore
@testable import CofferServer
import Testing

@Suite struct DeadlineQueueTests {
    private func item(_ deadline: UInt64, _ serial: UInt64 = 0) -> DeadlineQueue.Item {
        .init(deadline: BootInstant(nanoseconds: deadline), subject: .call(serial))
    }

    private func serial(_ item: DeadlineQueue.Item) -> UInt64 {
        guard case .call(let serial) = item.subject else { return .max }
        return serial
    }

    private func drain(_ queue: inout DeadlineQueue) -> [UInt64] {
        var order: [UInt64] = []
        while let item = queue.popExpired(at: BootInstant(nanoseconds: .max)) {
            order.append(item.deadline.nanoseconds)
        }
        return order
    }

    @Test func givesTheSoonestFirst() {
        var queue = DeadlineQueue()
        for deadline: UInt64 in [5, 1, 4, 1, 3, 9, 2, 6] { queue.insert(item(deadline)) }
        #expect(queue.next == BootInstant(nanoseconds: 1))
        #expect(queue.popExpired(at: BootInstant(nanoseconds: 0)) == nil)
        #expect(drain(&queue) == [1, 1, 2, 3, 4, 5, 6, 9])
    }

    /// Pruning leaves a heap: the order is still right, whatever is taken out.
    @Test(arguments: [2, 3, 7] as [UInt64])
    func pruningKeepsOrderAndWhatIsAwaited(every kept: UInt64) {
        var queue = DeadlineQueue()
        let deadlines = (0..<500).map { ($0 * 7_919) % 1_009 as UInt64 }
        for (number, deadline) in deadlines.enumerated() { queue.insert(item(deadline, UInt64(number))) }
        queue.prune { serial($0) % kept == 0 }
        let expected = deadlines.enumerated().filter { UInt64($0.offset) % kept == 0 }.map(\.element).sorted()
        #expect(drain(&queue) == expected)
    }

    /// Calls that come and go take no more room than twice those that wait.
    @Test func staysSmallWhenCallsEndBeforeTheirDeadlines() {
        var queue = DeadlineQueue()
        var largest = 0
        for number: UInt64 in 0..<100_000 {
            queue.insert(item(1_000_000 + number, number))
            if queue.wantsPruning { queue.prune { serial($0) + 16 > number } }
            largest = max(largest, queue.count)
        }
        #expect(largest <= 1_024)
        #expect(queue.count >= 16)
    }

    @Test func growsWithThoseThatWait() {
        var queue = DeadlineQueue()
        var prunings = 0
        for number: UInt64 in 0..<50_000 {
            queue.insert(item(number, number))
            guard queue.wantsPruning else { continue }
            prunings += 1
            queue.prune { _ in true }
        }
        #expect(queue.count == 50_000)
        #expect(prunings < 10)
    }
}
