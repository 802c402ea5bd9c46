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

    private func work(_ text: String, _ seen: Seen) -> ReactorMessage { .work([Item { seen.note(text) }]) }

    private func act(_ seen: Seen) -> (ReactorMessage) -> Void {
        { message in
            switch message {
            case .work(let items): for item in items { item.run() }
            case .reply(let serial, _, _): seen.note("reply \(serial)")
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
        inbox.post(.reply(call: 7, .failure(.notFound), more: false))
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

    @Test func aQueueKeepsItsMemoryAndLetsGoOfTooMuch() {
        var queue = TurnQueue<Int>()
        for count in [10, 10, 10_000, 10] {
            for value in 0..<count { queue.append(value) }
            var taken = queue.take()
            #expect(taken == Array(0..<count))
            #expect(queue.isEmpty)
            taken.removeAll(keepingCapacity: true)
            queue.recycle(taken)
        }
    }
}
