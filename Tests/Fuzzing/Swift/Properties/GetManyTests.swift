import CofferCache
import CofferCore
import CofferMessages
import CofferServer
import CofferWire
import Testing

@testable import CofferServer

/// A GetMany before a vault that is slow or hangs, on a clock that moves by hand.
@Suite struct GetManyTests {
    private static let ttl: UInt64 = 300_000
    /// A tenth of a call's three seconds before their end is more than 200 ms.
    private static let lastWait: UInt64 = 2_800
    private static let patience: UInt64 = 1_500

    /// One key's result.
    private struct Found: Equatable {
        var status: StatusCode?
        var isStale = false

        static let fresh = Found(status: .ok)
        static let stale = Found(status: .ok, isStale: true)
        static let absent = Found(status: .notFound)
        static let late = Found(status: .deadlineExceeded)
    }

    private static func getMany(_ users: [String], callID: UInt64, milliseconds: UInt32 = 3_000) -> [UInt8] {
        let keys = users.flatMap { Request.getMany.payload(user: $0).dropLast(2) }
        return Conversation.frame(keys, method: Request.getMany.method, callID: callID, milliseconds: milliseconds)
    }

    /// What has been answered of a call: by index, and how the call has ended, if it has.
    private static func found(_ callID: UInt64, _ frames: [(header: FrameHeader, payload: [UInt8])]) -> [Int: Found] {
        var found: [Int: Found] = [:]
        for frame in frames where frame.header.callID == callID {
            guard let message = coffer__v1__get_many_response__unpack(nil, frame.payload.count, frame.payload) else { continue }
            defer { coffer__v1__get_many_response__free_unpacked(message, nil) }
            for place in 0..<message.pointee.n_results {
                guard let result = message.pointee.results[place]?.pointee else { continue }
                #expect(found[Int(result.index)] == nil, "answered twice")
                let isStale = result.status == 0 && result.record.pointee.stale != 0
                found[Int(result.index)] = Found(status: StatusCode(rawValue: result.status), isStale: isStale)
            }
        }
        return found
    }

    private static func results(_ callID: UInt64, _ conversation: Conversation) -> [Int: Found] {
        found(callID, conversation.frames)
    }

    /// Stores and caches a record of each.
    private static func store(_ users: [String], _ conversation: Conversation) {
        for (number, user) in users.enumerated() {
            let frame = Conversation.frame(
                Request.store.payload(user: user), method: Request.store.method, callID: 100_000 + UInt64(number))
            conversation.send(frame)
            conversation.answerAll()
        }
    }

    private static func users(_ name: String, _ count: Int) -> [String] { (0..<count).map { "\(name)\($0)" } }

    private static func advance(_ conversation: Conversation, _ milliseconds: UInt64) {
        conversation.service.clock.advance(byMilliseconds: milliseconds)
        conversation.settle()
    }

    /// Whether a Get of the user's record needs no vault.
    private static func isCached(_ user: String, callID: UInt64, _ conversation: Conversation) -> Bool {
        let before = conversation.service.counters.ended.cacheHits
        conversation.send(Conversation.frame(Array(Request.get.payload(user: user).dropLast(2)), callID: callID))
        conversation.settle()
        return conversation.service.counters.ended.cacheHits == before + 1
    }

    // MARK: Keys that were served stale

    /// The vault answers after the call: what it brings is for who asks next, whatever else the call waited for.
    @Test func theReadsOfKeysServedStaleGoOnAfterTheLastWait() throws {
        let conversation = try Conversation(ttlMilliseconds: Self.ttl)
        let stored = Self.users("stored", 19)
        conversation.run {
            Self.store(stored, conversation)
            Self.advance(conversation, Self.ttl + 1)
            conversation.send(Self.getMany(stored + ["none"], callID: 1))
            conversation.settle()
            Self.advance(conversation, Self.patience)
            #expect(Self.results(1, conversation).isEmpty, "one key is waited for")
            Self.advance(conversation, Self.lastWait - Self.patience)
            let results = Self.results(1, conversation)
            #expect(results.count == 20 && results[19] == .late)
            #expect(results.values.count { $0 == .stale } == 19)
            conversation.answerAll()
            for (number, user) in stored.enumerated() {
                #expect(Self.isCached(user, callID: UInt64(10 + number), conversation), "what was read of \(user) is lost")
            }
        }
        #expect(conversation.service.ledger.work == 0)
    }

    // MARK: A slow vault

    /// After a write of which nobody knows whether it was done, the next Get asks the vault.
    @Test func aSlowVaultThatAnswersIsAskedForAKeyInDoubt() throws {
        let conversation = try Conversation(ttlMilliseconds: Self.ttl)
        let vault = conversation.service.vault
        conversation.run {
            // The second one finds its condition not met.
            Self.store(["doubted", "doubted"], conversation)
            conversation.send(Self.getMany(Self.users("none", 20) + ["doubted"], callID: 1, milliseconds: 10_000))
            conversation.settle()
            Self.advance(conversation, Self.patience + 100)
            while vault.heldCount > 1 {
                vault.answer()
                conversation.settle()
            }
            #expect(vault.heldCount == 1, "the vault is not asked")
            conversation.answerAll()
            #expect(Self.results(1, conversation)[20] == .fresh)
        }
    }

