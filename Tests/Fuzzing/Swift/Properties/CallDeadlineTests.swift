import CofferCore
import Testing

/// Deadlines on the whole way through a reactor, with a clock that moves by hand.
@Suite struct CallDeadlineTests {
    /// A client may give a call the id of one that has ended: the time of that one
    /// is not its own.
    @Test func anIDUsedAgainHasItsOwnDeadline() throws {
        let conversation = try Conversation()
        let service = conversation.service
        var seen: [[UInt32]] = []
        func note() { seen.append(conversation.answers.map(\.status)) }
        conversation.run {
            conversation.ask(callID: 7, milliseconds: 100)
            conversation.settle()
            service.vault.answer()
            note()
            service.clock.advance(byMilliseconds: 60)
            conversation.ask(callID: 7, milliseconds: 10_000)
            conversation.settle()
            // The first would be over now.
            service.clock.advance(byMilliseconds: 60)
            note()
            service.vault.answer()
            note()
            // And the deadline that is its own ends a call.
            conversation.ask(callID: 7, milliseconds: 200)
            conversation.settle()
            service.clock.advance(byMilliseconds: 201)
            note()
            service.vault.answer()
            conversation.settle()
        }
        let (absent, late) = (StatusCode.notFound.rawValue, StatusCode.deadlineExceeded.rawValue)
        #expect(seen == [[absent], [absent], [absent, absent], [absent, absent, late]])
    }
}
