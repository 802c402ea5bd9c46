import CofferCore
import CofferEtcd
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Foundation
import Glibc
import Synchronization
import Testing

/// Three nodes, some of which hang or are killed: one test after the other.
@Suite(.serialized, .timeLimit(.minutes(4))) struct EtcdClusterTests {
    @Test(arguments: VaultConformance.allCases)
    func conforms(to duty: VaultConformance) async throws {
        try await EtcdNode.allWork()
        try await duty.check(EtcdFixture(name: "CLUSTER", login: nil))
    }

    /// Writes without a pause while `event` happens: how many were acknowledged and how many failed, and the longest
    /// time that one took.
    private func writes(
        _ vault: EtcdVault, during event: () async throws -> Void
    ) async throws -> (acknowledged: [Int: String], failures: [Failure], longest: Duration) {
        let isOver = Mutex(false)
        async let written = writeUntil { isOver.withLock { $0 } }
        try await Task.sleep(for: .milliseconds(300))
        try await event()
        isOver.withLock { $0 = true }
        return try await written

        func writeUntil(_ isOver: () -> Bool) async throws -> ([Int: String], [Failure], Duration) {
            var acknowledged: [Int: String] = [:]
            var failures: [Failure] = []
            var longest = Duration.zero
            var turn = 0
            while !isOver() {
                let key = try Live.key("u", "c\(turn % 50)")
                let begun = ContinuousClock.now
                do throws(Failure) {
                    _ = try await vault.write(
                        key, Live.sealed("v\(turn)"), condition: .none, deadline: SystemClock().boot + .seconds(5))
                    acknowledged[turn % 50] = "v\(turn)"
                } catch {
                    acknowledged[turn % 50] = nil
                    failures.append(error)
                }
                longest = max(longest, ContinuousClock.now - begun)
                turn += 1
            }
            return (acknowledged, failures, longest)
        }
    }

    /// The records that `writes` replaces: a creation is sent once, and may fail when a node does.
    private func create(_ vault: EtcdVault) async throws {
        for number in 0..<50 {
            let key = try Live.key("u", "c\(number)")
            _ = try await vault.write(key, Live.sealed("v"), condition: .none, deadline: EtcdLive.deadline)
        }
    }

    private func check(_ acknowledged: [Int: String], _ vault: EtcdVault) async throws {
        for (number, version) in acknowledged {
            let found = try await vault.read(try Live.key("u", "c\(number)"), deadline: EtcdLive.deadline)
            #expect(found?.version == version)
        }
    }

    /// The leader is killed among writes: none fails, none is lost, and the pause is that of an election.
    @Test func aKilledLeaderCostsNoWrite() async throws {
        try await EtcdNode.allWork()
        let leader = try await EtcdNode.leader()
        var members = try EtcdLive.members("CLUSTER")
        members.swapAt(0, leader.index)
        let vault = EtcdLive.vault(members)
        try await create(vault)
        let (acknowledged, failures, longest) = try await writes(vault) {
            leader.send(SIGKILL)
            try await Task.sleep(for: .seconds(5))
        }
        #expect(failures.isEmpty, "\(failures.map(\.message))")
        #expect(acknowledged.count == 50)
        print("etcd: the longest write over a killed leader took \(longest)")
        #expect(longest < .seconds(5))
        try await check(acknowledged, vault)
        await vault.close()
    }

    /// The leader hangs: it keeps its connections, and answers nothing.
    @Test func aLeaderThatHangsCostsNoWrite() async throws {
        try await EtcdNode.allWork()
        let leader = try await EtcdNode.leader()
        var members = try EtcdLive.members("CLUSTER")
        members.swapAt(0, leader.index)
        let vault = EtcdLive.vault(members)
        try await create(vault)
        let (acknowledged, failures, longest) = try await writes(vault) {
            try await leader.stopped { try await Task.sleep(for: .seconds(6)) }
        }
        #expect(failures.isEmpty, "\(failures.map(\.message))")
        print("etcd: the longest write over a leader that hangs took \(longest)")
        try await check(acknowledged, vault)
        await vault.close()
    }

    /// A member gets a write and hangs; another one does it, and it is acknowledged; somebody stores something newer. Then the
    /// first one wakes, and proposes the copy that it got.
    @Test func aWriteThatComesLateChangesNothing() async throws {
        let folder = UUID().uuidString
        let members = try EtcdLive.members("CLUSTER")
        for round in 0..<6 {
            try await EtcdNode.allWork()
            let leader = try await EtcdNode.leader().index
            let (slow, other) = (EtcdNode(index: (leader + 1) % 3), (leader + 2) % 3)
            let stopping = EtcdMember(
                origin: members[slow.index].origin, transport: StoppingTransport(members[slow.index].transport, slow))
            let vault = EtcdLive.vault([stopping, members[other]], folder: folder)
            let writer = EtcdLive.vault([members[other]], folder: folder)
            let key = try Live.key("u", "c\(round)")
            _ = try await writer.write(key, Live.sealed("old"), condition: .none, deadline: EtcdLive.deadline)
            try await slow.continued { () async throws -> Void in
                if round % 2 == 0 {
                    #expect(try await vault.remove(key, ifVersion: nil, deadline: EtcdLive.deadline))
                } else {
                    _ = try await vault.write(key, Live.sealed("first"), condition: .none, deadline: EtcdLive.deadline)
                }
                _ = try await writer.write(key, Live.sealed("newer"), condition: .none, deadline: EtcdLive.deadline)
            }
            try await Task.sleep(for: .milliseconds(1_200))
            #expect(try await writer.read(key, deadline: EtcdLive.deadline)?.version == "newer", "\(round)")
            await vault.close()
            await writer.close()
        }
    }

    /// Whether a creation that has no answer was done, cannot be found out later: it is sent to no other member.
    @Test func aCreationThatComesLateWasNotAcknowledged() async throws {
        try await EtcdNode.allWork()
        let members = try EtcdLive.members("CLUSTER")
        let leader = try await EtcdNode.leader().index
        let slow = EtcdNode(index: (leader + 1) % 3)
        let stopping = EtcdMember(
            origin: members[slow.index].origin, transport: StoppingTransport(members[slow.index].transport, slow))
        let vault = EtcdLive.vault([stopping, members[(leader + 2) % 3]])
        let key = try Live.key("u", "c")
        try await slow.continued { () async throws -> Void in
            let failure = await failure { () async throws(Failure) in
                try await vault.write(key, Live.sealed("v"), condition: .none, deadline: SystemClock().boot + .seconds(3))
            }
            #expect(failure?.mayHaveWritten == true)
            #expect(try await vault.read(key, deadline: EtcdLive.deadline) == nil)
        }
        await vault.close()
    }

    /// Two of three are gone: calls end in time and say so; with one of them back, all is well.
    @Test func withoutAMajorityCallsEndInTime() async throws {
        try await EtcdNode.allWork()
        let vault = EtcdLive.vault(try EtcdLive.members("CLUSTER"))
        let (first, second) = (EtcdNode(index: 0), EtcdNode(index: 1))
        first.stop()
        second.stop()
        defer {
            first.send(SIGCONT)
            second.send(SIGCONT)
        }
        let key = try Live.key("u", "c")
        let begun = ContinuousClock.now
        let deadline = SystemClock().boot + .seconds(4)
        let read = await failure { () async throws(Failure) in try await vault.read(key, deadline: deadline) }
        #expect(read?.retryable == true && read?.mayHaveWritten == false, "\(String(describing: read))")
        // It reads first.
        let removal = await failure { () async throws(Failure) in
            try await vault.remove(key, ifVersion: nil, deadline: SystemClock().boot + .seconds(4))
        }
        #expect(removal?.retryable == true && removal?.mayHaveWritten == false, "\(String(describing: removal))")
        // Twice 4 s, and what a busy host adds.
        #expect(ContinuousClock.now - begun < .seconds(20))
        second.send(SIGCONT)
        let works = try await eventually(seconds: 20) {
            await failure { () async throws(Failure) in
                try await vault.read(key, deadline: SystemClock().boot + .seconds(2))
            } == nil
        }
        #expect(works)
        await vault.close()
    }

    // MARK: Changes

    /// Two daemons' adapters: what one writes the other hears, while its stream is cut and its node is killed and hangs.
    @Test func noChangeIsMissedWhileStreamsAreCut() async throws {
        try await EtcdNode.allWork()
        let folder = UUID().uuidString
        let members = try EtcdLive.members("CLUSTER")
        let ways = members.map { CuttableTransport($0.transport) }
        let listener = EtcdLive.vault(
            zip(members, ways).map { EtcdMember(origin: $0.origin, transport: $1) }, folder: folder)
        let writer = EtcdLive.vault(members, folder: folder)
        let heard = HeardChanges(listener)
        try await EtcdLive.waitForWatch(heard, writer)
        let atFirst = heard.everything
        /// How often everything had been doubted before each write.
        var doubts: [String: Int] = [:]
        for number in 0..<400 {
            let key = try Live.key("u", "c\(number)")
            doubts["c\(number)"] = heard.everything
            _ = try await writer.write(key, Live.sealed("v1"), condition: .none, deadline: EtcdLive.deadline)
            if number % 20 == 19 { for way in ways { way.cut() } }
        }
        // By itself, or with everything.
        let hears = try await eventually(seconds: 20) {
            let (records, everything) = (heard.records, heard.everything)
            return doubts.allSatisfy { records.contains($0.key) || everything > $0.value }
        }
        #expect(hears, "\(heard.records.count) records, \(heard.everything - atFirst) times everything")
        // Cut streams went on where they were. Only one that takes half a second to come back is doubted meanwhile, as may happen
        // on a busy host.
        #expect(heard.everything - atFirst < 10, "of 20 cuts")
        #expect(ways.map(\.count).reduce(0, +) > 10)
        await listener.close()
        await writer.close()
    }

    @Test(arguments: [SIGKILL, SIGSTOP])
    func noChangeIsMissedWhenTheNodeGoes(signal: Int32) async throws {
        try await EtcdNode.allWork()
        let folder = UUID().uuidString
        let members = try EtcdLive.members("CLUSTER")
        let node = EtcdNode(index: 0)
        // Both listen to this node first; the writer has another.
        let listener = EtcdLive.vault(members, folder: folder)
        let writer = EtcdLive.vault([members[1], members[2]], folder: folder)
        let heard = HeardChanges(listener)
        try await EtcdLive.waitForWatch(heard, writer)
        node.send(signal)
        defer { node.send(SIGCONT) }
        let begun = ContinuousClock.now
        for number in 0..<50 {
            let key = try Live.key("u", "c\(number)")
            _ = try await writer.write(key, Live.sealed("v1"), condition: .none, deadline: EtcdLive.deadline)
        }
        let written = ContinuousClock.now
        #expect(try await eventually(seconds: 20) { heard.records.count == 51 }, "\(heard.records.count)")
        let (heardAfter, writtenAfter) = (ContinuousClock.now - written, written - begun)
        print("etcd: changes were heard \(heardAfter) after the last write, which was \(writtenAfter) after signal \(signal)")
        // 0.3 s of silence, 1 s for the probe and 1 s for another one that hangs, and twice that for a busy host.
        #expect(heardAfter < .seconds(7))
        await listener.close()
        await writer.close()
    }

    /// History that was compacted while nobody listened: everything may have changed.
    @Test func aCompactionIsEverything() async throws {
        try await EtcdNode.allWork()
        let folder = UUID().uuidString
        let members = try EtcdLive.members("CLUSTER")
        let closed = Mutex(false)
        let ways = members.map { way in GatedTransport(CuttableTransport(way.transport)) { closed.withLock { $0 } } }
        let listener = EtcdLive.vault(
            zip(members, ways).map { EtcdMember(origin: $0.origin, transport: $1) }, folder: folder)
        let writer = EtcdLive.vault(members, folder: folder)
        let heard = HeardChanges(listener)
        try await EtcdLive.waitForWatch(heard, writer)
        closed.withLock { $0 = true }
        for way in ways { way.inner.cut() }
        let key = try Live.key("u", "c")
        for version in ["v1", "v2", "v3"] {
            _ = try await writer.write(key, Live.sealed(version), condition: .none, deadline: EtcdLive.deadline)
        }
        // While nothing is heard, everything is doubted again and again.
        let before = heard.everything
        #expect(try await eventually { heard.everything >= before + 2 })
        let answer = try await EtcdLive.ask("CLUSTER", "kv/range", ["key": EtcdLive.base64("a")])
        let revision = (answer["header"] as? [String: Any])?["revision"] as? String ?? ""
        _ = try await EtcdLive.ask("CLUSTER", "kv/compaction", ["revision": revision, "physical": true])
        closed.withLock { $0 = false }
        #expect(try await eventually {
            _ = try? await writer.write(try Live.key("u", "after"), Live.sealed("v"), condition: .none, deadline: EtcdLive.deadline)
            return heard.records.contains("after")
        })
        #expect(!heard.records.contains("c"))
        await listener.close()
        await writer.close()
    }
}

/// A way to a member that stops it when it is to write.
private struct StoppingTransport: HTTPTransport {
    let inner: any HTTPTransport
    let node: EtcdNode

    init(_ inner: any HTTPTransport, _ node: EtcdNode) {
        self.inner = inner
        self.node = node
    }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        if request.path.hasSuffix("txn") || request.path.hasSuffix("deleterange") { node.stop() }
        return try await inner.send(request, deadline: deadline)
    }
}

/// A way that lets no stream begin while it is closed.
private struct GatedTransport: HTTPTransport {
    let inner: CuttableTransport
    let isClosed: @Sendable () -> Bool

    init(_ inner: CuttableTransport, _ isClosed: @escaping @Sendable () -> Bool) {
        self.inner = inner
        self.isClosed = isClosed
    }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        try await inner.send(request, deadline: deadline)
    }

    func stream(_ request: HTTPRequest, idle: Duration, deadline: BootInstant) async throws(HTTPError) -> HTTPStream {
        if isClosed() { throw HTTPError(.refused, isUnsent: true) }
        return try await inner.stream(request, idle: idle, deadline: deadline)
    }
}
