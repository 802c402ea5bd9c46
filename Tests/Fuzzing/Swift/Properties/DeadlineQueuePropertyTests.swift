import CofferCore
import Testing

@testable import CofferServer

@Suite struct DeadlineQueuePropertyTests {
    @Test(arguments: 0..<50) func agreesWithASortedArray(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var queue = DeadlineQueue()
        // By serial, which is unique.
        var model: [(deadline: UInt64, serial: UInt64)] = []
        var now: UInt64 = 0
        for step in 0..<600 {
            if random.oneIn(2) {
                let deadline = now + UInt64(random.below(20))
                model.append((deadline, UInt64(step)))
                queue.insert(
                    .init(deadline: BootInstant(nanoseconds: deadline), subject: .call(UInt64(step))))
            } else {
                now += UInt64(random.below(4))
                model.sort { $0.deadline < $1.deadline }
                let item = queue.popExpired(at: BootInstant(nanoseconds: now))
                let expected = model.first.flatMap { $0.deadline <= now ? $0.deadline : nil }
                #expect(item?.deadline.nanoseconds == expected, "seed \(seed), step \(step)")
                if let item, case .call(let serial) = item.subject {
                    let place = model.firstIndex { $0.serial == serial }
                    #expect(place.map { model.remove(at: $0).deadline } == expected, "seed \(seed), step \(step)")
                }
            }
            #expect(queue.count == model.count)
            #expect(queue.next?.nanoseconds == model.map(\.deadline).min())
        }
    }
}
