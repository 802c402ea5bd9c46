import CofferCache
import CofferCore
import CofferMessages
import CofferServer
import CofferWire
import Testing

@testable import CofferServer

/// Calls that wait for a vault: how many there may be, and what may pass them.
@Suite struct WaitingCallsTests {
    private static let stats = AdminMethod.stats.rawValue

    private static func request(_ request: Request, user: String = "alice", callID: UInt64) -> [UInt8] {
        Conversation.frame(request.payload(user: user), method: request.method, callID: callID)
    }

    @Test func theCallTooManyIsRefusedAtOnceAndTheConnectionIsRead() throws {
        var limits = ServerLimits()
        limits.callsPerConnection = 32
        let conversation = try Conversation(limits: limits)
        conversation.run {
            for id: UInt64 in 1...33 { conversation.send(Conversation.get(callID: id)) }
            let refused = conversation.frames
            #expect(refused.map(\.header.callID) == [33])
            #expect(refused.first?.header.methodOrStatus == StatusCode.resourceExhausted.rawValue)
            #expect(refused.first?.header.timeoutOrRetry ?? 0 > 0, "there is no advice when to retry")
            conversation.send(Conversation.frame([], method: Self.stats, callID: 34))
            #expect(conversation.answers.map(\.callID) == [33, 34])
            conversation.send(Conversation.cancel(callID: 5))
            #expect(conversation.answers.last?.callID == 5)
            #expect(conversation.answers.last?.status == StatusCode.cancelled.rawValue)
            // There is room again for one, and only one.
            conversation.send(Conversation.get(callID: 35) + Conversation.get(callID: 36))
            #expect(conversation.answers.map(\.callID) == [33, 34, 5, 36])
            // Health goes beyond the limit.
            conversation.send(Self.request(.health, callID: 37))
            conversation.answerAll()
        }
        let answers = conversation.answers
        #expect(answers.count == 37)
        #expect(answers.first { $0.callID == 37 }?.status == StatusCode.ok.rawValue)
    }

    @Test func byDefaultAConnectionMayHave1024() throws {
        let conversation = try Conversation()
        conversation.run {
            for id: UInt64 in 1...1_025 {
                conversation.send(Conversation.get(callID: id))
                if id % 256 == 0 { conversation.settle() }
            }
            #expect(conversation.answers.map(\.callID) == [1_025])
            conversation.answerAll()
        }
        #expect(conversation.answers.count == 1_025)
        #expect(conversation.service.ledger.work == 0)
    }

    /// One check of the vault, whoever asks and goes.
    @Test func healthThatIsCancelledCostsNothing() throws {
        let conversation = try Conversation()
        let service = conversation.service
        conversation.run {
            for id: UInt64 in 1...2_000 {
                conversation.send(Self.request(.health, callID: id) + Conversation.cancel(callID: id))
                conversation.settle()
                #expect(service.ledger.work <= 1)
            }
            #expect(service.vault.begun == 1)
            for id: UInt64 in 3_001...3_010 { conversation.send(Self.request(.health, callID: id)) }
            conversation.settle()
            #expect(service.vault.begun == 1)
            conversation.answerAll()
        }
        let answers = conversation.answers
        #expect(answers.count == 2_010)
        #expect(answers.suffix(10).allSatisfy { $0.status == StatusCode.ok.rawValue })
        #expect(service.ledger.work == 0)
    }

    /// A vault that hangs is told of within three quarters of the call's time.
    @Test func healthOfAVaultThatHangsIsAnsweredInTime() throws {
        let conversation = try Conversation()
        conversation.run {
            conversation.send(Conversation.frame([], method: Request.health.method, callID: 1, milliseconds: 400))
            conversation.settle()
            conversation.service.clock.advance(byMilliseconds: 299)
            #expect(conversation.answers.isEmpty)
            conversation.service.clock.advance(byMilliseconds: 1)
            #expect(conversation.answers.map(\.status) == [StatusCode.ok.rawValue])
            conversation.answerAll()
        }
        #expect(conversation.answers.count == 1)
        #expect(conversation.service.ledger.work == 0)
    }

    /// What Health says of its one vault, and whether it is within reach.
    private static func health(_ payload: [UInt8]) -> (isReachable: Bool, words: String)? {
        guard let message = coffer__v1__health_response__unpack(nil, payload.count, payload) else { return nil }
        defer { coffer__v1__health_response__free_unpacked(message, nil) }
        guard message.pointee.n_vaults == 1, let vault = message.pointee.vaults[0] else { return nil }
        let words = vault.pointee.check_failure.map { String(cString: $0.pointee.message) } ?? ""
        return (vault.pointee.reachable != 0, words)
    }

