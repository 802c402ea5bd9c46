@testable import CofferServer
import Testing

@Suite struct BufferBudgetTests {
    private let budget: BufferBudget

    init() {
        var limits = ServerLimits()
        limits.bufferedBytes = 100
        limits.bufferedBytesPerUID = 60
        budget = BufferBudget(limits: limits)
    }

    @Test func noUIDTakesAll() {
        #expect(budget.reserve(60, uid: 1))
        #expect(!budget.reserve(1, uid: 1))
        #expect(budget.reserve(40, uid: 2))
        #expect(!budget.reserve(1, uid: 3))
        budget.release(10, uid: 1)
        #expect(budget.reserve(10, uid: 2))
        #expect(budget.bytes == 100)
    }

    @Test func keysLeaveHalfForWork() {
        #expect(budget.reserve(30, uid: 1, for: .keys))
        #expect(!budget.reserve(1, uid: 1, for: .keys))
        #expect(budget.reserve(20, uid: 2, for: .keys))
        #expect(!budget.reserve(1, uid: 2, for: .keys))
        #expect(budget.reserve(30, uid: 1))
    }

    /// A call whose keys find room, however many others send their answers, is not refused.
    @Test func workTakesNoneOfTheRoomForKeysBeforeAllIsFull() {
        #expect(budget.reserve(50, uid: 1))
        #expect(budget.reserve(10, uid: 1, for: .keys))
        #expect(!budget.reserve(1, uid: 1, for: .keys))
    }

    @Test func readingAheadKeepsNoKeysOut() {
        #expect(budget.reserve(15, uid: 1, for: .readAhead))
        #expect(!budget.reserve(1, uid: 1, for: .readAhead))
        #expect(budget.reserve(15, uid: 1, for: .keys))
        budget.release(15, uid: 1, for: .readAhead)
        // The keys alone take a quarter.
        #expect(!budget.reserve(1, uid: 1, for: .readAhead))
        budget.release(15, uid: 1, for: .keys)
        #expect(budget.reserve(15, uid: 1, for: .readAhead))
        budget.release(15, uid: 1, for: .readAhead)
        #expect(budget.bytes == 0)
    }

    /// Of a share of 60 bytes: one call has half of what may be read ahead, however many records it asks for.
    @Test func whoReadsManyLeavesOthersRoomToReadSome() {
        #expect(budget.reserve(7, uid: 1, for: .readFarAhead))
        #expect(!budget.reserve(1, uid: 1, for: .readFarAhead))
        #expect(budget.reserve(8, uid: 1, for: .readAhead))
        #expect(!budget.reserve(1, uid: 1, for: .readAhead))
        budget.release(8, uid: 1, for: .readAhead)
        budget.release(7, uid: 1, for: .readFarAhead)
        #expect(budget.reserve(15, uid: 1, for: .readAhead))
        budget.release(15, uid: 1, for: .readAhead)
        #expect(budget.bytes == 0)
    }

    /// Of a share of 60 bytes: a turn waits, and keys and frames do not.
    @Test func turnsLeaveAnEighthToWhatCannotWait() {
        #expect(budget.reserve(40, uid: 1, for: .turns))
        #expect(budget.hasRoom(9, uid: 1, for: .turns))
        #expect(!budget.hasRoom(10, uid: 1, for: .turns))
        #expect(budget.reserve(9, uid: 1, for: .turns))
        #expect(!budget.reserve(1, uid: 1, for: .turns))
        #expect(!budget.reserve(1, uid: 1, for: .readAhead))
        #expect(budget.reserve(5, uid: 1, for: .keys))
        #expect(budget.reserve(6, uid: 1))
        #expect(!budget.reserve(1, uid: 1))
        budget.release(49, uid: 1, for: .turns)
        budget.release(5, uid: 1, for: .keys)
        budget.release(6, uid: 1)
        #expect(budget.bytes == 0)
    }

    @Test func aReservationThatShrinksGivesTheDifferenceBackOnce() {
        var reservation = BufferReservation(12, of: budget, uid: 1, for: .readAhead)
        reservation?.shrink(to: 5)
        #expect(budget.bytes == 5)
        reservation?.shrink(to: 9)
        #expect(budget.bytes == 5)
        reservation = nil
        #expect(budget.bytes == 0)
        #expect(budget.reserve(15, uid: 1, for: .readAhead))
    }

    @Test func aReservationEndsWithItsLastReference() {
        var reservation = BufferReservation(60, of: budget, uid: 1)
        #expect(reservation != nil)
        #expect(BufferReservation(1, of: budget, uid: 1) == nil)
        reservation = nil
        #expect(budget.bytes == 0)
        #expect(budget.reserve(60, uid: 1))
    }

    @Test(arguments: [(8_192, 4_096, 1_000, 500), (8_192, 8_192, 960, 960), (8_192, 1, 16, 1), (20, 4_096, 16, 16)])
    func aUIDsShareShrinksWithTheWhole(connections: Int, perUID: Int, room: Int, expected: Int) {
        var limits = ServerLimits()
        limits.connections = connections
        limits.connectionsPerUID = perUID
        limits.shrink(toConnections: room)
        #expect(limits.connections == room)
        #expect(limits.connectionsPerUID == expected)
    }
}
