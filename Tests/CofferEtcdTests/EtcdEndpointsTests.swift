import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Synchronization
import Testing

@testable import CofferEtcd

/// Which member is asked, as a rule without a network.
@Suite struct EtcdEndpointsTests {
    private func at(_ milliseconds: UInt64) -> BootInstant { BootInstant(nanoseconds: 1_000_000_000 + milliseconds * 1_000_000) }

    @Test func theOneThatServedLastIsAskedFirst() {
        var endpoints = EtcdEndpoints(count: 3)
        #expect(endpoints.order(now: at(0)) == [0, 1, 2])
        endpoints.noteSuccess(2)
        #expect(endpoints.order(now: at(0)) == [2, 0, 1])
    }

    @Test func oneThatFailsComesLastUntilItsPauseIsOver() {
        var endpoints = EtcdEndpoints(count: 3)
        endpoints.noteFailure(0, now: at(0))
        #expect(endpoints.order(now: at(0)) == [1, 2, 0])
        #expect(endpoints.order(now: at(249)) == [1, 2, 0])
        endpoints.noteSuccess(1)
        endpoints.noteFailure(2, now: at(100))
        #expect(endpoints.order(now: at(249)) == [1, 0, 2])
        #expect(endpoints.order(now: at(350)) == [1, 2, 0])
    }

    @Test func everyMemberIsInEveryOrder() {
        var endpoints = EtcdEndpoints(count: 4)
        for round in 0..<40 {
            endpoints.noteFailure(round % 4, now: at(UInt64(round) * 90))
            #expect(endpoints.order(now: at(UInt64(round) * 90)).sorted() == [0, 1, 2, 3])
        }
    }

    /// 250 ms, 500 ms, … 30 s; a success ends that.
    @Test func pausesDoubleUpToALimit() {
        var endpoints = EtcdEndpoints(count: 3)
        var now: UInt64 = 0
        func fails(for pause: UInt64) {
            endpoints.noteFailure(0, now: at(now))
            endpoints.noteSuccess(2)
            #expect(endpoints.order(now: at(now + pause - 1)) == [2, 1, 0], "\(pause)")
            now += pause
            #expect(endpoints.order(now: at(now)) == [2, 0, 1], "\(pause)")
        }
        for pause in [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] as [UInt64] { fails(for: pause) }
        endpoints.noteSuccess(0)
        fails(for: 250)
    }

    /// Calls that were under way when a member went down are one failure of it.
    @Test func failuresAtOneTimeAreOne() {
        var endpoints = EtcdEndpoints(count: 2)
        for _ in 0..<50 { endpoints.noteFailure(0, now: at(0)) }
        endpoints.noteFailure(1, now: at(200))
        #expect(endpoints.order(now: at(260)).first == 0)
    }
}

