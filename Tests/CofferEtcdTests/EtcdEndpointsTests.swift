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

    /// 250 ms, 500 ms, … 30 s; a success begins anew.
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

    private static let lost: Script = { _, _ throws(HTTPError) in throw HTTPError(.interrupted, isUnsent: false) }

    /// The write was done, and its answer lost: the same write at another member finds its own record.
    @Test func aWriteWhoseAnswerWasLostIsNotMadeTwice() async throws {
        let item = Bed({ _, _ in .done }).item()
        let found = Bed({ _, _ in .done }).kv(item, revision: 9)
        let bed = Bed(Self.lost, { _, _ in .etcd(revision: 9, #","responses":[{"response_range":{"kvs":[\#(found)],"count":"1"}}]"#) })
        let receipt = try await bed.write(item)
        #expect(receipt.version == "v1" && receipt.createdAt == item.createdAt)
        #expect(bed.members.map(\.requests.count) == [1, 1])
    }

    /// The record is another's: an unconditional write is made again, over that one.
    @Test func aWriteThatAnotherOneReplacedIsMadeAgain() async throws {
        let other = Bed({ _, _ in .done }).kv(Bed({ _, _ in .done }).item("other"), revision: 9)
        let bed = Bed(Self.lost, { _, number in
            number == 0 ? .etcd(revision: 9, #","responses":[{"response_range":{"kvs":[\#(other)]}}]"#) : .done
        })
        _ = try await bed.write()
        #expect(bed.members[1].requests.count == 2)
        #expect(bed.members[1].requests[1].text.contains(#""create_revision":"2""#))
    }

    /// What must be so at the moment of the write cannot be said any more.
    @Test func aConditionalWriteWhoseAnswerWasLostIsInDoubt() async throws {
        let current = Bed({ _, _ in .done }).kv(Bed({ _, _ in .done }).item("v0"), revision: 5)
        let other = Bed({ _, _ in .done }).kv(Bed({ _, _ in .done }).item("other"), revision: 9)
        let losing: Script = { request, _ throws(HTTPError) in
            if request.path.hasSuffix("txn") { throw HTTPError(.interrupted, isUnsent: false) }
            return .etcd(revision: 5, #","kvs":[\#(current)],"count":"1""#)
        }
        let bed = Bed(losing, { _, _ in .etcd(revision: 9, #","responses":[{"response_range":{"kvs":[\#(other)]}}]"#) })
        let failure = await failure { () async throws(Failure) in try await bed.write(nil, .ifVersion("v0")) }
        #expect(failure?.mayHaveWritten == true && failure?.code == .unavailable)
    }

    /// A record that is not there has no revision to tell a second write by.
    @Test func aNewRecordWithAConditionIsSentOnce() async {
        let bed = Bed(Self.lost, { _, _ in .done })
        let failure = await failure { () async throws(Failure) in try await bed.write(nil, .ifAbsent) }
        #expect(failure?.mayHaveWritten == true)
        #expect(bed.members.map(\.requests.count) == [1, 0])
    }

    @Test func aRemovalThatMayHaveBeenDoneIsInDoubt() async throws {
        let gone = Bed(Self.lost, { _, _ in .etcd() })
        #expect(await failure { () async throws(Failure) in try await gone.remove() }?.mayHaveWritten == true)
        let there = Bed({ _, _ in .done }).kv(revision: 5)
        let bed = Bed(Self.lost, { _, _ in .etcd(revision: 9, #","deleted":"1","prev_kvs":[\#(there)]"#) })
        #expect(try await bed.remove())
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
