import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferEtcd

/// Lines of a stream, however it is cut.
@Suite struct EtcdWatchLinesTests {
    private static let text = "{\"a\":1}\n\n{\"b\":\"\u{fc}\"}\n{\"c\":3}\n{\"d"

    @Test func linesAreTheSameHoweverTheStreamIsCut() throws {
        let bytes = Array(Self.text.utf8)
        for size in 1...bytes.count {
            var lines = EtcdWatchLines()
            var found: [String] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                let piece = Secret(copying: Array(bytes[start..<min(start + size, bytes.count)]).span.bytes)
                let whole = lines.feed(piece)
                found += try #require(whole).map(\.string)
            }
            #expect(found == ["{\"a\":1}", "{\"b\":\"\u{fc}\"}", "{\"c\":3}"], "\(size)")
        }
    }

    @Test func aLineThatNeverEndsIsAnError() {
        var lines = EtcdWatchLines()
        let piece = Secret(String(repeating: "x", count: 1 << 20))
        let fits = (0..<17).map { _ in lines.feed(piece) != nil }
        #expect(fits == Array(repeating: true, count: 16) + [false])
    }
}

/// What lines mean, as etcd 3.4 writes them.
@Suite struct EtcdWatchMessageTests {
    private static let header = #""header":{"cluster_id":"1","member_id":"2","revision":"9","raft_term":"2"}"#

