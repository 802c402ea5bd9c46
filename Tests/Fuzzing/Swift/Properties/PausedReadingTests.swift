import CofferCore
import Glibc
import Testing

@testable import CofferServer

/// A connection with too many answers is not read for a while: what was
/// sent before comes to its turn all the same, and what nothing follows is let go.
@Suite struct PausedReadingTests {
    private static func limits(calls: Int) -> ServerLimits {
        var limits = ServerLimits()
        limits.callsPerConnection = calls
        return limits
    }

    /// With a connection that few answers pause, for the kernel takes little of what is
    /// sent to the client.
    private static func narrow(calls: Int) throws -> Conversation {
        var limits = limits(calls: calls)
        limits.outputBytes = 1024
        return try Conversation(limits: limits) { server in
            var bytes: Int32 = 1
            setsockopt(server, SOL_SOCKET, SO_SNDBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// Begins a frame, and then lets more be answered than the client takes.
    private static func pauseByAnswers(_ conversation: Conversation) {
        conversation.send((1...400).flatMap { Conversation.get(callID: $0) })
        conversation.settle()
        conversation.send(Array(Conversation.get(callID: 401).prefix(9)))
        conversation.settle()
        conversation.service.vault.answer()
        conversation.settle()
    }

    @Test("frames held back are answered after the end of input, and the start of one more is let go", arguments: [0, 9])
    func endOfInputBehindAPause(bytesOfOneMore: Int) throws {
        let conversation = try Self.narrow(calls: 2)
        conversation.run {
            // Those too many are refused at once: with that it pauses, and has frames in hand.
            let frames = (1...400).flatMap { Conversation.get(callID: $0) }
            conversation.send(frames + Conversation.get(callID: 401).prefix(bytesOfOneMore))
            conversation.settle()
            conversation.client.endSending()
            conversation.settle()
            #expect(conversation.service.reactor.openCount == 1)
            conversation.receiveAll()
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.callID).sorted() == Array(1...400))
        #expect(conversation.service.reactor.openCount == 0)
    }

    /// The answers that pause it come while a frame's rest is awaited; so does the end.
    @Test func theStartOfAFrameBeforeAPauseDoesNotKeepTheConnection() throws {
        let conversation = try Self.narrow(calls: 1000)
        let reactor = conversation.service.reactor
        conversation.run {
            Self.pauseByAnswers(conversation)
            conversation.client.endSending()
            conversation.settle()
            #expect(reactor.openCount == 1)
            conversation.receiveAll()
        }
        #expect(conversation.answers.map(\.callID).sorted() == Array(1...400))
        #expect(reactor.openCount == 0)
    }

    /// A drain refuses what waits, and by that ends pauses, before its own end.
    @Test func aDrainAnswersWhatAPauseHeldBack() throws {
        let conversation = try Self.narrow(calls: 2)
        conversation.run {
            conversation.send((1...400).flatMap { Conversation.get(callID: $0) } + Conversation.get(callID: 401).prefix(9))
            conversation.drainUntilWaitingIsRefused()
            conversation.receiveAll()
            conversation.answerAll()
            #expect(conversation.service.reactor.openCount == 0)
        }
        #expect(conversation.answers.map(\.callID).sorted() == Array(0...400))
    }

    @Test func aDrainAnswersMoreThanTheClientTakes() throws {
        let conversation = try Self.narrow(calls: 2)
        conversation.run {
            conversation.send((1...400).flatMap { Conversation.get(callID: $0) })
            conversation.drainUntilWaitingIsRefused()
            #expect(conversation.service.reactor.openCount == 1)
            conversation.receiveAll()
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.callID).sorted() == Array(0...400))
    }

    @Test func aDrainLetsGoOfTheStartOfAFrame() throws {
        let conversation = try Self.narrow(calls: 1000)
        conversation.run {
            Self.pauseByAnswers(conversation)
            conversation.drainUntilWaitingIsRefused()
            #expect(conversation.service.reactor.openCount == 1)
            conversation.receiveAll()
            #expect(conversation.service.reactor.openCount == 0)
        }
        #expect(conversation.answers.map(\.callID).sorted() == Array(0...400))
    }

    @Test func afterAFrameThatIsTooLargeTheNextBeginsWhereItEnds() throws {
        var limits = ServerLimits()
        limits.frameBytes = 4096
        let conversation = try Conversation(limits: limits)
        conversation.run {
            let large = Conversation.frame([UInt8](repeating: 0xff, count: 5000), callID: 1)
            conversation.send(large + Conversation.get(callID: 2))
            conversation.settle()
            conversation.answerAll()
        }
        let answers = conversation.answers
        #expect(answers.map(\.callID) == [1, 2])
        #expect(answers.map(\.status) == [StatusCode.resourceExhausted.rawValue, StatusCode.notFound.rawValue])
    }
}
