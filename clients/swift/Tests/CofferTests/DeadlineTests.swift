import Synchronization
import Testing

@testable import Coffer

@Suite("Every call ends by its deadline", .serialized)
struct DeadlineTests {
    private static let timeout: Duration = .milliseconds(150)

    /// How many calls have ended, how, and the longest time that one took.
    private final class Tally: Sendable {
        let ended = Mutex((count: 0, longest: Duration.zero))
        let codes = Mutex<Set<CofferError.Code?>>([])

        func end(_ start: ContinuousClock.Instant) {
            ended.withLock {
                $0.count += 1
                $0.longest = max($0.longest, .now - start)
            }
        }
    }

    private static func call(_ client: CofferClient<UnixSocketChannel>, _ kind: Int) async throws {
        switch kind {
        case 0: _ = try await client.credential(user: "u", connection: "c", timeout: timeout)
        case 1: try await client.store(Credential("s".utf8), user: "u", connection: "c", timeout: timeout)
        case 2: _ = try await client.delete(user: "u", connection: "c", timeout: timeout)
        case 3: _ = try await client.credentials([CredentialKey(user: "u", connection: "c")], timeout: timeout)
        case 4: for try await _ in client.list(user: "u", timeout: timeout) { break }
        default: _ = try await client.stats(timeout: timeout)
        }
    }

    /// Not a task group: that would wait for a call that hangs.
    @Test("whatever the daemon sends, in whatever batches", .timeLimit(.minutes(1)), arguments: 1...8 as ClosedRange<UInt64>)
    func mutatingDaemon(seed: UInt64) async throws {
        let daemon = MutatingDaemon(seed: seed)
        try await withDaemon({ try daemon.serve($0, $1) }) { client, _ in
            var random = SeededRandom(seed: seed)
            let tally = Tally()
            var begun = 0
            for _ in 0..<5 {
                for _ in 0..<(1 + random.below(10)) {
                    let kind = random.below(6)
                    begun += 1
                    Task {
                        let start = ContinuousClock.now
                        try? await Self.call(client, kind)
                        tally.end(start)
                    }
                }
                let limit = ContinuousClock.now + .seconds(10)
                while tally.ended.withLock(\.count) < begun, .now < limit {
                    try await Task.sleep(for: .milliseconds(1))
                }
                try #require(tally.ended.withLock(\.count) == begun, "a call did not end")
            }
            #expect(tally.ended.withLock(\.longest) < .seconds(5))
        }
    }

    @Test("a frame that ends the connection, and answers behind it in the same read")
    func answerBehindAFatalFrame() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            let first = try peer.read().header.callID
            let second = try peer.read().header.callID
            let answers = try [first, second].map { try FakePeer.response($0, Coffer_V1_DeleteResponse()) }
            try peer.write(answers[0] + FakePeer.frame(FrameHeader(.cancel, callID: 1)) + answers[1])
            _ = try peer.read()
        }
        try await withDaemon(script) { client, _ in
            let tally = Tally()
            for _ in 0..<2 {
                Task {
                    let start = ContinuousClock.now
                    let code = await TransportTests.code {
                        try await client.delete(user: "u", connection: "c", timeout: .seconds(2))
                    }
                    tally.codes.withLock { _ = $0.insert(code) }
                    tally.end(start)
                }
            }
            let limit = ContinuousClock.now + .seconds(10)
            while tally.ended.withLock(\.count) < 2, .now < limit { try await Task.sleep(for: .milliseconds(1)) }
            #expect(tally.codes.withLock(\.self) == [nil, .internal])
        }
    }
}
