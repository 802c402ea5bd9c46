import CofferCore
import CofferVault
import Testing

@Suite struct AdmissionQueueTests {
    private func waiter(_ id: UInt64, until seconds: Double = 100) -> AdmissionQueue.Waiter {
        AdmissionQueue.Waiter(id: id, since: .at(0), deadline: .at(seconds))
    }

    @Test func firstComeFirstServedUpToTheCapacity() {
        var queue = AdmissionQueue(capacity: 3)
        for id in 1...4 as ClosedRange<UInt64> { #expect(queue.append(waiter(id)) == (id < 4)) }
        #expect(queue.popFirst()?.id == 1)
        #expect(queue.append(waiter(5)) == true)
        #expect((0..<4).map { _ in queue.popFirst()?.id } == [2, 3, 5, nil])
    }

    @Test func whoseTimeIsOverLeavesInOrder() {
        var queue = AdmissionQueue(capacity: 9)
        for (id, end) in [(1, 5), (2, 2), (3, 9), (4, 2)] as [(UInt64, Double)] {
            _ = queue.append(waiter(id, until: end))
        }
        #expect(queue.earliestDeadline == .at(2))
        #expect(queue.removeExpired(at: .at(1.9)).isEmpty)
        #expect(queue.removeExpired(at: .at(2)).map(\.id) == [2, 4])
        #expect(queue.earliestDeadline == .at(5))
        #expect(queue.removeAll().map(\.id) == [1, 3])
        #expect(queue.earliestDeadline == nil)
    }

    /// Against an array that does the same without cleverness.
    @Test(arguments: 0..<30 as Range<UInt64>) func isAnArrayWithAFront(seed: UInt64) {
        let random = SeededRandom(seed)
        var queue = AdmissionQueue(capacity: 20)
        var model: [AdmissionQueue.Waiter] = []
        for id in 0..<500 as Range<UInt64> {
            switch Int(random.unit() * 10) {
            case 0..<5:
                let waiter = waiter(id, until: random.unit() * 100)
                let fits = model.count < 20
                #expect(queue.append(waiter) == fits)
                if fits { model.append(waiter) }
            case 5..<8: #expect(queue.popFirst() == (model.isEmpty ? nil : model.removeFirst()))
            case 8:
                let victim = UInt64(random.unit() * Double(id + 1))
                let isThere = model.contains { $0.id == victim }
                #expect(queue.remove(victim) == isThere)
                model.removeAll { $0.id == victim }
            default:
                let now = BootInstant.at(random.unit() * 20)
                #expect(queue.removeExpired(at: now) == model.filter { $0.deadline <= now })
                model.removeAll { $0.deadline <= now }
            }
            #expect(queue.count == model.count)
            #expect((queue.earliestDeadline == nil) == model.isEmpty)
            for waiter in model { #expect(queue.earliestDeadline.map { $0 <= waiter.deadline } == true) }
        }
    }
}
