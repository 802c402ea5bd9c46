import CofferCore
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferPostgres

/// Threads and the doubts about what is cached, without a server.
@Suite struct PostgresListenerTests {
    private func vault(
        port: UInt16, connections: Int = 2,
        beforeThread: @escaping @Sendable (String) throws(Failure) -> Void = { (_: String) throws(Failure) in }
    ) throws -> PostgresVault {
        try PostgresVault(
            name: "v", options: try options(port: port, connections: connections),
            dependencies: PostgresDependencies(beforeThread: beforeThread))
    }

    private func options(port: UInt16, connections: Int = 2) throws -> PostgresOptions {
        var settings = VaultConfiguration(name: "v", driver: PostgresDriver())
        for (name, text) in ["tls": "disable", "connections": String(connections)] {
            #expect(try #require(settings.setting(name)).apply([text], &settings))
        }
        return try PostgresOptions(settings, try PostgresAddress("postgresql://u@127.0.0.1:\(port)/d"), .none)
    }

    private func read(_ vault: PostgresVault) async -> Failure? {
        do throws(Failure) {
            let key = VaultKey(
                key: try RecordKey(user: "u", connection: "c"), tag: [UInt8](repeating: 1, count: 32),
                userTag: [UInt8](repeating: 2, count: 32))
            _ = try await vault.read(key, deadline: SystemClock().boot + .milliseconds(200))
            return nil
        } catch {
            return error
        }
    }

    /// What is passed behind the parentheses is what most pass: what is to be logged.
    @Test func aClosureBehindTheParenthesesIsTheNotice() throws {
        let told = Mutex<[String]>([])
        let dependencies = PostgresDependencies { text in told.withLock { $0.append(text) } }
        dependencies.notice("noticed")
        try dependencies.beforeThread("started")
        #expect(told.withLock { $0 } == ["noticed"])
    }

    /// Time that is over before the server is asked is not the server's, unlike time that it takes to be connected to.
    @Test(.timeLimit(.minutes(1)), arguments: [(5, Failure.Reason.deadline), (200, .vaultUnreachable)])
    func whoseTimeItWas(milliseconds: Int, reason: Failure.Reason) throws {
        let server = MuteServer()
        let options = try options(port: server.port)
        let session = PostgresSession(PostgresServer(options, PostgresDependencies()), vault: "v")
        let failure = failure { () throws(Failure) in
            _ = try session.perform(
                PostgresCall(work: .check("n"), deadline: SystemClock().boot + .milliseconds(milliseconds)))
        }
        #expect(failure?.code == .deadlineExceeded && failure?.reason == reason && failure?.isUnsent == true)
    }

    /// While the listener connects, which a server that does not answer makes last for 5 s, others may write.
    @Test(.timeLimit(.minutes(1))) func doubtsEverythingWhileItConnects() async throws {
        let server = MuteServer()
        let vault = try vault(port: server.port)
        let doubts = Atomic(0)
        let changes = try #require(vault.changes)
        let began = SystemClock().boot
        for await change in changes {
            #expect(change == .everything)
            if doubts.add(1, ordering: .relaxed).newValue == 6 { break }
        }
        // The first two may come at once.
        #expect(SystemClock().boot < began + .seconds(4))
        #expect(SystemClock().boot >= began + .milliseconds(1_500))
        await vault.close()
    }

    /// The system gives no thread for a while: nothing is read without a listener and a watch, and the next calls start
    /// what is missing.
    @Test(.timeLimit(.minutes(1))) func startsWhatIsMissingWithTheNextCall() async throws {
        let server = MuteServer()
        let asked = Mutex<[String]>([])
        let vault = try vault(port: server.port) { (name: String) throws(Failure) in
            let count = asked.withLock { asked in
                asked.append(name)
                return asked.count
            }
            if [1, 3, 5, 7].contains(count) { throw Failure(.resourceExhausted, .limit, "no thread") }
        }
        for _ in 0..<3 { #expect(await read(vault)?.code == .resourceExhausted) }
        // One connection is there, the second is not.
        #expect(await read(vault)?.code == .deadlineExceeded)
        #expect(await read(vault)?.code == .deadlineExceeded)
        #expect(
            asked.withLock { $0 } == [
                "coffer-pq-watch", "coffer-pq-watch", "coffer-pq-listen", "coffer-pq-listen", "coffer-postgres",
                "coffer-postgres", "coffer-postgres", "coffer-postgres",
            ])
        await vault.close()
        #expect(await read(vault)?.reason == .draining)
    }

