import CofferCore
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferPostgres

/// How often a pooler is asked for one more connection.
@Suite struct PostgresProofsTests {
    private let deadline = SystemClock().boot + .seconds(30)

    /// Eight threads start at once; the first proof fails, the second succeeds.
    @Test(.timeLimit(.minutes(1))) func threadsThatStartTogetherProveAHostOnce() async throws {
        let proofs = PostgresProofs()
        let count = Atomic(0)
        let failures = Atomic(0)
        let deadline = deadline
        let threads = ThreadGroup()
        for _ in 0..<8 {
            try threads.start("prover") {
                do throws(PostgresFault) {
                    try proofs.require(0, always: false, clock: SystemClock(), deadline: deadline) { () throws(PostgresFault) in
                        PostgresLink.pause(milliseconds: 50)
                        if count.add(1, ordering: .relaxed).newValue == 1 { throw .unreachable }
                    }
                } catch {
                    failures.add(1, ordering: .relaxed)
                }
            }
        }
        await threads.ended()
        #expect(count.load(ordering: .relaxed) == 2 && failures.load(ordering: .relaxed) == 1)
    }

    @Test func theListenerAlwaysProves() throws {
        let proofs = PostgresProofs()
        var count = 0
        for always in [false, false, true, true, false] {
            try proofs.require(0, always: always, clock: SystemClock(), deadline: deadline) { () throws(PostgresFault) in count += 1 }
        }
        #expect(count == 3)
        try proofs.require(1, always: false, clock: SystemClock(), deadline: deadline) { () throws(PostgresFault) in count += 1 }
        #expect(count == 4)
    }

    /// Whoever waits for the proof of another thread does so until its own deadline.
    @Test(.timeLimit(.minutes(1))) func waitingEndsByTheDeadline() async throws {
        let proofs = PostgresProofs()
        let threads = ThreadGroup()
        let isProving = Atomic(false)
        let isOver = Atomic(false)
        let deadline = deadline
        try threads.start("prover") {
            try? proofs.require(0, always: false, clock: SystemClock(), deadline: deadline) { () throws(PostgresFault) in
                isProving.store(true, ordering: .releasing)
                while !isOver.load(ordering: .acquiring) { PostgresLink.pause(milliseconds: 5) }
            }
        }
        while !isProving.load(ordering: .acquiring) { PostgresLink.pause(milliseconds: 5) }
        #expect(throws: PostgresFault.late(isSent: false)) {
            try proofs.require(0, always: false, clock: SystemClock(), deadline: SystemClock().boot + .milliseconds(50)) {}
        }
        isOver.store(true, ordering: .releasing)
        await threads.ended()
    }
}