/// Several members, of which some do not serve.
@Suite(.timeLimit(.minutes(1))) struct EtcdClusterRulesTests {
    private typealias Script = ScriptedMember.Script
    private static let refused: Script = { _, _ throws(HTTPError) in throw HTTPError(.refused, isUnsent: true) }

    @Test func aMemberThatRefusesIsPassedOver() async throws {
        let bed = Bed(Self.refused, { _, _ in .etcd() })
        #expect(try await bed.read() == nil)
        #expect(try await bed.read() == nil)
        // The second call goes to the one that served.
        #expect(bed.members.map(\.requests.count) == [1, 2])
    }

    @Test func aMemberWithoutALeaderIsPassedOver() async throws {
        let bed = Bed({ _, _ in .fault(503, 14, "etcdserver: no leader") }, { _, _ in .etcd() })
        #expect(try await bed.read() == nil)
        #expect(bed.members.map(\.requests.count) == [1, 1])
    }

    @Test func anElectionIsWaitedFor() async throws {
        let election: Script = { _, number in number < 3 ? .fault(503, 14, "etcdserver: no leader") : .etcd() }
        let bed = Bed(election, election)
        #expect(try await bed.read() == nil)
    }

    @Test func aClusterWithoutALeaderIsGivenUp() async {
        let bed = Bed({ _, _ in .fault(503, 14, "etcdserver: no leader") }, Self.refused)
        let begun = bed.clock.boot
        let failure = await failure { () async throws(Failure) in try await bed.write() }
        #expect(failure?.code == .unavailable && failure?.mayHaveWritten == false && failure?.retryable == true)
        #expect(bed.clock.boot.milliseconds(since: begun) <= 4_000)
    }

    @Test func aDeadlineEndsTheWaitForALeader() async {
        let bed = Bed({ _, _ in .fault(503, 14, "etcdserver: no leader") })
        let deadline = bed.clock.boot + .milliseconds(500)
        _ = await failure { () async throws(Failure) in try await bed.vault.read(try Bed.key(), deadline: deadline) }
        #expect(bed.clock.boot <= deadline)
    }

    // MARK: Lost answers

    private static func kv(_ version: String, revision: Int, creation: Int = 2) -> String {
        let bed = Bed({ _, _ in .done })
        return bed.kv(bed.item(version), revision: revision, creation: creation)
    }

    private static func range(_ kv: String?) -> HTTPResponse {
        .etcd(revision: 9, kv.map { #","kvs":[\#($0)],"count":"1""# } ?? "")
    }

    /// A transaction whose comparison failed.
    private static func instead(_ kv: String?) -> HTTPResponse {
        .etcd(revision: 9, #","responses":[{"response_range":{\#(kv.map { #""kvs":[\#($0)]"# } ?? "")}}]"#)
    }

    /// Reads show this record; answers to writes are lost.
    private static func losing(_ kv: String?) -> Script {
        { request, _ throws(HTTPError) in
            if request.path.hasSuffix("txn") { throw HTTPError(.interrupted, isUnsent: false) }
            return range(kv)
        }
    }

    private static let old = kv("v0", revision: 5)

    /// The write was done, and its answer lost: the same write at another member finds its own record.
    @Test(arguments: [WriteCondition.none, .ifVersion("v0")])
    func aWriteWhoseAnswerWasLostIsNotMadeTwice(condition: WriteCondition) async throws {
        let bed = Bed(Self.losing(Self.old), { _, _ in Self.instead(Self.kv("v1", revision: 9)) })
        #expect(try await bed.write(nil, condition).version == "v1")
        #expect(bed.members.map(\.requests.count) == [2, 1])
        #expect(bed.members[1].requests[0].text.contains(#""mod_revision":"5""#))
    }

    /// What replaced the record says whether the write came before it.
    @Test func aWriteThatWasDoneAndReplacedIsNotMadeAgain() async throws {
        let bed = Bed(Self.losing(Self.old), { request, number in
            number == 0 ? Self.instead(Self.kv("other", revision: 9)) : Self.range(Self.kv("v1", revision: 7))
        })
        #expect(try await bed.write().version == "v1")
        #expect(bed.members[1].paths == ["kv/txn", "kv/range"])
        #expect(bed.members[1].requests[1].text.contains(#""revision":"8""#))
    }

    /// The record is another's, and this write was never done: it is made again, over that one.
    @Test func aWriteThatAnotherOneForestalledIsMadeAgain() async throws {
        let bed = Bed(Self.losing(Self.old), { request, number in
            switch number {
            case 0: Self.instead(Self.kv("other", revision: 9))
            case 1: Self.range(Self.old)
            default: .done
            }
        })
        _ = try await bed.write()
        #expect(bed.members[1].paths == ["kv/txn", "kv/range", "kv/txn"])
        #expect(bed.members[1].requests[2].text.contains(#""mod_revision":"9""#))
        let conditional = Bed(Self.losing(Self.old), { _, number in
            number == 0 ? Self.instead(Self.kv("other", revision: 9)) : Self.range(Self.old)
        })
        let failure = await failure { () async throws(Failure) in try await conditional.write(nil, .ifVersion("v0")) }
        #expect(failure == .versionMismatch)
    }

    /// Removed meanwhile, or the history is compacted: nobody knows.
    @Test(arguments: [WriteCondition.none, .ifVersion("v0")])
    func aWriteThatNobodyKnowsOfIsInDoubt(condition: WriteCondition) async throws {
        let removed = Bed(Self.losing(Self.old), { _, _ in Self.instead(nil) })
        let compacted = Bed(Self.losing(Self.old), { _, number in
            number == 0 ? Self.instead(Self.kv("other", revision: 9)) : .fault(400, 11, "etcdserver: mvcc: required revision has been compacted")
        })
        for bed in [removed, compacted] {
            let failure = await failure { () async throws(Failure) in try await bed.write(nil, condition) }
            #expect(failure?.mayHaveWritten == true && failure?.code == .unavailable)
            #expect(bed.members[1].paths.count { $0 == "kv/txn" } == 1)
        }
    }

    /// A record that is not there has no revision to tell a second write by.
    @Test(arguments: [WriteCondition.none, .ifAbsent]) func aNewRecordIsSentOnce(condition: WriteCondition) async {
        let bed = Bed(Self.losing(nil), { _, _ in .done })
        let failure = await failure { () async throws(Failure) in try await bed.write(nil, condition) }
        #expect(failure?.mayHaveWritten == true)
        #expect(bed.members[1].requests.isEmpty)
    }

    /// The pool does not send again what may have been done either.
    @Test func unconditionalWritesAreNotRepeatableAsAWhole() {
        #expect(!Bed({ _, _ in .done }).vault.capabilities.repeatableWrites)
    }

    @Test(arguments: [nil, "v0"]) func aRemovalThatMayHaveBeenDoneIsInDoubt(version: String?) async throws {
        for found in [nil, Self.kv("other", revision: 9, creation: 9)] {
            let gone = Bed(Self.losing(Self.old), { _, _ in Self.instead(found) })
            #expect(await failure { () async throws(Failure) in try await gone.remove(version) }?.mayHaveWritten == true)
            #expect(gone.members[1].requests.count == 1)
        }
        let there = Bed(Self.losing(Self.old), { _, _ in .done })
        #expect(try await there.remove(version))
        // Replaced, and never removed since: the first copy did nothing, and never will.
        let replaced = Bed(Self.losing(Self.old), { _, number in
            number == 0 ? Self.instead(Self.kv("v0", revision: 8)) : .done
        })
        #expect(try await replaced.remove(version))
        #expect(replaced.members[1].requests[1].text.contains(#""mod_revision":"8""#))
    }

    /// A member that hangs costs a second, or half of the time that there is.
    @Test func aMemberThatHangsIsLeftInTime() async throws {
        let limits = Mutex<[Duration]>([])
        let clock = SleepingClock()
        struct Hanging: HTTPTransport {
            let clock: SleepingClock
            let note: @Sendable (Duration) -> Void

            func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
                note(.nanoseconds(Int64(deadline.nanoseconds - clock.boot.nanoseconds)))
                clock.advance(milliseconds: deadline.milliseconds(since: clock.boot))
                throw HTTPError(.deadline, isUnsent: false)
            }
        }
        let hanging = Hanging(clock: clock) { limit in limits.withLock { $0.append(limit) } }
        let good = ScriptedMember { _, _ in .etcd() }
        let vault = EtcdVault(
            name: "v", options: EtcdOptions(),
            members: [
                EtcdMember(origin: HTTPOrigin(isSecure: true, host: "a", port: 1), transport: hanging),
                EtcdMember(origin: HTTPOrigin(isSecure: true, host: "b", port: 1), transport: good),
            ], dependencies: EtcdDependencies(clock: clock, sleep: { try await clock.sleep($0) }) { _, _ in Secret("") })
        #expect(try await vault.read(try Bed.key(), deadline: clock.boot + .seconds(30)) == nil)
        clock.advance(milliseconds: 60_000)
        #expect(try await vault.read(try Bed.key(), deadline: clock.boot + .seconds(30)) == nil)
        #expect(limits.withLock { $0 } == [.seconds(1)], "the member that answered is asked first")
        #expect(good.requests.count == 2)
    }
}
