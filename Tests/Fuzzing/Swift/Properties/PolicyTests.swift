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
    /// The owner may do what it likes with the records of alice and bob, and nothing else but have all of the cache dropped.
    private final class TwoUsers: AccessPolicy {
        private func isOne(_ user: RawSpan) -> Bool {
            user.withUnsafeBytes { ["alice", "bob"].contains(String(decoding: $0, as: UTF8.self)) }
        }

        func admits(_ caller: Peer) -> Bool { caller.uid == Service.owner }
        func allows(_ caller: Peer, _ verb: Verb, user: RawSpan, connection: RawSpan) -> Bool {
            admits(caller) && isOne(user) && connection.withUnsafeBytes { String(decoding: $0, as: UTF8.self) == "c" }
        }
        func allows(_ caller: Peer, _ verb: Verb, user: RawSpan) -> Bool { admits(caller) && isOne(user) }
        func allows(_ caller: Peer, _ verb: Verb) -> Bool { admits(caller) && verb == .invalidate }
    }

    private func conversation() throws -> Conversation {
        try Conversation(ttlMilliseconds: 300_000, policy: TwoUsers())
    }

    private static let denied = StatusCode.permissionDenied.rawValue
    private static let ok = StatusCode.ok.rawValue

    @Test(arguments: [Request.store, .get, .delete, .list])
    func aCallIsAllowedByItsRecord(_ request: Request) throws {
        let conversation = try conversation()
        conversation.run {
            conversation.send(Conversation.frame(Request.store.payload(user: "alice"), method: Request.store.method, callID: 1))
            conversation.answerAll()
            let before = conversation.service.vault.begun
            // Not even parsed further: the vault is not asked.
            conversation.send(Conversation.frame(request.payload(user: "carol"), method: request.method, callID: 2))
            conversation.answerAll()
            #expect(conversation.service.vault.begun == before)
            conversation.send(Conversation.frame(request.payload(user: "alice"), method: request.method, callID: 3))
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.status) == [Self.ok, Self.denied, request.status.rawValue])
        #expect(conversation.service.counters.denied.current == 1)
    }

    @Test func aListOfEverybodyIsDeniedToWhoMayReadSome() throws {
        let conversation = try conversation()
        conversation.run {
            conversation.send(Conversation.frame([], method: Request.list.method, callID: 1))
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.status) == [Self.denied])
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
        #expect(conversation.answers.map(\.status) == [Self.ok, Self.denied, Self.ok, Self.denied, Self.ok])
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
        #expect(statuses(of: payload) == [0: Self.denied, 1: Self.ok, 2: Self.denied, 3: Self.ok, 4: Self.denied])
        let text = String(decoding: payload, as: UTF8.self)
        #expect(text.contains(Request.credential(of: "alice")) && text.contains(Request.credential(of: "bob")))
        #expect(conversation.service.counters.denied.current == 3)
    }

    /// Notes what it is asked for.
    private final class Curious: AccessPolicy {
        private let verbs = Mutex<[Verb]>([])

        var asked: [Verb] { verbs.withLock { $0 } }

        private func note(_ verb: Verb) -> Bool {
            verbs.withLock { $0.append(verb) }
            return true
        }

        func admits(_ caller: Peer) -> Bool { true }
        func allows(_ caller: Peer, _ verb: Verb, user: RawSpan, connection: RawSpan) -> Bool { note(verb) }
        func allows(_ caller: Peer, _ verb: Verb, user: RawSpan) -> Bool { note(verb) }
        func allows(_ caller: Peer, _ verb: Verb) -> Bool { note(verb) }
    }

    @Test(arguments: CallMethod.allCases)
    func isAskedOnceForWhatTheMethodDoes(_ method: CallMethod) throws {
        let ids = CredentialsMethod.allCases.map(\.rawValue) + AdminMethod.allCases.map(\.rawValue)
        let id = try #require(ids.first { CallMethod(id: $0) == method })
        let payload =
            Request.allCases.first { $0.method == id }?.payload(user: "alice")
            ?? (method == .invalidate ? [0x18, 1] : [])
        let policy = Curious()
        let conversation = try Conversation(policy: policy)
        conversation.run {
            conversation.send(Conversation.frame(payload, method: id, callID: 1))
            conversation.answerAll()
        }
        #expect(conversation.answers.map(\.callID) == [1])
        #expect(policy.asked == (method.verb.map { [$0] } ?? []))
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