    private func message(_ rest: String) -> EtcdWatchMessage { EtcdWatchMessage(Secret(#"{"result":{\#(Self.header)\#(rest)}}"#)) }

    @Test func messages() {
        #expect(message(#","created":true"#) == .created(revision: 9))
        #expect(message("") == .progress(revision: 9))
        let events = #","events":[{"kv":{"key":"YQ==","mod_revision":"3","value":"YWE="}},{"type":"DELETE","kv":{"key":"/w==","mod_revision":"4"}}]"#
        let changes = [EtcdWatchMessage.Change(name: [97], revision: 3), .init(name: [255], revision: 4)]
        #expect(message(events) == .changes(changes, isWhole: true))
        #expect(message(#","fragment":true"# + events) == .changes(changes, isWhole: false))
        #expect(message(#","canceled":true,"compact_revision":"4""#) == .compacted)
    }

    @Test(
        arguments: [
            ("rpc error: code = PermissionDenied desc = etcdserver: permission denied", .denied),
            ("rpc error: code = InvalidArgument desc = etcdserver: user name is empty", .noToken),
            ("rpc error: code = Unauthenticated desc = etcdserver: invalid auth token", .badToken),
            ("etcdserver: no leader", .notServing), ("something", .unavailable),
        ] as [(String, EtcdFault)])
    func refusals(reason: String, fault: EtcdFault) {
        #expect(message(#","created":true,"canceled":true,"cancel_reason":"\#(reason)""#) == .refused(fault))
    }

    @Test func brokenStreams() {
        let error = #"{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}}"#
        #expect(EtcdWatchMessage(Secret(error)) == .refused(.notServing))
        #expect(EtcdWatchMessage(Secret(#"{"error":{"code":16,"message":"etcdserver: invalid auth token"}}"#)) == .refused(.badToken))
        for text in ["", "x", "{}", "[]", #"{"result":{}}"#, #"{"result":{\#(Self.header),"events":[{}]}}"#] {
            #expect(EtcdWatchMessage(Secret(text)) == .garbled, "\(text)")
        }
    }
}

/// Where a lost watch goes on.
@Suite struct EtcdWatchPositionTests {
    private func at(_ seconds: UInt64) -> BootInstant { BootInstant(nanoseconds: seconds * 1_000_000_000) }

    @Test func theFirstWatchBeginsWithWhatComesNext() {
        var position = EtcdWatchPosition()
        let said1 = position.created(revision: 9, at: at(1))
        #expect(said1)
        #expect(position.next == 10)
    }

    @Test func aLostWatchGoesOnBehindTheLastChange() {
        var position = EtcdWatchPosition()
        _ = position.created(revision: 9, at: at(1))
        position.changed(revision: 12, isWhole: true)
        position.lost()
        #expect(position.next == 13)
        // What the store has by now is not yet seen.
        let said2 = position.created(revision: 50, at: at(2))
        #expect(!said2)
        #expect(position.next == 13)
        position.changed(revision: 11, isWhole: true)
        #expect(position.next == 13)
    }

    @Test func aRevisionOfWhichMoreFollowsIsNotOver() {
        var position = EtcdWatchPosition()
        _ = position.created(revision: 9, at: at(1))
        position.changed(revision: 12, isWhole: false)
        #expect(position.next == 10)
    }

    @Test func whatWasCompactedBeginsAnew() {
        var position = EtcdWatchPosition()
        _ = position.created(revision: 9, at: at(1))
        position.compacted()
        #expect(position.next == nil)
        let said3 = position.created(revision: 70, at: at(2))
        #expect(said3)
    }

    /// Not before etcd had time to send what was missed, and not from a stream that is lost.
    @Test func aWatchWithoutChangesKeepsUpWithTheStore() {
        var position = EtcdWatchPosition()
        _ = position.created(revision: 9, at: at(1))
        position.lost()
        _ = position.created(revision: 50, at: at(10))
        position.proved(at: at(14))
        #expect(position.next == 10)
        position.lost()
        position.proved(at: at(20))
        #expect(position.next == 10)
        _ = position.created(revision: 60, at: at(20))
        position.proved(at: at(25))
        #expect(position.next == 61)
        position.progressed(to: 80)
        #expect(position.next == 81)
    }

    @Test func whileNothingIsHeardEverythingMayHaveChanged() {
        var trust = EtcdWatchTrust()
        let said4 = trust.isOver(at: at(1))
        #expect(!said4)
        trust.lost(at: at(1))
        trust.lost(at: at(1))
        let said5 = trust.isOver(at: at(1))
        #expect(!said5)
        let said6 = trust.isOver(at: at(2))
        #expect(said6)
        let said7 = trust.isOver(at: at(3))
        #expect(!said7)
        let said8 = trust.isOver(at: at(4))
        #expect(said8)
        trust.resumed()
        let said9 = trust.isOver(at: at(60))
        #expect(!said9)
    }
}

/// Whose a change is.
@Suite struct EtcdOwnWritesTests {
    @Test func ownWritesAreKnownWhicheverWordComesFirst() {
        var own = EtcdOwnWrites()
        own.begin("a")
        let said10 = own.end("a", revision: 5)
        #expect(!said10)
        let said11 = own.isForeign("a", revision: 5)
        #expect(!said11)
        own.begin("a")
        let said12 = own.isForeign("a", revision: 6)
        #expect(!said12)
        let said13 = own.end("a", revision: 6)
        #expect(!said13)
        let others = [own.isForeign("a", revision: 7), own.isForeign("b", revision: 8)]
        #expect(others == [true, true])
    }

    @Test func aChangeOfOthersDuringAWriteIsTold() {
        var own = EtcdOwnWrites()
        own.begin("a")
        own.begin("a")
        let said14 = own.isForeign("a", revision: 5)
        #expect(!said14)
        let said15 = own.isForeign("a", revision: 6)
        #expect(!said15)
        let said16 = own.end("a", revision: 6)
        #expect(!said16)
        let said17 = own.end("a", revision: 7)
        #expect(said17)
        own.begin("a")
        let said18 = own.isForeign("a", revision: 9)
        #expect(!said18)
        // Nobody knows whether that was ours.
        let said19 = own.end("a", revision: nil)
        #expect(said19)
    }

    @Test func aBoundedNumberIsRemembered() {
        var own = EtcdOwnWrites()
        for revision in 1...Int64(EtcdOwnWrites.maximumRemembered + 1) {
            own.begin("a")
            _ = own.end("a", revision: revision)
        }
        let said20 = own.isForeign("a", revision: 1)
        #expect(said20)
        let said21 = own.isForeign("a", revision: 2)
        #expect(!said21)
    }
}

/// The feed of a vault whose stream is scripted.
@Suite(.timeLimit(.minutes(1))) struct EtcdWatchFeedTests {
    /// Streams that say what they are told, and end when they are told.
    final class Streams: HTTPTransport {
        final class One: Sendable {
            let request: HTTPRequest
            let feed = AsyncStream<String?>.makeStream()
            init(_ request: HTTPRequest) { self.request = request }
            func say(_ line: String) { feed.continuation.yield(line + "\n") }
            func end() { feed.continuation.finish() }
        }

        private let streams = Mutex<[One]>([])
        private let isAlive = Mutex(true)
        var all: [One] { streams.withLock { $0 } }
        func hang() { isAlive.withLock { $0 = false } }

        func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
            guard isAlive.withLock({ $0 }) else { throw HTTPError(.deadline, isUnsent: false) }
            return .etcd()
        }

        func stream(_ request: HTTPRequest, idle: Duration, deadline: BootInstant) async throws(HTTPError) -> HTTPStream {
            let one = One(request)
            streams.withLock { $0.append(one) }
            let lines = Lines(one.feed.stream)
            return HTTPStream(
                status: 200, source: { () async throws(HTTPError) -> Secret? in await lines.next() }, stop: { one.end() })
        }

        private actor Lines {
            private var iterator: AsyncStream<String?>.Iterator
            init(_ stream: AsyncStream<String?>) { iterator = stream.makeAsyncIterator() }
            func next() async -> Secret? {
                var iterator = iterator
                let line = await iterator.next(isolation: self)
                self.iterator = iterator
                return line.flatMap { $0.map { Secret($0) } }
            }
        }
    }

    private static func line(_ rest: String, revision: Int = 9) -> String {
        #"{"result":{"header":{"revision":"\#(revision)"}\#(rest)}}"#
    }

    private static func change(_ name: String, _ revision: Int) -> String {
        line(#","events":[{"kv":{"key":"\#(Base64.text(Array(name.utf8)))","mod_revision":"\#(revision)","value":"AA=="}}]"#, revision: revision)
    }

    private func vault(_ streams: Streams...) -> EtcdVault {
        EtcdVault(
            name: "v", options: EtcdOptions(),
            members: streams.enumerated().map { index, streams in
                EtcdMember(origin: HTTPOrigin(isSecure: true, host: "e\(index)", port: 1), transport: streams)
            }, dependencies: EtcdDependencies { _, _ in Secret("") })
    }

    @Test func aLostStreamGoesOnFromItsRevisionAndThenFromNowAfterACompaction() async throws {
        let streams = Streams()
        let vault = vault(streams)
        var changes = try #require(vault.changes as? ChangeFeed).makeAsyncIterator()
        #expect(await changes.next() == .everything)
        #expect(try await eventually { streams.all.count == 1 })
        #expect(!streams.all[0].request.text.contains("start_revision"))
        #expect(streams.all[0].request.header("Grpc-Metadata-hasleader") == "true")
        streams.all[0].say(Self.line(#","created":true"#))
        #expect(await changes.next() == .everything)
        streams.all[0].say(Self.change("ai2-connectors/u/c", 12))
        #expect(await changes.next() == .record(try RecordKey(user: "u", connection: "c")))
        streams.all[0].end()
        #expect(try await eventually { streams.all.count == 2 })
        #expect(streams.all[1].request.text.contains(#""start_revision":"13""#))
        streams.all[1].say(Self.line(#","created":true"#, revision: 40))
        streams.all[1].say(Self.change("other", 14))
        streams.all[1].say(Self.change("ai2-connectors/u/d", 15))
        #expect(await changes.next() == .record(try RecordKey(user: "u", connection: "d")))
        streams.all[1].say(Self.line(#","canceled":true,"compact_revision":"30""#))
        #expect(try await eventually { streams.all.count == 3 })
        #expect(!streams.all[2].request.text.contains("start_revision"))
        streams.all[2].say(Self.line(#","created":true"#, revision: 50))
        #expect(await changes.next() == .everything)
        await vault.close()
        #expect(await changes.next() == nil)
    }

    /// A member that falls silent and answers no read: another one is listened to within three seconds.
    @Test func aSilentMemberIsLeft() async throws {
        let (first, second) = (Streams(), Streams())
        let vault = vault(first, second)
        var changes = try #require(vault.changes as? ChangeFeed).makeAsyncIterator()
        #expect(await changes.next() == .everything)
        #expect(try await eventually { first.all.count == 1 })
        first.all[0].say(Self.line(#","created":true"#))
        #expect(await changes.next() == .everything)
        first.hang()
        #expect(try await eventually(seconds: 4) { second.all.count == 1 })
        #expect(second.all[0].request.text.contains(#""start_revision":"10""#))
        await vault.close()
    }

    /// Nothing is heard: everything may have changed, and that is said again.
    @Test func whileNoWatchStandsEverythingIsDoubted() async throws {
        let vault = EtcdVault(
            name: "v", options: EtcdOptions(),
            members: [
                EtcdMember(
                    origin: HTTPOrigin(isSecure: true, host: "e", port: 1),
                    transport: ScriptedMember { _, _ throws(HTTPError) in throw HTTPError(.refused, isUnsent: true) })
            ], dependencies: EtcdDependencies { _, _ in Secret("") })
        var changes = try #require(vault.changes as? ChangeFeed).makeAsyncIterator()
        for _ in 0..<3 { #expect(await changes.next() == .everything) }
        await vault.close()
    }
}
