import CofferAccess
import CofferCache
import CofferCore
import CofferMessages
import CofferWire
import Synchronization
import Testing

@testable import CofferServer

/// What becomes of calls by the grants of their connection.
@Suite struct GrantedCallTests {
    private static let ok = StatusCode.ok.rawValue
    private static let absent = StatusCode.notFound.rawValue
    private static let denied = StatusCode.permissionDenied.rawValue
    private static let exhausted = StatusCode.resourceExhausted.rawValue
    private static let unavailable = StatusCode.unavailable.rawValue

    private static func rule(
        _ verbs: [Verb], user: String? = nil, who: [Selector] = [.anyone], limits: GrantLimits = .none
    ) -> PolicyRule {
        let users = user.map { PolicyPattern(literal: $0) } ?? .any
        return PolicyRule(
            name: "rule", who: who, verbs: VerbSet(verbs), keys: [KeyRange(user: users, connection: .any)], limits: limits)
    }

    private static func allowing(_ rules: PolicyRule...) -> Policy { Policy(allow: rules) }

    /// A Get that the cache may answer.
    private static func get(_ user: String, _ id: UInt64) -> [UInt8] {
        Conversation.frame(Array(Request.get.payload(user: user).dropLast(2)), callID: id)
    }

    /// Without a condition.
    private static func store(_ user: String, _ id: UInt64) -> [UInt8] {
        Conversation.frame(Array(Request.store.payload(user: user).dropLast(2)), method: Request.store.method, callID: id)
    }

    private func play(_ conversation: Conversation, _ frames: [UInt8]...) {
        for frame in frames {
            conversation.send(frame)
            conversation.answerAll()
        }
    }

    // MARK: Reloads

    @Test func anOpenConnectionTakesAnotherPolicyWithItsNextCall() throws {
        let conversation = try Conversation(ttlMilliseconds: 300_000)
        let policy = conversation.service.access.policy
        conversation.run {
            play(conversation, Self.store("alice", 1), Self.get("alice", 2))
            policy.replace(with: Self.allowing(Self.rule([.get], user: "bob")))
            play(conversation, Self.get("alice", 3))
            policy.replace(with: Self.allowing(Self.rule([.get], user: "alice")))
            play(conversation, Self.get("alice", 4))
            policy.replace(with: Policy())
            play(conversation, Self.get("alice", 5), Conversation.frame([], method: CredentialsMethod.ping.rawValue, callID: 6))
        }
        #expect(conversation.answers.map(\.status) == [Self.ok, Self.ok, Self.absent, Self.ok, Self.absent, Self.denied])
        #expect(conversation.service.counters.denied.current == 2)
    }

