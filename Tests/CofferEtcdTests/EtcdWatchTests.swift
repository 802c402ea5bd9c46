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
        // One more than these is no number, or soon none.
        for revision in [Int64.max, 1 << 62, -1] {
            let header = #""header":{"revision":"\(revision)"}"#
            let event = #""events":[{"kv":{"key":"YQ==","mod_revision":"\(revision)"}}]"#
            for text in [#"{"result":{\#(header),"created":true}}"#, #"{"result":{\#(header)}}"#, #"{"result":{\#(Self.header),\#(event)}}"#] {
                #expect(EtcdWatchMessage(Secret(text.replacing("\\(revision)", with: "\(revision)"))) == .garbled, "\(text)")
            }
        }
    }
}

/// Where a lost watch resumes.
@Suite struct EtcdWatchPositionTests {
    private func at(_ seconds: UInt64) -> BootInstant { BootInstant(nanoseconds: seconds * 1_000_000_000) }

    @Test func theFirstWatchBeginsWithWhatComesNext() {
        var position = EtcdWatchPosition()
        let said1 = position.created(revision: 9, at: at(1))
        #expect(said1)
        #expect(position.next == 10)
    }

    @Test func aLostWatchResumesBehindTheLastChange() {
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

    @Test func whatWasCompactedBeginsWithWhatComesNext() {
        var position = EtcdWatchPosition()
        _ = position.created(revision: 9, at: at(1))
        position.forget()
        #expect(position.next == nil)
        let said3 = position.created(revision: 70, at: at(2))
        #expect(said3)
    }

    /// Not by a stream that broke, and not before etcd had time to send what was missed.
    @Test func aStreamThatEtcdEndedHasBroughtWhatTheStoreHadAtFirst() {
        var position = EtcdWatchPosition()
        _ = position.created(revision: 9, at: at(1))
        position.lost()
        position.ended(at: at(20))
        #expect(position.next == 10)
        _ = position.created(revision: 50, at: at(20))
        position.ended(at: at(24))
        #expect(position.next == 10)
        position.ended(at: at(25))
        #expect(position.next == 51)
        position.progressed(to: 80)
        #expect(position.next == 81)
    }

    /// A probe proves nothing of the stream: what it knows of the store is not skipped.
    @Test func aProbeSkipsNoChange() {
        var position = EtcdWatchPosition()
        _ = position.created(revision: 9, at: at(1))
        let comparisons = [9, 12].map { position.compare(revision: $0, cluster: "1", before: 9) }
        #expect(comparisons == [.current, .ahead])
        position.believe(12)
        let believed = position.compare(revision: 12, cluster: "1", before: 12)
        #expect(believed == .current && position.next == 10)
        // The next stream has to bring it.
        position.lost()
        let again = position.compare(revision: 12, cluster: "1", before: 12)
        #expect(again == .ahead && position.next == 10)
    }

    @Test func aStoreThatIsBehindOrAnotherHasAnotherHistory() {
        var position = EtcdWatchPosition()
        _ = position.created(revision: 9, at: at(1))
        position.changed(revision: 12, isWhole: true)
        // Heard between the probe's question and its answer.
        let late = position.compare(revision: 11, cluster: "1", before: 9)
        #expect(late == .current)
        let others = [(11, "1"), (40, "2")].map { position.compare(revision: $0.0, cluster: $0.1, before: 12) }
        #expect(others == [.otherHistory, .otherHistory])
    }

    /// 300 ms, 600 ms, … 60 s while suspicions come in a row, and from the beginning after a time without.
    @Test func streamsAreReplacedLessAndLessOften() {
        var suspicion = EtcdWatchSuspicion()
        var due: [UInt64] = []
        for tenth in UInt64(10)..<10_000 where suspicion.isDue(at: BootInstant(nanoseconds: tenth * 100_000_000)) {
            due.append(tenth)
        }
        #expect(due.starts(with: [10, 13, 19, 31, 55, 103, 199, 391, 775]))
        #expect(zip(due, due.dropFirst()).map { $1 - $0 }.suffix(5) == [600, 600, 600, 600, 600])
        let later = due.last! + 5_000
        let pauses = [later, later + 3].map { suspicion.isDue(at: BootInstant(nanoseconds: $0 * 100_000_000)) }
        #expect(pauses == [true, true])
    }

    @Test func whileNothingIsHeardEverythingMayHaveChanged() {
        func at(_ milliseconds: UInt64) -> BootInstant { BootInstant(nanoseconds: milliseconds * 1_000_000) }
        var trust = EtcdWatchTrust()
        var over: [UInt64] = []
        for now in stride(from: UInt64(0), to: 3_000, by: 100) {
            if now == 1_000 || now == 1_100 { trust.lost(at: at(now)) }
            if now == 2_500 { trust.resumed() }
            if trust.isOver(at: at(now)) { over.append(now) }
        }
        #expect(over == [1_300, 1_800, 2_300])
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

    /// The store was restored: another program's write may have the revision of one of ours.
    @Test func revisionsOfAnotherHistoryAreForgotten() {
        var own = EtcdOwnWrites()
        own.begin("a")
        _ = own.end("a", revision: 5)
        own.begin("b")
        _ = own.isForeign("b", revision: 6)
        own.forgetRevisions()
        let foreign = own.isForeign("a", revision: 5)
        #expect(foreign)
        let isForeign = own.end("b", revision: 7)
        #expect(!isForeign)
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
    /// Streams that say and end what the test says, of a store that has what the test says.
    final class Streams: HTTPTransport {
        final class One: Sendable {
            let request: HTTPRequest
            /// How long the answer's head may take.
            let patience: Duration
            let feed = AsyncStream<String?>.makeStream()

            init(_ request: HTTPRequest, _ patience: Duration) {
                self.request = request
                self.patience = patience
            }

            func say(_ line: String) { feed.continuation.yield(line + "\n") }
            func end() { feed.continuation.finish() }
        }

        private let streams = Mutex<[One]>([])
        private let answers = Mutex(0)
        /// How often it was asked what the store has.
        var answered: Int { answers.withLock { $0 } }
        /// Of the heads of streams.
        private let status: Int
        /// nil = it hangs.
        private let store: Mutex<(@Sendable (HTTPRequest) -> HTTPResponse)?> = Mutex({ _ in .etcd(revision: 9) })
        var all: [One] { streams.withLock { $0 } }

        init(status: Int = 200) { self.status = status }

        func hang() { store.withLock { $0 = nil } }
        func answer(_ answer: @escaping @Sendable (HTTPRequest) -> HTTPResponse) { store.withLock { $0 = answer } }

        /// What linearizable reads say from now on.
        func has(revision: Int, cluster: String = "1") {
            answer { _ in HTTPResponse(200, #"{"header":{"cluster_id":"\#(cluster)","revision":"\#(revision)"}}"#) }
        }

        func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
            guard let answer = store.withLock({ $0 }) else { throw HTTPError(.deadline, isUnsent: false) }
            answers.withLock { $0 += 1 }
            return answer(request)
        }

        func stream(_ request: HTTPRequest, idle: Duration, deadline: BootInstant) async throws(HTTPError) -> HTTPStream {
            let one = One(request, .milliseconds(Int64(deadline.milliseconds(since: SystemClock().boot))))
            streams.withLock { $0.append(one) }
            let lines = Lines(one.feed.stream)
            return HTTPStream(
                status: status, source: { () async throws(HTTPError) -> Secret? in await lines.next() }, stop: { one.end() })
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

    private func vault(_ streams: Streams..., login: EtcdOptions.Login? = nil) -> EtcdVault {
        EtcdVault(
            name: "v", options: EtcdOptions(login: login),
            members: streams.enumerated().map { index, streams in
                EtcdMember(origin: HTTPOrigin(isSecure: true, host: "e\(index)", port: 1), transport: streams)
            }, dependencies: EtcdDependencies { _, _ in Secret("") })
    }

    /// The next record, or the end. On a busy host everything may be doubted before the first probe is answered.
    private func next(_ changes: inout ChangeFeed.Iterator) async -> VaultChange? {
        while true {
            let change = await changes.next()
            if change != .everything { return change }
        }
    }

    @Test func aLostStreamResumesAtItsRevisionAndAfterACompactionWithWhatComesNext() async throws {
        let streams = Streams()
        let vault = vault(streams)
        var changes = try #require(vault.changes as? ChangeFeed).makeAsyncIterator()
        #expect(await changes.next() == .everything)
        #expect(try await eventually { streams.all.count == 1 })
        #expect(!streams.all[0].request.text.contains("start_revision"))
        #expect(streams.all[0].request.header("Grpc-Metadata-hasleader") == "true")
        streams.all[0].say(Self.line(#","created":true"#))
        #expect(await changes.next() == .everything)
        streams.has(revision: 12)
        streams.all[0].say(Self.change("ai2-connectors/u/c", 12))
        #expect(await next(&changes) == .record(try RecordKey(user: "u", connection: "c")))
        streams.has(revision: 15)
        streams.all[0].end()
        #expect(try await eventually { streams.all.count == 2 })
        #expect(streams.all[1].request.text.contains(#""start_revision":"13""#))
        streams.all[1].say(Self.line(#","created":true"#, revision: 40))
        streams.all[1].say(Self.change("other", 14))
        streams.all[1].say(Self.change("ai2-connectors/u/d", 15))
        #expect(await next(&changes) == .record(try RecordKey(user: "u", connection: "d")))
        streams.has(revision: 50)
        streams.all[1].say(Self.line(#","canceled":true,"compact_revision":"30""#))
        #expect(try await eventually { streams.all.count == 3 })
        #expect(!streams.all[2].request.text.contains("start_revision"))
        streams.all[2].say(Self.line(#","created":true"#, revision: 50))
        #expect(await changes.next() == .everything)
        await vault.close()
        #expect(await next(&changes) == nil)
    }

    /// A member that falls silent and answers no read: another one is listened to.
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

    /// A member that refuses the watch and does not end its answer.
    @Test func aRefusalWithoutAnEndIsLeft() async throws {
        let (first, second) = (Streams(status: 503), Streams())
        let vault = vault(first, second)
        _ = vault.changes
        #expect(try await eventually(seconds: 10) { second.all.count == 1 })
        await vault.close()
    }

    private static let connection = try! RecordKey(user: "u", connection: "c")

    /// A stream that stands, with its first probe answered.
    private func listening(
        to streams: Streams, _ vault: EtcdVault
    ) async throws -> ChangeFeed.Iterator {
        var changes = try #require(vault.changes as? ChangeFeed).makeAsyncIterator()
        #expect(await changes.next() == .everything)
        #expect(try await eventually { streams.all.count == 1 })
        streams.all[0].say(Self.line(#","created":true"#))
        #expect(await changes.next() == .everything)
        // Whoever asks again has looked at the first answer.
        #expect(try await eventually { streams.answered > 1 })
        streams.has(revision: 12)
        streams.all[0].say(Self.change("ai2-connectors/u/c", 12))
        #expect(await next(&changes) == .record(Self.connection))
        return changes
    }

    /// etcd would accept the watch of a revision that the restored store does not have yet, and send nothing until it has.
    @Test(arguments: [(10, "1"), (40, "2")])
    func aRestoredStoreIsHeardWithWhatComesNext(revision: Int, cluster: String) async throws {
        let streams = Streams()
        let vault = vault(streams)
        var changes = try await listening(to: streams, vault)
        streams.all[0].end()
        #expect(try await eventually { streams.all.count == 2 })
        #expect(streams.all[1].request.text.contains(#""start_revision":"13""#))
        // Not before: a silent stream's member is asked what the store has.
        streams.has(revision: revision, cluster: cluster)
        streams.all[1].say(Self.line(#","created":true"#, revision: revision))
        #expect(try await eventually { streams.all.count == 3 })
        #expect(!streams.all[2].request.text.contains("start_revision"))
        streams.all[2].say(Self.line(#","created":true"#, revision: revision))
        #expect(await changes.next() == .everything)
        await vault.close()
    }

    /// The store has a change, the member works, and the stream brings nothing: its connection broke without notice.
    @Test func aChangeThatNeverArrivesIsAskedForAgain() async throws {
        let streams = Streams()
        let vault = vault(streams)
        var changes = try await listening(to: streams, vault)
        streams.has(revision: 13)
        #expect(try await eventually { streams.all.count == 2 })
        #expect(streams.all[1].request.text.contains(#""start_revision":"13""#))
        streams.all[1].say(Self.line(#","created":true"#, revision: 13))
        streams.all[1].say(Self.change("ai2-connectors/u/d", 13))
        #expect(await next(&changes) == .record(try RecordKey(user: "u", connection: "d")))
        await vault.close()
    }

    /// etcd ends a stream by request, after which the next one need not look through all that other keys had since.
    @Test func aStreamIsAskedToEnd() async throws {
        let streams = Streams()
        let vault = vault(streams)
        _ = try await listening(to: streams, vault)
        #expect(streams.all[0].request.header("Grpc-Timeout") == "60S")
        await vault.close()
    }

    /// A latency of 2 s is no reason to give a stream up before it begins.
    @Test func aStreamHasThreeSecondsToBegin() async throws {
        let streams = Streams()
        let vault = vault(streams)
        _ = vault.changes
        #expect(try await eventually { streams.all.count == 1 })
        #expect((.seconds(2) ... .seconds(3)).contains(streams.all[0].patience))
        await vault.close()
    }

    /// The first watch has not begun: nothing is known of changes.
    @Test func beforeTheFirstWatchStandsEverythingIsDoubted() async throws {
        let streams = Streams()
        let vault = vault(streams)
        var changes = try #require(vault.changes as? ChangeFeed).makeAsyncIterator()
        for _ in 0..<4 { #expect(await changes.next() == .everything) }
        #expect(streams.all.count == 1)
        await vault.close()
    }

    /// A probe whose token is refused proves nothing, and the next one has another token.
    @Test func aRefusedTokenProvesNothing() async throws {
        let streams = Streams()
        let logins = Mutex(0)
        streams.answer { request in
            if request.path.hasSuffix("authenticate") {
                return .etcd(revision: 9, #","token":"t\#(logins.withLock { $0 += 1; return $0 })""#)
            }
            return logins.withLock { $0 } < 3 ? .fault(401, 16, "etcdserver: invalid auth token") : .etcd(revision: 9)
        }
        let vault = vault(streams, login: EtcdOptions.Login(user: "u", password: .value(Secret("p"))))
        var changes = try #require(vault.changes as? ChangeFeed).makeAsyncIterator()
        #expect(await changes.next() == .everything)
        #expect(try await eventually { streams.all.count == 1 })
        streams.all[0].say(Self.line(#","created":true"#))
        #expect(await changes.next() == .everything)
        #expect(await changes.next() == .everything, "two probes prove nothing")
        #expect(try await eventually { logins.withLock { $0 } == 3 })
        #expect(streams.all.count == 1)
        await vault.close()
    }

    /// Nothing is heard: everything may have changed, and that is posted again.
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