    /// Behind a thousand Gets: 100 ms show that the vault does not answer Health either, and from then
    /// on it is answered at once, for as long as that check lasts. When the vault is back, so is Health.
    @Test func healthSaysAtOnceHowLongAVaultHasBeenSilent() throws {
        let conversation = try Conversation()
        let service = conversation.service
        let method = Request.health.method
        /// The answer to a Health that waits so long.
        func health(_ callID: UInt64, after milliseconds: UInt64) -> (isReachable: Bool, words: String)? {
            conversation.send(Conversation.frame([], method: method, callID: callID))
            conversation.settle()
            if milliseconds > 0 {
                service.clock.advance(byMilliseconds: milliseconds - 1)
                #expect(conversation.answers.last?.callID != callID, "it has not waited for the vault")
                service.clock.advance(byMilliseconds: 1)
            }
            let last = conversation.frames.last
            #expect(last?.header.callID == callID)
            return last.flatMap { Self.health($0.payload) }
        }
        conversation.run {
            for id: UInt64 in 1...1_000 {
                conversation.send(Conversation.get(callID: id, milliseconds: 60_000))
                if id % 200 == 0 { conversation.settle() }
            }
            service.clock.advance(byMilliseconds: 3_000)
            let first = health(2_001, after: 100)
            #expect(first?.isReachable == false)
            #expect(first?.words.hasPrefix("the vault has not answered for 3s;") == true, "\(first?.words ?? "")")
            for id: UInt64 in 2_002...2_100 {
                service.clock.advance(byMilliseconds: 10)
                #expect(health(id, after: 0)?.isReachable == false)
            }
            #expect(service.ledger.work == 1_000, "no Health waits")
            #expect(service.vault.heldCount == 2, "one read and one check")
            conversation.answerAll()
            conversation.send(Conversation.frame([], method: method, callID: 3_000))
            conversation.answerAll()
            #expect(conversation.frames.last.flatMap { Self.health($0.payload) }?.isReachable == true)
        }
    }

    /// It answers reads; its check hangs, and Health says since when.
    @Test func aCheckThatHangsIsReportedThoughTheVaultAnswersOthers() throws {
        let conversation = try Conversation()
        let service = conversation.service
        conversation.run {
            conversation.send(Conversation.frame([], method: Request.health.method, callID: 1))
            conversation.settle()
            service.clock.advance(byMilliseconds: 2_000)
            conversation.send(Conversation.get(callID: 2))
            conversation.settle()
            service.vault.answerOne(oldest: false)
            #expect(conversation.answers.map(\.callID) == [1, 2])
            service.clock.advance(byMilliseconds: 100)
            conversation.send(Conversation.frame([], method: Request.health.method, callID: 3))
            let words = conversation.frames.last.flatMap { Self.health($0.payload) }?.words
            #expect(words?.hasPrefix("the vault has not answered for 2s;") == true, "\(words ?? "")")
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.callID) == [1, 2, 3])
    }

    /// Where nothing was asked before, a second shows it.
    @Test func healthWaitsASecondForAVaultThatNobodyHasAsked() throws {
        let conversation = try Conversation()
        conversation.run {
            conversation.send(Conversation.frame([], method: Request.health.method, callID: 1))
            conversation.settle()
            conversation.service.clock.advance(byMilliseconds: 999)
            #expect(conversation.answers.isEmpty)
            conversation.service.clock.advance(byMilliseconds: 1)
            let words = conversation.frames.first.flatMap { Self.health($0.payload) }?.words
            #expect(words?.hasPrefix("the vault has not answered for 1s;") == true, "\(words ?? "")")
            conversation.answerAll()
        }
        #expect(conversation.answers.count == 1)
    }

    /// Sixteen of the twenty that it asks for at once are at the vault; none of the others is begun.
    @Test func aCancelledGetManyBeginsNoFurtherRead() throws {
        let conversation = try Conversation()
        let service = conversation.service
        conversation.run {
            let keys = (0..<40).flatMap { number in
                let user = Array("user\(number)".utf8)
                return [0x0a, UInt8(user.count + 5), 0x0a, UInt8(user.count)] + user + [0x12, 1, 0x63]
            }
            conversation.send(Conversation.frame(keys, method: Request.getMany.method, callID: 1))
            conversation.settle()
            #expect(service.vault.begun == 16)
            #expect(service.ledger.work == 3, "it does not count by its keys")
            conversation.send(Conversation.cancel(callID: 1))
            conversation.settle()
            #expect(service.ledger.work == 3, "its work is not done")
            conversation.answerAll()
        }
        #expect(service.vault.begun == 16)
        #expect(service.ledger.work == 0)
        #expect(service.credentials.cache.usage.flights == 0)
        #expect(conversation.answers.map(\.status) == [StatusCode.cancelled.rawValue])
    }

    @Test func aCancelledListAsksForNoFurtherPage() throws {
        let conversation = try Conversation()
        let service = conversation.service
        conversation.run {
            for number in 0..<70 {
                conversation.send(Self.request(.store, user: "user\(number)", callID: UInt64(number + 1)))
                conversation.answerAll()
            }
            let before = service.vault.begun
            conversation.send(Conversation.frame([0x18, 100], method: Request.list.method, callID: 100))
            conversation.settle()
            conversation.send(Conversation.cancel(callID: 100))
            conversation.settle()
            conversation.answerAll()
            #expect(service.vault.begun == before + 1)
        }
        #expect(service.ledger.work == 0)
    }

    /// More of them than may wait for one flight, had they not gone.
    @Test func cancelledGetsTakeNoPlaceAtTheirFlight() throws {
        let conversation = try Conversation()
        conversation.run {
            let get = Array(Request.get.payload(user: "bob").dropLast(2))
            for id: UInt64 in 1...5_000 {
                conversation.send(
                    Conversation.frame(get, callID: id) + Conversation.cancel(callID: id))
                if id % 64 == 0 {
                    conversation.settle()
                    conversation.client.receive()
                }
            }
            conversation.send(Conversation.frame(get, callID: 6_000))
            conversation.settle()
            conversation.answerAll()
            #expect(conversation.service.vault.begun == 1)
        }
        #expect(conversation.answers.last?.callID == 6_000)
        #expect(conversation.answers.last?.status == StatusCode.notFound.rawValue)
        #expect(conversation.service.ledger.work == 0)
    }
}
