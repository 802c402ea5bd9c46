import CofferCore
import CofferServer
import CofferWire
import Testing

@testable import CofferServer

/// One turn of the reactor does so much for a connection, and so much of what has piled up:
/// nobody's burst delays the others.
@Suite struct TurnTests {
    private static func unknown(_ count: Int) -> [UInt8] {
        (1...UInt64(count)).flatMap { Conversation.frame([], method: 1, callID: $0) }
    }

    private static func answered(_ client: Client) -> Int { Conversation.frames(to: client).count }

    /// Turns until nothing is left to do without a new event; each is to follow at once.
    private static func catchUp(_ conversation: Conversation, while condition: () -> Bool) -> Int {
        var turns = 0
        while condition(), turns < 10_000 {
            #expect(conversation.service.reactor.timeout() == 0, "what was put off waits for an event")
            conversation.service.reactor.turn(waiting: 0)
            turns += 1
        }
        return turns
    }

    @Test func aBurstLeavesOthersTheirTurn() throws {
        let conversation = try Conversation()
        conversation.run {
            let other = conversation.another()
            conversation.send(Self.unknown(2_000))
            conversation.send(Self.unknown(1), from: other)
            conversation.service.reactor.turn(waiting: 0)
            #expect(Self.answered(other) == 1)
            let first = Self.answered(conversation.client)
            #expect((1...200).contains(first), "\(first) frames of one connection in one turn")
            let turns = Self.catchUp(conversation) { Self.answered(conversation.client) < 2_000 }
            #expect(turns <= 2_000 / 60)
            conversation.settle()
            #expect(conversation.service.reactor.timeout() != 0, "it spins")
        }
        #expect(conversation.answers.map(\.callID) == Array(1...2_000))
    }

    /// In a turn that has done much, whoever comes last is answered all the same.
    @Test func manyBurstsShareATurnFairly() throws {
        let conversation = try Conversation()
        conversation.run {
            let hogs = (0..<40).map { _ in conversation.another() }
            for hog in hogs { conversation.send(Self.unknown(500), from: hog) }
            conversation.send(Self.unknown(1))
            conversation.service.reactor.turn(waiting: 0)
            #expect(Self.answered(conversation.client) == 1)
            let counts = hogs.map(Self.answered)
            #expect(counts.allSatisfy { (64...128).contains($0) }, "\(counts)")
            _ = Self.catchUp(conversation) { hogs.contains { Self.answered($0) < 500 } }
            #expect(hogs.map(Self.answered).allSatisfy { $0 == 500 })
        }
    }

    /// Of those that are behind, as many go on as there is time for, in turns.
    @Test func whoIsBehindTakesATimeSliceOfATurn() throws {
        let conversation = try Conversation()
        conversation.run {
            let hogs = (0..<40).map { _ in conversation.another() }
            for hog in hogs { conversation.send(Self.unknown(500), from: hog) }
            conversation.service.reactor.turn(waiting: 0)
            let before = hogs.map(Self.answered)
            // A slice has time for five looks.
            conversation.service.clock.step(byMicroseconds: 100)
            for _ in 0..<8 { conversation.service.reactor.turn(waiting: 0) }
            let more = zip(hogs.map(Self.answered), before).map { $0 - $1 }
            #expect(more.allSatisfy { $0 == 64 }, "\(more)")
            _ = Self.catchUp(conversation) { hogs.contains { Self.answered($0) < 500 } }
        }
    }

    @Test func largeAnswersAreMadeAFewAtATime() throws {
        let conversation = try Conversation(ttlMilliseconds: 300_000)
        let service = conversation.service
        conversation.run {
            let record = [0x0a, 1, 0x75, 0x12, 1, 0x63] + [0x1a, 0xe0, 0xd4, 0x03] + [UInt8](repeating: 7, count: 60_000)
            conversation.send(Conversation.frame(record, method: CredentialsMethod.store.rawValue, callID: 1))
            conversation.answerAll()
            let before = service.counters.ended.cacheHits
            conversation.send((2...101).flatMap { Conversation.get(callID: $0) })
            service.reactor.turn(waiting: 0)
            let hits = service.counters.ended.cacheHits - before
            #expect((2...4).contains(hits), "\(hits) answers of 60 KB in one turn")
            conversation.receiveAll()
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.callID) == Array(1...101))
    }

    /// With a thousand calls of one connection.
    private func withWaitingCalls(_ body: (Conversation, inout Client?) -> Void) throws {
        let conversation = try Conversation()
        conversation.run {
            var client: Client? = conversation.another()
            conversation.send((1...1_000).flatMap { Conversation.get(callID: $0) }, from: client!)
            while conversation.service.ledger.work < 1_000 { conversation.settle() }
            conversation.service.clock.step(byMicroseconds: 100)
            body(conversation, &client)
            conversation.service.clock.step(byMicroseconds: 0)
            client = nil
            conversation.answerAll()
        }
        #expect(conversation.service.ledger.work == 0)
        #expect(conversation.service.reactor.calls.isEmpty)
    }

    @Test func callsOfAConnectionThatGoesAreStoppedInSlices() throws {
        try withWaitingCalls { conversation, client in
            let service = conversation.service
            client = nil
            conversation.send(Self.unknown(1))
            // The first turn finds the end of input, the second that nobody is there.
            for _ in 0..<2 { service.reactor.turn(waiting: 0) }
            #expect(Self.answered(conversation.client) == 1)
            #expect((900..<1_000).contains(service.ledger.work), "\(service.ledger.work) calls are left")
            // The flight goes on.
            _ = Self.catchUp(conversation) { service.ledger.work > 1 }
            #expect(service.ledger.work == 1)
        }
    }

    @Test func callsWhoseTimeIsOverAreAnsweredInSlices() throws {
        try withWaitingCalls { conversation, client in
            conversation.service.clock.advance(byMilliseconds: 11_000)
            conversation.send(Self.unknown(1))
            conversation.service.reactor.turn(waiting: 0)
            #expect(Self.answered(conversation.client) == 1)
            let first = Self.answered(client!)
            #expect((1...100).contains(first), "\(first) calls at once")
            _ = Self.catchUp(conversation) { Self.answered(client!) < 1_000 }
        }
    }

    @Test func answersThatComeTogetherGoOutInSlices() throws {
        try withWaitingCalls { conversation, client in
            conversation.service.vault.answer()
            var first = 0
            for _ in 0..<20 where first == 0 {
                conversation.service.reactor.turn(waiting: 0)
                first = Self.answered(client!)
            }
            #expect((1...100).contains(first), "\(first) answers at once")
            _ = Self.catchUp(conversation) { Self.answered(client!) < 1_000 }
        }
    }

    @Test func stalledConnectionsAreCutInSlices() throws {
        var limits = ServerLimits()
        limits.frameSeconds = 1
        let conversation = try Conversation(limits: limits)
        conversation.run {
            let hogs = (0..<200).map { _ in conversation.another() }
            for hog in hogs { conversation.send(Array(Self.unknown(1).prefix(9)), from: hog) }
            conversation.settle()
            conversation.service.clock.advance(byMilliseconds: 5_000)
            conversation.service.clock.step(byMicroseconds: 100)
            conversation.send(Self.unknown(1))
            conversation.service.reactor.turn(waiting: 0)
            #expect(Self.answered(conversation.client) == 1)
            let left = conversation.service.reactor.openCount
            #expect((150...200).contains(left), "\(left) connections are left")
            _ = Self.catchUp(conversation) { conversation.service.reactor.openCount > 1 }
            withExtendedLifetime(hogs) {}
        }
    }
}