    /// What no server could take is refused before a thread starts.
    @Test func refusesTooLargeARecordBeforeAnythingIsSent() async throws {
        let asked = Atomic(0)
        let vault = try vault(port: 1) { (_: String) throws(Failure) in asked.add(1, ordering: .relaxed) }
        let key = VaultKey(
            key: try RecordKey(user: "u", connection: "c"), tag: [UInt8](repeating: 1, count: 32),
            userTag: [UInt8](repeating: 2, count: 32))
        let limit = vault.capabilities.maximumPayloadBytes
        let item = VaultItem(
            payload: .sealed([UInt8](repeating: 1, count: limit + 1)), version: "v", createdAt: 1, updatedAt: 1, expiresAt: 0)
        let outcome = await failure { () async throws(Failure) in
            _ = try await vault.write(key, item, condition: .none, deadline: SystemClock().boot + .seconds(5))
        }
        #expect(outcome?.code == .invalidArgument && outcome?.vault == "v")
        #expect(outcome?.message.contains("\(limit)") == true && outcome?.mayHaveWritten == false)
        #expect(asked.load(ordering: .relaxed) == 0)
        await vault.close()
    }

    /// A clock that runs slower than poll(2) does, as if the system slept: the wait goes on until the deadline.
    @Test(.timeLimit(.minutes(1))) func aWaitLastsUntilItsDeadline() throws {
        struct SlowClock: Clock {
            let began = SystemClock().boot
            var boot: BootInstant { BootInstant(nanoseconds: began.nanoseconds + (SystemClock().boot.nanoseconds - began.nanoseconds) / 4) }
            var wall: WallMilliseconds { SystemClock().wall }
        }
        let server = MuteServer()
        var settings = VaultConfiguration(name: "v", driver: PostgresDriver())
        #expect(try #require(settings.setting("tls")).apply(["disable"], &settings))
        let address = try PostgresAddress("postgresql://u@127.0.0.1:\(server.port)/d")
        let options = try PostgresOptions(settings, address, .none)
        let clock = SlowClock()
        #expect(throws: PostgresFault.late(isSent: false)) {
            _ = try PostgresConnection(
                options.link(to: options.hosts[0], password: nil), clock: clock, deadline: clock.boot + .milliseconds(200))
        }
        #expect(SystemClock().boot >= clock.began + .milliseconds(790))
    }

    // MARK: Uncertain writes

    @Test func anUncertainWriteIsNewsUntilItsTimeIsOver() {
        let writes = PostgresUncertainWrites()
        let now = BootInstant(nanoseconds: 1_000)
        writes.add("p/u/c".utf8, until: now + .seconds(90), now: now)
        #expect(writes.contains(Array("p/u/c".utf8), now: now + .seconds(89)))
        #expect(!writes.contains(Array("p/u/d".utf8), now: now))
        // Once more: the later end counts.
        writes.add("p/u/c".utf8, until: now + .seconds(60), now: now)
        #expect(writes.contains(Array("p/u/c".utf8), now: now + .seconds(89)))
        #expect(!writes.contains(Array("p/u/c".utf8), now: now + .seconds(90)))
    }

    /// More than fit: all own writes are news until the last of them is certain. Those whose time is over make room.
    @Test func tooManyUncertainWritesMakeAllOwnOnesNews() {
        let writes = PostgresUncertainWrites()
        let now = BootInstant(nanoseconds: 1_000)
        for number in 0..<PostgresUncertainWrites.maximumNames {
            writes.add("p/u/\(number)".utf8, until: now + .seconds(10), now: now)
        }
        #expect(!writes.contains(Array("p/other".utf8), now: now))
        writes.add("p/u/more".utf8, until: now + .seconds(20), now: now)
        #expect(writes.contains(Array("p/other".utf8), now: now + .seconds(19)))
        #expect(!writes.contains(Array("p/other".utf8), now: now + .seconds(20)))
        let later = now + .seconds(30)
        writes.add("p/u/late".utf8, until: later + .seconds(10), now: later)
        #expect(writes.contains(Array("p/u/late".utf8), now: later))
        #expect(!writes.contains(Array("p/other".utf8), now: later))
    }
}
