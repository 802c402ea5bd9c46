import CofferAccess
import CofferCore
import CofferServer
import Dispatch
import Glibc
import Synchronization
import Testing

@testable import CofferDaemon

@Suite struct CallerLookupTests {
    /// Questions about peers that are this process, and their answers.
    private final class Asker: Sendable {
        let answers = Mutex<[UInt32]>([])
        private let answered = DispatchSemaphore(value: 0)

        func question(uid: UInt32, _ kinds: EvidenceKinds = .cgroup) throws -> CallerQuestion {
            let (ours, _) = try CallerLookupTests.pair()
            return CallerQuestion(
                ours, Peer(uid: uid, gid: 1, pid: getpid()), Caller(uid: uid, gid: 1), kinds, by: Policy()
            ) { caller in
                self.answers.withLock { $0.append(caller.uid) }
                self.answered.signal()
            }
        }

        func wait() -> Bool { answered.wait(timeout: .now() + 10) == .success }
    }

    static func pair() throws -> (PeerSocket, PeerSocket) {
        var pair: [Int32] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
        return (PeerSocket(pair[0]), PeerSocket(pair[1]))
    }

    @Test func aLookUpThatHangsHoldsUpNobodyElse() throws {
        let (gate, asker) = (DispatchSemaphore(value: 0), Asker())
        let most = Mutex((now: 0, most: 0))
        let lookup = CallerLookup { question in
            guard question.peer.uid == 1 else { return question.caller }
            most.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            gate.wait()
            most.withLock { $0.now -= 1 }
            return question.caller
        }
        for _ in 0..<20 { lookup.identify(try asker.question(uid: 1)) }
        for uid: UInt32 in 2...40 { lookup.identify(try asker.question(uid: uid)) }
        for _ in 2...40 { #expect(asker.wait()) }
        #expect(Set(asker.answers.withLock { $0 }) == Set(2...40))
        for _ in 0..<20 { gate.signal() }
        for _ in 0..<20 { #expect(asker.wait()) }
        #expect(most.withLock { $0.most } == CallerLookup.maximumThreadsOfUID)
        #expect(asker.answers.withLock { $0.count { $0 == 1 } } == 20)
    }

    @Test func oneUIDDoesNotTakeAllTurns() throws {
        let (gate, asker) = (DispatchSemaphore(value: 0), Asker())
        let lookup = CallerLookup { question in
            if question.peer.uid == 0 { gate.wait() }
            return question.caller
        }
        for _ in 0..<200 { lookup.identify(try asker.question(uid: 1)) }
        lookup.identify(try asker.question(uid: 2))
        for _ in 0..<201 { #expect(asker.wait()) }
        #expect(asker.answers.withLock { $0 }.count == 201)
    }

    /// Connections that come and go while nobody can be looked up leave no sockets open.
    @Test func whatIsNotWantedAnyMoreIsLetGo() throws {
        let (gate, asker) = (DispatchSemaphore(value: 0), Asker())
        let lookup = CallerLookup { question in
            gate.wait()
            return question.caller
        }
        let held = 0..<CallerLookup.maximumThreadsOfUID
        for _ in held { lookup.identify(try asker.question(uid: 1)) }
        final class Seen { weak var socket: PeerSocket? }
        var seen: [Seen] = []
        for _ in 0..<1_000 {
            let question = try asker.question(uid: 1)
            let one = Seen()
            one.socket = question.socket
            seen.append(one)
            lookup.identify(question)
            question.withdraw()
        }
        // The last one, and those that threads may have taken before they were withdrawn.
        #expect(seen.count { $0.socket != nil } <= 1 + held.count)
        for _ in 0..<1_002 { gate.signal() }
        for _ in held { #expect(asker.wait()) }
    }

    @Test func thisProcessIsFound() throws {
        try #require(ProcessHandle.areGiven, "run the tests on Linux 6.5 or later")
        let (ours, theirs) = try Self.pair()
        let peer = Peer(uid: getuid(), gid: getgid(), pid: getpid())
        let path = try #require(Self.executable)
        let digests = Policy(allow: [
            PolicyRule(
                name: "r",
                who: [Selector(executables: [PolicyPattern(literal: path)], digests: [[UInt8](repeating: 0, count: 32)])],
                verbs: VerbSet(.stats))
        ])
        let question = CallerQuestion(
            ours, peer, Caller(uid: peer.uid, gid: peer.gid), [.userName, .cgroup, .executable, .digest], by: digests) { _ in }
        let caller = withExtendedLifetime(theirs) { CallerLookup.found(question) }
        #expect(caller.userName == CallerLookup.userName(getuid()))
        guard case .proven(let group) = caller.cgroup else {
            Issue.record("\(caller.cgroup)")
            return
        }
        #expect(group.hasPrefix("/"))
        #expect(caller.unit != .unproven)
        guard case .proven(let program) = caller.executable, case .proven(let digest) = program.digest else {
            Issue.record("\(caller.executable)")
            return
        }
        #expect(program.path == path)
        #expect(digest.count == 32)
    }

    private static var executable: String? {
        var text = [UInt8](repeating: 0, count: 4_096)
        let count = text.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        return count > 0 ? String(decoding: text[..<count], as: UTF8.self) : nil
    }

    @Test func theGroupsOfAPeerAreRead() throws {
        let (ours, theirs) = try Self.pair()
        var own = [gid_t](repeating: 0, count: 65_536)
        let count = getgroups(Int32(own.count), &own)
        withExtendedLifetime(theirs) { #expect(PeerSocket.groups(of: ours.fd) == .proven(Array(own[..<Int(count)]))) }
        #expect(PeerSocket.groups(of: -1) == .unproven)
    }
}
