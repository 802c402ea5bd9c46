import CofferCore
import CofferWire
import Testing

/// A client may give a call the id of one that has ended, while that one's work goes on.
@Suite struct ReusedCallIDTests {
    enum Ending: CaseIterable { case cancel, deadline }

    /// Call 7, twice: the first is of a record of Alice's, or of one that is not there and so
    /// can be stored; the second is of Bob's.
    private static func reuse(
        _ first: Request, _ second: Request, _ ending: Ending, oldestFirst: Bool
    ) throws -> [(status: UInt32, payload: [UInt8])] {
        let conversation = try Conversation()
        let vault = conversation.service.vault
        conversation.run {
            for (id, user) in zip(1..., ["alice", "bob"]) {
                conversation.send(
                    Conversation.frame(
                        Request.store.payload(user: user), method: Request.store.method, callID: UInt64(id)))
                conversation.answerAll()
            }
            let user = first.isWrite ? "carol" : "alice"
            conversation.send(
                Conversation.frame(first.payload(user: user), method: first.method, callID: 7, milliseconds: 4_000))
            conversation.settle()
            switch ending {
            case .cancel: conversation.send(Conversation.cancel(callID: 7))
            case .deadline: conversation.service.clock.advance(byMilliseconds: 4_001)
            }
            conversation.settle()
            conversation.send(Conversation.frame(second.payload(user: "bob"), method: second.method, callID: 7))
            conversation.settle()
            while !vault.isIdle {
                vault.answerOne(oldest: oldestFirst)
                conversation.settle()
            }
        }
        return conversation.frames.filter { $0.header.callID == 7 }.map { ($0.header.methodOrStatus, $0.payload) }
    }

    @Test("never gets the answer of the first", arguments: Ending.allCases, Request.allCases)
    func theSecondCall(ending: Ending, first: Request) throws {
        for second in Request.allCases {
            for oldestFirst in [true, false] {
                let answers = try Self.reuse(first, second, ending, oldestFirst: oldestFirst)
                let context = Comment("\(first), then \(second) after a \(ending), oldest first: \(oldestFirst)")
                try #require(answers.count == 2, context)
                let (before, after) = (answers[0], answers[1])
                if ending == .cancel && first.isWrite {
                    // It is not interrupted, so its id is not free.
                    #expect(before.status == StatusCode.invalidArgument.rawValue, context)
                    #expect(after.status == StatusCode.ok.rawValue, context)
                    continue
                }
                let ended = ending == .cancel ? StatusCode.cancelled : .deadlineExceeded
                #expect(before.status == ended.rawValue, context)
                #expect(after.status == second.status.rawValue, context)
                #expect(second.isAnswered(by: after.payload, user: "bob"), context)
            }
        }
    }
}
