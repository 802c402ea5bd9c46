import CofferCore
@testable import CofferServer
import CofferVault
import Synchronization
import Testing

@Suite struct InboxTests {
    private final class Seen: Sendable {
        private let texts = Mutex<[String]>([])
        func note(_ text: String) { texts.withLock { $0.append(text) } }
        var all: [String] { texts.withLock { $0 } }
    }

    private final class Item: WorkItem {
        private let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
        func run() { body() }
    }

    private func work(_ text: String, _ seen: Seen) -> ReactorMessage { .work(Item { seen.note(text) }) }

    private func act(_ seen: Seen) -> (ReactorMessage) -> Void {
        { message in
            switch message {
            case .work(let item): item.run()
            case .reply(let serial, _): seen.note("reply \(serial)")
            default: seen.note("another")
            }
        }
    }

    @Test func aStrangerIsHeardInOrder() throws {
        let inbox = try Inbox()
        let seen = Seen()
        inbox.post(work("1", seen))
        inbox.post([Item { seen.note("2") }, Item { seen.note("3") }])
        #expect(!inbox.hasOwn)
        inbox.takeAll(act(seen))
        inbox.takeAll(act(seen))
        #expect(seen.all == ["1", "2", "3"])
    }

    /// What the owner leaves itself needs no wake-up; answers are apart from the rest.
    @Test func theOwnersAnswersComeAfterItsWork() throws {
        let inbox = try Inbox()
        inbox.claim()
        let seen = Seen()
        inbox.post(.reply(call: 7, .failure(.notFound)))
        inbox.post(work("work", seen))
        #expect(inbox.hasOwn)
        #expect(seen.all.isEmpty)
        inbox.takeAll(act(seen))
        #expect(seen.all.isEmpty)
        inbox.takeOwn(act(seen))
        inbox.takeAnswers(act(seen))
        #expect(seen.all == ["work", "reply 7"])
        #expect(!inbox.hasOwn)
    }

    /// What is left during a turn waits for the next.
    @Test func aTurnTakesWhatWasThereWhenItBegan() throws {
        let inbox = try Inbox()
        inbox.claim()
        let seen = Seen()
        inbox.post([
            Item {
                seen.note("first")
                inbox.post([Item { seen.note("second") }])
            }
        ])
        inbox.takeOwn(act(seen))
        #expect(seen.all == ["first"])
        inbox.takeOwn(act(seen))
        #expect(seen.all == ["first", "second"])
    }

    /// What is left when a slice is over is acted on later, in order, without another wake-up.
    @Test func whatASliceLeavesWaitsForTheNext() throws {
        let inbox = try Inbox()
        let seen = Seen()
        let clock = SteppingClock()
        inbox.post((1...4).map { number in Item { seen.note("\(number)") } })
        inbox.takeAll(within: Slice(clock), act(seen))
        #expect(seen.all == ["1"])
        inbox.post([Item { seen.note("5") }])
        #expect(inbox.hasHeard)
        for count in 2...4 {
            inbox.takeAll(within: Slice(clock), act(seen))
            #expect(seen.all.count == count)
        }
        #expect(inbox.hasHeard, "the fifth came without a wake-up of its own")
        inbox.takeAll(act(seen))
        #expect(seen.all == ["1", "2", "3", "4", "5"])
        #expect(!inbox.hasHeard)
    }

    @Test func theOwnersWorkIsDoneInSlicesToo() throws {
        let inbox = try Inbox()
        inbox.claim()
        let seen = Seen()
        let clock = SteppingClock()
        inbox.post((1...2).map { number in Item { seen.note("\(number)") } })
        inbox.post([.reply(call: 1, .failure(.notFound)), .reply(call: 2, .failure(.notFound))])
        for _ in 0..<2 {
            #expect(inbox.hasOwn)
            inbox.takeOwn(within: Slice(clock), act(seen))
            inbox.takeAnswers(within: Slice(clock), act(seen))
        }
        #expect(seen.all == ["1", "reply 1", "2", "reply 2"])
        #expect(!inbox.hasOwn)
    }

    @Test func aQueueGivesEachTurnWhatTheLastOneLeft() {
        var queue = TurnQueue<Int>()
        for value in 0..<4 { queue.append(value) }
        #expect(queue.beginTurn() == 4)
        #expect(queue.popFirst() == 0)
        queue.append(contentsOf: [4, 5])
        #expect(queue.beginTurn() == 3)
        #expect((0..<4).map { _ in queue.popFirst() } == [1, 2, 3, nil])
        #expect(!queue.isEmpty)
        #expect(queue.beginTurn() == 2)
        #expect((0..<3).map { _ in queue.popFirst() } == [4, 5, nil])
        #expect(queue.isEmpty)
    }

    @Test func aQueueComesThroughAsManyAsThereAre() {
        var queue = TurnQueue<Int>()
        for count in [10, 10, 10_000, 10] {
            for value in 0..<count { queue.append(value) }
            #expect(queue.beginTurn() == count)
            #expect((0..<count).map { _ in queue.popFirst() } == Array(0..<count))
            #expect(queue.isEmpty)
        }
    }
}

/// It goes on by a slice whenever somebody looks at it.
private final class SteppingClock: Clock {
    private let nanoseconds = Atomic<UInt64>(1_000_000_000)

    var boot: BootInstant {
        BootInstant(nanoseconds: nanoseconds.add(500_000, ordering: .relaxed).newValue)
    }

    var wall: WallMilliseconds { 1_700_000_000_000 }
}
