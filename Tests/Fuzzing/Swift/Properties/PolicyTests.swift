import CofferAccess
import CofferCache
import CofferCore
import CofferMessages
import CofferWire
import Synchronization
import Testing

@testable import CofferServer

/// The policy is asked for each record, with the ids that the request names.
@Suite struct PolicyTests {
    private static let ours = [Selector(users: [.init(id: Service.owner, name: "owner")])]

    private static func keys(_ user: String, _ connection: PolicyPattern = PolicyPattern(literal: "c")) -> KeyRange {
        KeyRange(user: PolicyPattern(literal: user), connection: connection)
    }

    /// The owner may do what it likes with the records `c` of alice and bob, and have all of alice's dropped.
    private static var twoUsers: Policy {
        Policy(allow: [
            PolicyRule(name: "two-users", who: ours, verbs: .aboutRecords, keys: [keys("alice"), keys("bob")]),
            PolicyRule(name: "drop", who: ours, verbs: VerbSet(.invalidate), keys: [keys("alice", .any)]),
        ])
    }

    private func conversation() throws -> Conversation {
        try Conversation(ttlMilliseconds: 300_000, policy: Self.twoUsers)
    }

    private static let denied = StatusCode.permissionDenied.rawValue
    private static let absent = StatusCode.notFound.rawValue
    private static let exhausted = StatusCode.resourceExhausted.rawValue
    private static let ok = StatusCode.ok.rawValue

    /// What is there already is told to nobody who may not read it.
    @Test(arguments: [(Request.store, denied), (.get, absent), (.delete, absent), (.list, ok), (.health, denied), (.doctor, denied)])
    func aCallIsAllowedByItsRecord(_ request: Request, refusal: UInt32) throws {
        let conversation = try conversation()
        let isAboutRecords = request != .health && request != .doctor
        conversation.run {
            conversation.send(Conversation.frame(Request.store.payload(user: "alice"), method: Request.store.method, callID: 1))
            conversation.answerAll()
            let before = conversation.service.vault.begun
            // Not even parsed further: the vault is not asked.
            conversation.send(Conversation.frame(request.payload(user: "carol"), method: request.method, callID: 2))
            conversation.answerAll()
            #expect(conversation.service.vault.begun == before)
            guard isAboutRecords else { return }
            conversation.send(Conversation.frame(request.payload(user: "alice"), method: request.method, callID: 3))
            conversation.answerAll()
        }
        let allowed = isAboutRecords ? [request.status.rawValue] : []
        #expect(conversation.answers.map(\.status) == [Self.ok, refusal] + allowed)
        #expect(conversation.service.counters.denied.current == 1)
    }

