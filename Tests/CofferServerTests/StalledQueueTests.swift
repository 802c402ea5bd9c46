import CofferCore
@testable import CofferServer
import Testing

@Suite struct StalledQueueTests {
    private func item(_ connection: UInt64, _ nanoseconds: UInt64) -> StalledQueue.Item {
        .init(connection: connection, since: BootInstant(nanoseconds: nanoseconds))
    }

    @Test func whoStalledFirstIsFirstAndEachUIDIsApart() {
        var queue = StalledQueue()
        for (connection, uid) in [(1, 7), (2, 8), (3, 7)] as [(UInt64, UInt32)] {
            queue.insert(item(connection, connection), uid: uid) { _ in true }
        }
        #expect(queue.longest(uid: 7, besides: 0) { _ in true }?.connection == 1)
        #expect(queue.longest(uid: 8, besides: 0) { _ in true }?.connection == 2)
        #expect(queue.longest(uid: 8, besides: 2) { _ in true } == nil)
        #expect(queue.longest(uid: 9, besides: 0) { _ in true } == nil)
    }

    @Test func whoReadsAgainIsPassedOverAndWhoAsksStaysIn() {
        var queue = StalledQueue()
        for connection: UInt64 in 1...6 { queue.insert(item(connection, connection), uid: 7) { _ in true } }
        let gone: Set<UInt64> = [2, 3, 5]
        let isStalled = { (item: StalledQueue.Item) in !gone.contains(item.connection) }
        #expect(queue.longest(uid: 7, besides: 1, isStalled: isStalled)?.connection == 4)
        #expect(queue.longest(uid: 7, besides: 0, isStalled: isStalled)?.connection == 1)
        #expect(queue.count == 4)
        #expect(queue.longest(uid: 7, besides: 0) { $0.connection == 6 }?.connection == 6)
        #expect(queue.count == 1)
    }

    /// A client that takes a few bytes at a time stalls anew each time.
    @Test func itDoesNotGrowWithoutEnd() {
        var queue = StalledQueue()
        queue.insert(item(1, 0), uid: 7) { _ in true }
        for round: UInt64 in 1...100_000 {
            queue.insert(item(2, round), uid: 7) { $0.connection == 1 || $0.since.nanoseconds == round }
            #expect(queue.count <= 1_024)
        }
        #expect(queue.longest(uid: 7, besides: 1) { $0.connection == 1 || $0.since.nanoseconds == 100_000 }?.connection == 2)
    }
}
