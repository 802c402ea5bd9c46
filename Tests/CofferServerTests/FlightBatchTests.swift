import CofferCache
import CofferCore
import Testing

@testable import CofferServer

/// The flights of some keys of a GetMany.
@Suite(.timeLimit(.minutes(1))) struct FlightBatchTests {
    private let cache = Cache(configuration: CacheConfiguration(), random: SystemRandom())
    private let now = BootInstant(nanoseconds: 1_000_000_000)

    private func ticket(_ user: String) throws -> FlightTicket {
        let joined = cache.join(
            try RecordKey(user: user, connection: "c"), waiter: .task(1), uid: 1, now: now, wall: 1, maximumAge: .max)
        guard case .lead(let ticket, _) = joined else { throw Failure.internalError("not the leader") }
        return ticket
    }

    /// Copies of one key leave one flight, each by itself: it is closed once.
    @Test func oneFlightThatIsClosedTwiceBreaksOffNoOther() async throws {
        let (one, other) = (try ticket("one"), try ticket("other"))
        let batch = FlightBatch(count: 3)
        #expect(batch.noteJoined(leading: one) == nil)
        #expect(batch.noteJoined(leading: nil) == nil)
        #expect(batch.noteJoined(leading: other)?.map(\.id) == [one.id, other.id])
        let task = Task { while !Task.isCancelled { await Task.yield() } }
        batch.noteStarted([task])
        for _ in 0..<2 { batch.noteClosed(one.id) }
        #expect(!task.isCancelled)
        batch.noteClosed(other.id)
        #expect(task.isCancelled)
        await task.value
    }

    /// All may have been closed before the tasks were there.
    @Test func whatNobodyWantsAnyMoreIsBrokenOffWhenItHasStarted() async throws {
        let one = try ticket("one")
        let batch = FlightBatch(count: 1)
        #expect(batch.noteJoined(leading: one)?.count == 1)
        batch.noteClosed(one.id)
        let task = Task { while !Task.isCancelled { await Task.yield() } }
        batch.noteStarted([task])
        #expect(task.isCancelled)
        await task.value
    }
}