    /// Of everybody's records, those are shown that may be listed.
    @Test func aListShowsWhatMayBeListed() throws {
        var policy = Self.twoUsers
        policy.allow.append(PolicyRule(name: "write", who: Self.ours, verbs: VerbSet([.store, .get]), keys: [.all]))
        let conversation = try Conversation(ttlMilliseconds: 300_000, policy: policy)
        conversation.run {
            for (id, user) in zip(1..., ["alice", "bob", "carol"]) {
                conversation.send(
                    Conversation.frame(Request.store.payload(user: user), method: Request.store.method, callID: UInt64(id)))
                conversation.answerAll()
            }
            conversation.send(Conversation.frame([], method: Request.list.method, callID: 4))
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.status) == [Self.ok, Self.ok, Self.ok, Self.ok])
        let text = String(decoding: conversation.frames.last?.payload ?? [], as: UTF8.self)
        #expect(text.contains("alice") && text.contains("bob") && !text.contains("carol"))
    }

    @Test func invalidateIsAllowedByWhatItDrops() throws {
        let invalidate = AdminMethod.invalidate.rawValue
        func key(_ user: String) -> [UInt8] {
            let key = Request.delete.payload(user: user)
            return [0x0a, UInt8(key.count)] + key
        }
        func user(_ name: String) -> [UInt8] { [0x12, UInt8(name.utf8.count)] + Array(name.utf8) }
        let scopes = [key("alice"), key("carol"), user("alice"), user("carol"), [0x18, 1]]
        let conversation = try conversation()
        conversation.run {
            for (id, scope) in zip(1..., scopes) {
                conversation.send(Conversation.frame(scope, method: invalidate, callID: UInt64(id)))
            }
        }
        #expect(conversation.answers.map(\.status) == [Self.ok, Self.denied, Self.ok, Self.denied, Self.denied])
    }

    @Test func everythingIsDroppedForWhoMayDropEverything() throws {
        let conversation = try Conversation(ttlMilliseconds: 300_000)
        conversation.run { conversation.send(Conversation.frame([0x18, 1], method: AdminMethod.invalidate.rawValue, callID: 1)) }
        #expect(conversation.answers.map(\.status) == [Self.ok])
    }

    /// Of which some are cached and some are not. What needs no vault comes first.
    @Test func aKeyThatIsNotAllowedFailsForItselfAlone() throws {
        let conversation = try conversation()
        conversation.run {
            for (id, user) in zip(1..., ["alice", "bob"]) {
                conversation.send(
                    Conversation.frame(Request.store.payload(user: user), method: Request.store.method, callID: UInt64(id)))
                conversation.answerAll()
            }
            _ = conversation.service.credentials.cache.invalidate(user: "bob")
            let keys = ["carol", "alice", "dave", "bob", "carol"].flatMap { Request.getMany.payload(user: $0).dropLast(2) }
            conversation.send(Conversation.frame(keys, method: Request.getMany.method, callID: 3))
            conversation.answerAll()
        }
        let answers = conversation.frames.filter { $0.header.callID == 3 }
        #expect(answers.map(\.header.methodOrStatus) == [Self.ok, Self.ok])
        let payload = answers.flatMap(\.payload)
        #expect(statuses(of: payload) == [0: Self.absent, 1: Self.ok, 2: Self.absent, 3: Self.ok, 4: Self.absent])
        let text = String(decoding: payload, as: UTF8.self)
        #expect(text.contains(Request.credential(of: "alice")) && text.contains(Request.credential(of: "bob")))
        #expect(conversation.service.counters.denied.current == 3)
    }

    /// By a rule that has its verb alone, and room for two records.
    @Test(arguments: CallMethod.allCases.filter { $0.verb != nil })
    func isAskedOnceForWhatTheMethodDoes(_ method: CallMethod) throws {
        let ids = CredentialsMethod.allCases.map(\.rawValue) + AdminMethod.allCases.map(\.rawValue)
        let id = try #require(ids.first { CallMethod(id: $0) == method })
        var payload =
            Request.allCases.first { $0.method == id }?.payload(user: "alice")
            ?? (method == .invalidate ? [0x18, 1] : [])
        // A condition would need get, too.
        if method == .store { payload = Array(payload.dropLast(2)) }
        let verb = try #require(method.verb)
        let policy = Policy(allow: [
            PolicyRule(
                name: "two", who: Self.ours, verbs: VerbSet(verb), keys: verb.isAboutRecords ? [.all] : [],
                limits: GrantLimits(rate: RateLimit(2, per: .hour)))
        ])
        let conversation = try Conversation(policy: policy)
        conversation.run {
            for callID: UInt64 in 1...3 {
                conversation.send(Conversation.frame(payload, method: id, callID: callID))
                conversation.answerAll()
            }
        }
        let statuses = conversation.answers.map(\.status)
        #expect(statuses.count == 3)
        guard method != .getMany else {
            let frames = conversation.frames
            #expect(frames.map { self.statuses(of: $0.payload) } == [[0: Self.absent], [0: Self.absent], [0: Self.exhausted]])
            return
        }
        #expect(statuses.prefix(2).allSatisfy { $0 != Self.exhausted && $0 != Self.denied })
        #expect(statuses.last == Self.exhausted)
        #expect(conversation.service.counters.denied.current == 0)
    }

    @Test func pingIsAnsweredWhateverIsAllowed() throws {
        let conversation = try conversation()
        conversation.run { conversation.send(Conversation.frame([], method: CredentialsMethod.ping.rawValue, callID: 1)) }
        #expect(conversation.answers.map(\.status) == [Self.ok])
    }

    /// By the place of its key.
    private func statuses(of payload: [UInt8]) -> [UInt32: UInt32] {
        guard let message = coffer__v1__get_many_response__unpack(nil, payload.count, payload) else { return [:] }
        defer { coffer__v1__get_many_response__free_unpacked(message, nil) }
        var statuses: [UInt32: UInt32] = [:]
        for index in 0..<message.pointee.n_results {
            let result = message.pointee.results[index]!.pointee
            statuses[result.index] = UInt32(result.status)
        }
        return statuses
    }
}