    /// Nor is one waited for again that hangs; what is in doubt is asked for all the same.
    @Test func aVaultThatHangsIsWaitedForOnceAndAskedForAKeyInDoubt() throws {
        let conversation = try Conversation(ttlMilliseconds: Self.ttl)
        let service = conversation.service
        let stored = Self.users("stored", 20)
        conversation.run {
            Self.store(["doubted", "doubted"], conversation)
            Self.store(stored, conversation)
            Self.advance(conversation, Self.ttl + 1)
            let before = service.vault.begun
            conversation.send(Self.getMany(stored + ["doubted"], callID: 1, milliseconds: 10_000))
            conversation.settle()
            // So many of the twenty are at the vault.
            #expect(service.vault.begun == before + 16)
            Self.advance(conversation, Self.patience)
            let results = Self.results(1, conversation)
            #expect(results.count == 21 && results.values.allSatisfy { $0 == .stale })
            #expect(service.vault.begun == before + 17)
            conversation.answerAll()
            #expect(Self.isCached("doubted", callID: 10, conversation))
        }
    }

    /// A key that comes twice, in two batches, is read once.
    @Test func whatTheBatchBeforeHasBroughtIsNotReadAgain() throws {
        let conversation = try Conversation(ttlMilliseconds: Self.ttl)
        let service = conversation.service
        let stored = Self.users("stored", 20)
        conversation.run {
            Self.store(stored, conversation)
            Self.advance(conversation, Self.ttl + 1)
            // One of them stays; of the others there is no copy.
            let invalid = stored.dropFirst().map { service.credentials.cache.invalidate(user: $0) }
            #expect(invalid.allSatisfy { $0 == 1 })
            let before = service.vault.begun
            conversation.send(Self.getMany(stored + [stored[5]], callID: 1, milliseconds: 10_000))
            conversation.settle()
            Self.advance(conversation, Self.patience + 100)
            conversation.answerAll()
            let results = Self.results(1, conversation)
            #expect(results.count == 21 && results[0] == .stale && results[5] == .fresh && results[20] == .fresh)
            #expect(service.vault.begun == before + 20)
        }
    }

    // MARK: The last wait

    /// All calls of a burst share it, and a turn of the loop gives two pieces out.
    @Test func afterTheLastWaitTheRestIsOnePiece() throws {
        let conversation = try Conversation(ttlMilliseconds: Self.ttl)
        conversation.run {
            for id in 1...8 as ClosedRange<UInt64> {
                conversation.send(Self.getMany(Self.users("none\(id)-", 256), callID: id))
            }
            conversation.settle()
            conversation.service.clock.advance(byMilliseconds: Self.lastWait)
            let turns = conversation.turns { Self.found(8, Conversation.frames(to: conversation.client)).count == 256 }
            for id in 1...8 as ClosedRange<UInt64> {
                let results = Self.results(id, conversation)
                #expect(results.count == 256 && results.values.allSatisfy { $0 == .late })
            }
            #expect(turns <= 40, "\(turns) turns")
            conversation.answerAll()
        }
        #expect(conversation.service.ledger.work == 0)
    }

    /// With room neither to read ahead nor for one record, and three others that wait for the vault in their turns: however
    /// far the call has come when its time to wait is over.
    @Test func aCallThatWaitsForATurnToAskIsAnsweredInTime() throws {
        for turns in 0..<24 {
            var limits = ServerLimits()
            limits.bufferedBytesPerUID = 4 << 20
            let conversation = try Conversation(limits: limits, ttlMilliseconds: Self.ttl)
            let service = conversation.service
            conversation.run {
                let room = (limits.bufferedBytesPerUID / 8 * 3) - limits.recordBytes / 2
                let taken = service.reactor.budget.reserve(room, uid: Service.owner, for: .keys)
                #expect(taken)
                for id in 1...3 as ClosedRange<UInt64> {
                    conversation.send(Self.getMany(["hung\(id)"], callID: id, milliseconds: 60_000))
                }
                conversation.settle()
                #expect(service.vault.heldCount == 3)
                conversation.send(Self.getMany(Self.users("none", 40), callID: 4))
                for _ in 0..<turns { conversation.turn() }
                // It begins when it is read.
                let isBegun = service.ledger.work > 3
                Self.advance(conversation, Self.lastWait)
                if isBegun {
                    let results = Self.results(4, conversation)
                    #expect(results.count == 40 && results.values.allSatisfy { $0 == .late }, "after \(turns) turns")
                }
                Self.advance(conversation, 60_000)
                conversation.answerAll()
                service.reactor.budget.release(room, uid: Service.owner, for: .keys)
            }
            #expect(service.ledger.work == 0)
        }
    }
}