    @Test func aCallThatWaitsIsFinishedWhenThePolicyChanges() throws {
        let conversation = try Conversation()
        conversation.run {
            play(conversation, Self.store("alice", 1))
            conversation.send(Self.get("alice", 2))
            conversation.settle()
            conversation.service.access.policy.replace(with: Policy())
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.status) == [Self.ok, Self.ok])
    }

    // MARK: Denied and absent

    /// Byte for byte, but for the call's id; whether the record is there and cached, or not.
    @Test func deniedIsToldAsAbsent() throws {
        let conversation = try Conversation(ttlMilliseconds: 300_000)
        let policy = conversation.service.access.policy
        conversation.run {
            play(conversation, Self.store("alice", 1), Self.get("nobody", 2), Self.get("nobody", 3))
            policy.replace(with: Self.allowing(Self.rule([.get], user: "nobody")))
            play(conversation, Self.get("nobody", 4), Self.get("alice", 5), Self.get("carol", 6))
            let delete = Conversation.frame(Request.delete.payload(user: "alice"), method: Request.delete.method, callID: 7)
            play(conversation, delete)
        }
        let frames = conversation.frames.dropFirst()
        #expect(Set(frames.map(\.header.methodOrStatus)) == [Self.absent])
        #expect(Set(frames.map(\.payload)).count == 1)
        #expect(Set(frames.map(\.header.timeoutOrRetry)).count == 1)
        #expect(conversation.service.counters.denied.current == 3)
        // What is denied does not count as asked for.
        #expect(conversation.service.credentials.cache.usage.entries == 2)
    }

    @Test func aDeleteIsDeniedOpenlyToWhoMayRead() throws {
        let conversation = try Conversation(policy: Self.allowing(Self.rule([.get])))
        conversation.run {
            play(conversation, Conversation.frame(Request.delete.payload(user: "alice"), method: Request.delete.method, callID: 1))
        }
        #expect(conversation.answers.map(\.status) == [Self.denied])
    }

    @Test func aStoreTellsNothingOfWhatWasThere() throws {
        let conversation = try Conversation()
        let policy = conversation.service.access.policy
        var stored: [[UInt8]] = []
        conversation.run {
            play(conversation, Self.store("alice", 1))
            conversation.service.clock.advance(byMilliseconds: 5_000)
            policy.replace(with: Self.allowing(Self.rule([.store, .delete])))
            play(conversation, Self.store("alice", 2), Self.store("bob", 3))
            // A condition would tell.
            play(conversation, Conversation.frame(Request.store.payload(user: "alice"), method: Request.store.method, callID: 4))
            let delete = Request.delete.payload(user: "alice") + [0x1a, 1, 0x76]
            play(conversation, Conversation.frame(delete, method: Request.delete.method, callID: 5))
            stored = conversation.frames.map(\.payload)
        }
        #expect(conversation.answers.map(\.status) == [Self.ok, Self.ok, Self.ok, Self.denied, Self.denied])
        let first = try #require(Self.times(stored[0])), again = try #require(Self.times(stored[1]))
        let new = try #require(Self.times(stored[2]))
        #expect(first.version != "" && again.version == "" && new.version == "")
        #expect(again.created == again.updated && again.created > first.created)
        #expect(new.created == new.updated)
    }

    private static func times(_ payload: [UInt8]) -> (version: String, created: UInt64, updated: UInt64)? {
        guard let message = coffer__v1__store_response__unpack(nil, payload.count, payload) else { return nil }
        defer { coffer__v1__store_response__free_unpacked(message, nil) }
        let stored = message.pointee
        return (String(cString: stored.version), UInt64(stored.created_at_ms), UInt64(stored.updated_at_ms))
    }

    /// That it was cached tells that it is there.
    @Test func anInvalidateTellsWhatItDroppedOnlyToReaders() throws {
        let conversation = try Conversation(ttlMilliseconds: 300_000)
        let policy = conversation.service.access.policy
        conversation.run {
            for verbs in [[Verb.store, .invalidate, .get], [.store, .invalidate]] {
                policy.replace(with: Self.allowing(Self.rule(verbs)))
                for scope in [[0x12, 5] + Array("alice".utf8), [0x18, 1]] {
                    play(conversation, Self.store("alice", 1))
                    play(conversation, Conversation.frame(scope, method: AdminMethod.invalidate.rawValue, callID: 2))
                }
            }
        }
        let dropped = conversation.frames.filter { $0.header.callID == 2 }.map(\.payload)
        #expect(dropped == [[8, 1], [8, 1], [], []])
    }

    // MARK: Limits

    private static let oneAtATime = GrantLimits(inFlight: 1)

    /// However the first one ends, another may wait then.
    @Test(arguments: ["an answer", "its deadline", "a cancel", "the loss of its connection"])
    func asManyCallsWaitAsTheRuleLets(_ end: String) throws {
        let conversation = try Conversation(policy: Self.allowing(Self.rule([.get], limits: Self.oneAtATime)))
        let other = conversation.another()
        conversation.run {
            conversation.send(Conversation.get(callID: 1, milliseconds: 4_000))
            conversation.settle()
            conversation.send(Conversation.get(callID: 2), from: other)
            conversation.settle()
            switch end {
            case "its deadline": conversation.service.clock.advance(byMilliseconds: 4_001)
            case "a cancel": conversation.send(Conversation.cancel(callID: 1))
            case "the loss of its connection": conversation.service.reactor.connections[0].map(conversation.service.reactor.drop)
            default: break
            }
            conversation.answerAll()
            conversation.send(Conversation.get(callID: 3), from: other)
            conversation.answerAll()
        }
        #expect(Conversation.frames(to: other).map(\.header.methodOrStatus) == [Self.exhausted, Self.absent])
    }

    @Test func theCacheAnswersBeyondTheLimitOfWaitingCalls() throws {
        let rules = Self.allowing(Self.rule([.store]), Self.rule([.get], limits: Self.oneAtATime))
        let conversation = try Conversation(ttlMilliseconds: 300_000, policy: rules)
        conversation.run {
            play(conversation, Self.store("alice", 1))
            conversation.send(Conversation.get(callID: 2))
            conversation.settle()
            for id: UInt64 in 3...5 { conversation.send(Self.get("alice", id)) }
            conversation.settle()
        }
        #expect(conversation.answers.map(\.status) == [Self.ok, Self.ok, Self.ok, Self.ok])
    }

    /// In a GetMany each key for itself.
    @Test func aKeyWithoutRoomFailsForItselfAlone() throws {
        let limits = GrantLimits(rate: RateLimit(2, per: .hour))
        let policy = Self.allowing(Self.rule([.get], user: "alice", limits: limits), Self.rule([.get], user: "bob"))
        let conversation = try Conversation(policy: policy)
        conversation.run {
            let keys = ["alice", "bob", "alice", "alice", "bob"].flatMap { Request.getMany.payload(user: $0).dropLast(2) }
            play(conversation, Conversation.frame(keys, method: Request.getMany.method, callID: 1))
        }
        var statuses: [UInt32: UInt32] = [:]
        for frame in conversation.frames { statuses.merge(Self.statuses(of: frame.payload)) { $1 } }
        #expect(statuses == [0: Self.absent, 1: Self.absent, 2: Self.absent, 3: Self.exhausted, 4: Self.absent])
    }

    @Test func whoHasNoRoomIsToldWhen() throws {
        let limits = GrantLimits(rate: RateLimit(60, per: .minute, burst: 1))
        let conversation = try Conversation(ttlMilliseconds: 300_000, policy: Self.allowing(Self.rule([.get], limits: limits)))
        conversation.run {
            play(conversation, Self.get("alice", 1), Self.get("alice", 2))
            conversation.service.clock.advance(byMilliseconds: 1_001)
            play(conversation, Self.get("alice", 3))
        }
        #expect(conversation.answers.map(\.status) == [Self.absent, Self.exhausted, Self.absent])
        #expect((900...1_002).contains(conversation.frames[1].header.timeoutOrRetry))
    }

    private static func statuses(of payload: [UInt8]) -> [UInt32: UInt32] {
        guard let message = coffer__v1__get_many_response__unpack(nil, payload.count, payload) else { return [:] }
        defer { coffer__v1__get_many_response__free_unpacked(message, nil) }
        return (0..<message.pointee.n_results).reduce(into: [:]) { statuses, index in
            let result = message.pointee.results[index]!.pointee
            statuses[result.index] = UInt32(result.status)
        }
    }

    // MARK: Who asks

    /// Answers when it is told to.
    private final class Hesitant: CallerIdentifier {
        private let asked = Mutex<[CallerQuestion]>([])

        var questions: [CallerQuestion] { asked.withLock { $0 } }

        func identify(_ question: CallerQuestion) { asked.withLock { $0.append(question) } }

        func answer(unit: Evidence<String>) {
            for question in asked.withLock({ questions in
                defer { questions = [] }
                return questions
            }) {
                var caller = question.caller
                caller.unit = unit
                question.end(caller)
            }
        }
    }

    private static var byUnit: Policy {
        get throws { allowing(rule([.get], who: [Selector(units: [try PolicyPattern("a.service")])])) }
    }

    @Test(arguments: [Evidence.proven("a.service"), .proven("b.service"), .absent, .unproven])
    func framesWaitUntilTheCallerIsKnown(_ unit: Evidence<String>) throws {
        let identifier = Hesitant()
        let conversation = try Conversation(policy: try Self.byUnit, identifier: identifier)
        conversation.run {
            conversation.send(Self.get("alice", 1) + Self.get("alice", 2))
            conversation.answerAll()
            #expect(conversation.answers.isEmpty)
            #expect(identifier.questions.map(\.kinds) == [.cgroup])
            identifier.answer(unit: unit)
            conversation.answerAll()
        }
        let isAllowed = unit == .proven("a.service")
        #expect(conversation.answers.map(\.status) == (isAllowed ? [Self.absent, Self.absent] : [Self.denied]))
        #expect(conversation.frames.map(\.header.kind) == (isAllowed ? [2, 2] : [FrameKind.goAway.rawValue]))
        #expect(conversation.service.reactor.openCount == (isAllowed ? 1 : 0))
        #expect(conversation.service.counters.deniedConnections.current == (isAllowed ? 0 : 1))
    }

    @Test func nobodyWaitsForAnIdentifierThatHangs() throws {
        let identifier = Hesitant()
        let conversation = try Conversation(policy: try Self.byUnit, identifier: identifier)
        conversation.run {
            conversation.send(Self.get("alice", 1))
            conversation.settle()
            conversation.service.clock.advance(byMilliseconds: 2_001)
            conversation.settle()
        }
        #expect(conversation.answers.map(\.status) == [Self.unavailable])
        #expect(conversation.service.reactor.openCount == 0)
        #expect(identifier.questions.allSatisfy { !$0.isWanted })
        // What comes later finds nobody.
        conversation.run {
            identifier.answer(unit: .proven("a.service"))
            conversation.settle()
        }
        #expect(conversation.service.reactor.openCount == 0)
    }

    @Test func theQuestionIsWithdrawnWithTheConnection() throws {
        let identifier = Hesitant()
        let conversation = try Conversation(policy: try Self.byUnit, identifier: identifier)
        conversation.run {
            conversation.settle()
            let reactor = conversation.service.reactor
            reactor.connections[0].map(reactor.drop)
            #expect(identifier.questions.map(\.isWanted) == [false])
        }
    }

    /// For a connection that was open before a policy asks for more, once.
    @Test func whatAnotherPolicyAsksForIsFoundOutThen() throws {
        let identifier = Hesitant()
        let conversation = try Conversation(identifier: identifier)
        let policy = conversation.service.access.policy
        let byUnit = try Self.byUnit
        conversation.run {
            play(conversation, Self.get("alice", 1))
            policy.replace(with: byUnit)
            conversation.send(Self.get("alice", 2) + Self.get("alice", 3))
            conversation.settle()
            #expect(conversation.answers.count == 1)
            // Meanwhile others are answered, or wait for themselves.
            identifier.answer(unit: .proven("a.service"))
            conversation.answerAll()
            var stricter = byUnit
            stricter.deny = [Self.rule([.get], user: "bob")]
            policy.replace(with: stricter)
            play(conversation, Self.get("alice", 4), Self.get("bob", 5))
        }
        #expect(identifier.questions.isEmpty)
        #expect(conversation.answers.map(\.status) == Array(repeating: Self.absent, count: 5))
        #expect(conversation.service.counters.denied.current == 1)
    }

    @Test func anOpenConnectionStaysWhereItsCallerMayDoNothingAnyMore() throws {
        let identifier = Hesitant()
        let conversation = try Conversation(identifier: identifier)
        let byUnit = try Self.byUnit
        conversation.run {
            play(conversation, Self.get("alice", 1))
            conversation.service.access.policy.replace(with: byUnit)
            conversation.send(Self.store("alice", 2))
            conversation.settle()
            identifier.answer(unit: .proven("b.service"))
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.status) == [Self.absent, Self.denied])
        #expect(conversation.service.reactor.openCount == 1)
    }
}
