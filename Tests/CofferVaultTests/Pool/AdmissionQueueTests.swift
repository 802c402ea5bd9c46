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

    /// However one leaves, the uid's place is free again.
    @Test func noUIDHasMoreThanItsShare() {
        var queue = AdmissionQueue(capacity: 6, share: 2)
        func waiter(_ id: UInt64, _ uid: UInt32?, until end: Double = 100) -> AdmissionQueue.Waiter {
            AdmissionQueue.Waiter(id: id, since: .at(0), deadline: .at(end), uid: uid)
        }
        #expect(queue.append(waiter(1, 7)) == true)
        #expect(queue.append(waiter(2, 7, until: 5)) == true)
        #expect(queue.append(waiter(3, 7)) == false)
        #expect(queue.append(waiter(4, 8)) == true)
        #expect(queue.popFirst()?.id == 1)
        #expect(queue.append(waiter(5, 7)) == true)
        #expect(queue.append(waiter(6, 7)) == false)
        #expect(queue.remove(5) == true)
        #expect(queue.append(waiter(7, 7)) == true)
        #expect(queue.removeExpired(at: .at(6)).map(\.id) == [2])
        #expect(queue.append(waiter(8, 7)) == true)
        #expect(queue.append(waiter(9, 7)) == false)
        // The daemon itself has no share.
        for id in 10...12 as ClosedRange<UInt64> { #expect(queue.append(waiter(id, nil)) == true) }
        #expect(queue.append(waiter(13, nil)) == false)
        #expect(queue.removeAll().map(\.id) == [4, 7, 8, 10, 11, 12])
        for id in 14...15 as ClosedRange<UInt64> { #expect(queue.append(waiter(id, 7)) == true) }
    }

    @Test(arguments: [(8_192, 4_096, 4_096), (8_192, 65_536, 4_096), (16, 65_536, 8), (8_192, 5, 5), (1, 5, 1), (0, 5, 1)])
    func theShareIsAtMostHalfWhateverIsSet(queue: Int, perUID: Int, share: Int) {
        var limits = VaultLimits()
        limits.maximumQueued = queue
        limits.maximumQueuedPerUID = perUID
        #expect(limits.queueShare == share)
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
