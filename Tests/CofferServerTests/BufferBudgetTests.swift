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

    @Test func whatWaitsLeavesHalfForWork() {
        #expect(budget.reserve(30, uid: 1, part: 2))
        #expect(!budget.reserve(1, uid: 1, part: 2))
        #expect(budget.reserve(20, uid: 2, part: 2))
        #expect(!budget.reserve(1, uid: 2, part: 2))
        #expect(budget.reserve(30, uid: 1))
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
