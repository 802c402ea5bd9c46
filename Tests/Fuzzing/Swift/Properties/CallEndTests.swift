import CofferAccess
import CofferCache
import CofferCore
import CofferServer
import CofferWire
import Testing

@testable import CofferServer

/// Every way in which a call can end leads through one place, once, with all that is known of the call.
@Suite struct CallEndTests {
    /// The call whose end is looked at.
    private static let id: UInt64 = 77

    /// One way for a call to end.
    struct Way: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let method: CallMethod?
        let how: CallEnding
        var keys = "none"
        var waits = false
        let play: @Sendable (Conversation) -> Void

        init(
            _ name: String, _ method: CallMethod?, _ how: CallEnding, keys: String = "none", waits: Bool = false,
            _ play: @escaping @Sendable (Conversation) -> Void
        ) {
            (testDescription, self.method, self.how, self.keys, self.waits) = (name, method, how, keys, waits)
            self.play = play
        }
    }

    private static func frame(_ request: Request, user: String = "alice", milliseconds: UInt32 = 10_000) -> [UInt8] {
        Conversation.frame(
            request.payload(user: user), method: request.method, callID: id, milliseconds: milliseconds)
    }

    /// A Get that may be answered from the cache.
    private static func get(_ user: String) -> [UInt8] {
        Conversation.frame(Array(Request.get.payload(user: user).dropLast(2)), callID: id)
    }

    private static func begin(_ conversation: Conversation, _ frame: [UInt8]) {
        conversation.send(frame)
        conversation.settle()
    }

    private static func whole(_ frame: [UInt8]) -> @Sendable (Conversation) -> Void {
        { conversation in
            begin(conversation, frame)
            conversation.answerAll()
        }
    }

    /// Alice's record is stored and cached before each of them.
    private static let answered: [Way] = [
        Way("a hit", .get, .hit, keys: "alice/c lent", whole(get("alice"))),
        Way("a cached absence", .get, .absent, keys: "bob/c lent") { conversation in
            conversation.send(Conversation.frame(Array(Request.get.payload(user: "bob").dropLast(2)), callID: 5))
            conversation.answerAll()
            begin(conversation, get("bob"))
        },
        Way("a miss", .get, CallEnding(.ok), keys: "alice/c", waits: true, whole(frame(.get))),
        Way("a miss without a record", .get, CallEnding(.notFound), keys: "bob/c", waits: true, whole(get("bob"))),
        Way("a Store", .store, CallEnding(.ok), keys: "bob/c", waits: true, whole(frame(.store, user: "bob"))),
        Way("a Store whose condition fails", .store, CallEnding(.alreadyExists), keys: "alice/c", waits: true, whole(frame(.store))),
        Way("a Delete", .delete, CallEnding(.ok), keys: "alice/c", waits: true, whole(frame(.delete))),
        Way("a List", .list, CallEnding(.ok), keys: "alice/*", waits: true, whole(frame(.list))),
        Way("a List of everybody", .list, CallEnding(.ok), keys: "*/*", waits: true,
            whole(Conversation.frame([], method: Request.list.method, callID: id))),
        Way("a GetMany in one piece", .getMany, CallEnding(.ok), keys: "alice/c", waits: true, whole(frame(.getMany))),
        Way("Health", .health, CallEnding(.ok), waits: true, whole(frame(.health))),
        Way("Doctor", .doctor, CallEnding(.ok), waits: true, whole(frame(.doctor))),
        Way("Ping", .ping, CallEnding(.ok), whole(Conversation.frame([], method: CredentialsMethod.ping.rawValue, callID: id))),
        Way("Stats", .stats, CallEnding(.ok), whole(Conversation.frame([], method: AdminMethod.stats.rawValue, callID: id))),
        Way("Invalidate", .invalidate, CallEnding(.ok), keys: "alice/*",
            whole(Conversation.frame([0x12, 5] + Array("alice".utf8), method: AdminMethod.invalidate.rawValue, callID: id))),
        Way("Health of a silent vault", .health, CallEnding(.ok), waits: true) { conversation in
            begin(conversation, frame(.health))
            conversation.service.clock.advance(byMilliseconds: 1_001)
            conversation.settle()
            conversation.answerAll()
        },
    ]

    private static func limited(_ conversation: Conversation) {
        for id: UInt64 in 101...104 { conversation.send(Conversation.get(callID: id)) }
        begin(conversation, frame(.get))
        conversation.answerAll()
    }

    private static let refused: [Way] = [
        Way("a message that does not decode", .get, CallEnding(.invalidArgument), whole(Conversation.frame([0x0a, 9], callID: id))),
        Way("a field that breaks its rule", .get, CallEnding(.invalidArgument), whole(Conversation.frame([], callID: id))),
        Way("an unknown method", nil, CallEnding(.unimplemented), whole(Conversation.frame([], method: 1, callID: id))),
        Way("unknown flags", .get, CallEnding(.invalidArgument), whole(with(get("alice"), 7, 1))),
        Way("a denied record", .get, .absent, keys: "mallory/c lent", whole(get("mallory"))),
        Way("a denied List", .list, CallEnding(.ok), keys: "mallory/*", whole(frame(.list, user: "mallory"))),
        Way("a denied Store", .store, CallEnding(.permissionDenied), keys: "mallory/c", whole(frame(.store, user: "mallory"))),
        Way("a denied Delete", .delete, .absent, keys: "mallory/c", whole(frame(.delete, user: "mallory"))),
        Way("one call too many", .get, CallEnding(.resourceExhausted), keys: "alice/c", limited),
        Way("a call after the drain began", .get, CallEnding(.unavailable)) { conversation in
            conversation.service.reactor.beginDrain()
            begin(conversation, get("alice"))
        },
        Way("a frame that is too large", .get, CallEnding(.resourceExhausted),
            whole(Array(with(get("alice"), 0, 0x7f).prefix(FrameHeader.byteCount)))),
        Way("a frame of an unknown version", nil, CallEnding(.invalidArgument), whole(with(get("alice"), 4, 9))),
    ]

    private static func with(_ frame: [UInt8], _ index: Int, _ byte: UInt8) -> [UInt8] {
        var frame = frame
        frame[index] = byte
        return frame
    }

    /// While the vault has not answered; it does afterwards.
    private static func cutShort(
        _ name: String, _ request: Request, _ method: CallMethod, _ how: CallEnding, keys: String,
        _ end: @escaping @Sendable (Conversation) -> Void
    ) -> Way {
        Way("\(request): \(name)", method, how, keys: keys, waits: true) { conversation in
            begin(conversation, frame(request, user: "bob", milliseconds: 4_000))
            end(conversation)
            conversation.settle()
            conversation.answerAll()
        }
    }

    private static let cut: [Way] = [
        (Request.get, CallMethod.get, "bob/c"), (.store, .store, "bob/c"), (.delete, .delete, "bob/c"),
        (.getMany, .getMany, "bob/c"), (.list, .list, "bob/*"), (.doctor, .doctor, "none"),
    ].flatMap { request, method, keys in
        [
            cutShort("its deadline", request, method, CallEnding(.deadlineExceeded), keys: keys) {
                $0.service.clock.advance(byMilliseconds: 4_001)
            },
            // A write goes on.
            cutShort("its cancel", request, method, CallEnding(request.isWrite ? .ok : .cancelled), keys: keys) {
                $0.send(Conversation.cancel(callID: id) + Conversation.cancel(callID: id))
            },
            cutShort("its connection is lost", request, method, .lost, keys: keys) { conversation in
                for case let connection? in conversation.service.reactor.connections {
                    conversation.service.reactor.drop(connection)
                }
            },
            cutShort("the drain", request, method, CallEnding(.unavailable), keys: keys) {
                $0.drainUntilWaitingIsRefused()
            },
        ]
    }

    /// Mallory's records are nobody's.
    private static var notMallory: Policy {
        var policy = Policy.owner(Service.owner)
        policy.deny = [
            PolicyRule(
                name: "mallory", who: [.anyone], verbs: .aboutRecords,
                keys: [KeyRange(user: PolicyPattern(literal: "mallory"), connection: .any)])
        ]
        return policy
    }

    @Test("leads through one place, once", arguments: answered + refused + cut)
    func end(_ way: Way) throws {
        var limits = ServerLimits()
        limits.callsPerConnection = 4
        let conversation = try Conversation(limits: limits, ttlMilliseconds: 300_000, policy: Self.notMallory)
        let service = conversation.service
        var started = service.clock.boot
        conversation.run {
            conversation.send(
                Conversation.frame(Request.store.payload(user: "alice"), method: Request.store.method, callID: 1))
            conversation.answerAll()
            service.clock.advance(byMilliseconds: 5)
            started = service.clock.boot
            way.play(conversation)
            conversation.answerAll()
        }
        let endings = service.endings.all.filter { $0.callID == Self.id }
        #expect(endings.count == 1)
        let ending = try #require(endings.first)
        #expect(ending.how == way.how)
        #expect(ending.method == way.method)
        #expect(ending.keys == way.keys)
        #expect(ending.caller == Peer(uid: Service.owner, gid: 0, pid: 1))
        #expect(ending.started == started)
        #expect((ending.serial > 0) == way.waits)
        #expect(ending.deadline.map { $0 > started } ?? false == way.waits)
        #expect(service.counters.ended.current(way.method, way.how) >= 1)
        #expect(service.endings.waited == service.reactor.lastSerial, "a call that waits has not ended")
    }

    /// Many pieces are one answer.
    @Test func aStreamEndsWithItsLastPiece() throws {
        let conversation = try Conversation(ttlMilliseconds: 300_000)
        let service = conversation.service
        conversation.run {
            let text = Array(String(repeating: "x", count: 40_000).utf8)
            for number: UInt8 in 0..<4 {
                let key: [UInt8] = [0x0a, 2, 0x75, 0x30 + number, 0x12, 1, 0x63]
                let store = key + [0x1a, 0xc0, 0xb8, 0x02] + text
                conversation.send(Conversation.frame(store, method: Request.store.method, callID: UInt64(number) + 1))
                conversation.answerAll()
            }
            let keys: [UInt8] = (0..<4 as Range<UInt8>).flatMap { [0x0a, 7, 0x0a, 2, 0x75, 0x30 + $0, 0x12, 1, 0x63] }
            conversation.send(Conversation.frame(keys, method: Request.getMany.method, callID: Self.id))
            conversation.receiveAll()
        }
        let pieces = conversation.frames.filter { $0.header.callID == Self.id }
        #expect(pieces.count > 1)
        #expect(pieces.map { $0.header.flags == 0 } == pieces.indices.map { $0 == pieces.count - 1 })
        let endings = service.endings.all.filter { $0.callID == Self.id }
        #expect(endings.map(\.how) == [CallEnding(.ok)])
        #expect(endings.first?.keys == "u0/c u1/c u2/c u3/c")
    }

    /// An id that is still in use: the second call ends, and the first goes on.
    @Test func twoCallsOfOneIDEndEachOnce() throws {
        let conversation = try Conversation()
        conversation.run {
            Self.begin(conversation, Self.frame(.get) + Self.frame(.get))
            conversation.answerAll()
        }
        let endings = conversation.service.endings.all
        #expect(endings.map(\.how) == [CallEnding(.invalidArgument), CallEnding(.notFound)])
        #expect(endings.map { $0.serial > 0 } == [false, true])
    }

    @Test func everyEndingIsCountedApart() {
        let all = StatusCode.allCases.map { CallEnding($0) } + [.hit, .absent, .lost]
        #expect(all.map(\.slot).sorted() == Array(0..<CallEnding.count))
    }

    /// Stats count them by method and status.
    @Test func statsCountEndedCalls() throws {
        let conversation = try Conversation(ttlMilliseconds: 300_000)
        conversation.run {
            Self.whole(Self.frame(.store))(conversation)
            for _ in 0..<3 { Self.whole(Self.get("alice"))(conversation) }
            for _ in 0..<2 { Self.whole(Self.get("bob"))(conversation) }
            Self.whole(Conversation.frame([], callID: Self.id))(conversation)
        }
        let ended = conversation.service.counters.ended
        #expect(ended.current(.get, StatusCode.ok) == 3)
        #expect(ended.current(.get, StatusCode.notFound) == 2)
        #expect(ended.current(.store, StatusCode.ok) == 1)
        #expect(ended.cacheHits == 4)
        #expect(ended.failures == 3)
        conversation.run {
            conversation.send(Conversation.frame([], method: AdminMethod.stats.rawValue, callID: 2))
            conversation.settle()
        }
        let text = String(decoding: conversation.frames.last?.payload ?? [], as: UTF8.self)
        #expect(text.contains("calls_get_ok_total") && text.contains("calls_get_not_found_total"))
        #expect(!text.contains("calls_list_ok_total"), "nobody has listed")
    }
}
