import Dispatch
import Synchronization
import Testing

@testable import CofferDaemon

/// Notes what is called of it, beside others that do the same.
private final class Part: Component {
    private let name: String
    private let calls: Calls
    private let failure: StartupError?
    private let outcome: ReloadOutcome
    private let onReload: @Sendable () -> Void

    init(
        _ name: String, _ calls: Calls, failure: StartupError? = nil, outcome: ReloadOutcome = ReloadOutcome(),
        onReload: @escaping @Sendable () -> Void = {}
    ) {
        self.name = name
        self.calls = calls
        self.failure = failure
        self.outcome = outcome
        self.onReload = onReload
    }

    func start() throws(StartupError) -> String {
        calls.note("start \(name)")
        if let failure { throw failure }
        return name
    }

    func reload(_ configuration: Configuration) -> ReloadOutcome {
        calls.note("reload \(name)")
        onReload()
        return outcome
    }

    func drain() { calls.note("drain \(name)") }
    func stop() { calls.note("stop \(name)") }
}

/// One that minds why a later component has failed.
private final class Careful: Component {
    private let calls: Calls

    init(_ calls: Calls) { self.calls = calls }

    func start() {}
    func undo(after error: StartupError) { calls.note("undo after \(error.exitCode)") }
}

private final class Calls: Sendable {
    private let list = Mutex<[String]>([])

    func note(_ call: String) { list.withLock { $0.append(call) } }

    /// Those since the last time.
    func take() -> [String] {
        list.withLock { list in
            defer { list = [] }
            return list
        }
    }
}

@Suite struct LifecycleTests {
    private let calls = Calls()

    @Test func startsInOrderAndDrainsAllBeforeItStopsAnyInReverse() throws {
        let (lifecycle, products) = try Lifecycle.started { (lifecycle) throws(StartupError) in
            [try lifecycle.start(Part("a", calls)), try lifecycle.start(Part("b", calls))]
        }
        #expect(products == ["a", "b"])
        #expect(calls.take() == ["start a", "start b"])
        #expect(lifecycle.reload(Configuration()) == ReloadOutcome())
        #expect(calls.take() == ["reload a", "reload b"])
        lifecycle.drain()
        #expect(calls.take() == ["drain b", "drain a"])
        lifecycle.stop()
        #expect(calls.take() == ["stop b", "stop a"])
        lifecycle.stop()
        #expect(calls.take() == [])
    }

    @Test func aFailureHalfWayUndoesWhatWasStartedTheLastFirst() {
        let refusal = StartupError("no room", exitCode: 78)
        #expect(throws: StartupError.self) {
            try Lifecycle.started { (lifecycle) throws(StartupError) in
                try lifecycle.start(Careful(calls))
                try lifecycle.start(Part("a", calls))
                try lifecycle.start(Part("b", calls))
                try lifecycle.start(Part("c", calls, failure: refusal))
                try lifecycle.start(Part("d", calls))
            }
        }
        #expect(
            calls.take() == [
                "start a", "start b", "start c", "drain b", "drain a", "stop b", "stop a", "undo after 78",
            ])
    }

    @Test func aFailureBetweenComponentsUndoesThemToo() {
        #expect(throws: StartupError.self) {
            _ = try Lifecycle.started { (lifecycle) throws(StartupError) -> String in
                try lifecycle.start(Part("a", calls))
                throw StartupError("a file is missing")
            }
        }
        #expect(calls.take() == ["start a", "drain a", "stop a"])
    }

    @Test func aComponentThatCannotReloadKeepsNoOtherFromIt() throws {
        let (lifecycle, _) = try Lifecycle.started { (lifecycle) throws(StartupError) in
            try lifecycle.start(Part("a", calls, outcome: ReloadOutcome(failures: ["a: gone"])))
            try lifecycle.start(Part("b", calls, outcome: ReloadOutcome(reread: ["b"])))
        }
        #expect(lifecycle.reload(Configuration()) == ReloadOutcome(reread: ["b"], failures: ["a: gone"]))
        #expect(calls.take() == ["start a", "start b", "reload a", "reload b"])
    }

    @Test func aDrainEndsAReloadThatIsUnderWay() throws {
        let draining = Mutex<(() -> Void)?>(nil)
        let (lifecycle, _) = try Lifecycle.started { (lifecycle) throws(StartupError) in
            try lifecycle.start(Part("a", calls) { draining.withLock { $0 }?() })
            try lifecycle.start(Part("b", calls))
        }
        draining.withLock { $0 = { lifecycle.drain() } }
        _ = lifecycle.reload(Configuration())
        #expect(calls.take() == ["start a", "start b", "reload a", "drain b", "drain a"])
        _ = lifecycle.reload(Configuration())
        #expect(calls.take() == [])
    }

    @Test func blockingGivesUpWhatTakesTooLong() async throws {
        try await onThread {
            #expect(Blocking.run { 7 } == 7)
            #expect(Blocking.run(patience: .milliseconds(20)) { try? await Task.sleep(for: .seconds(60)) } == nil)
        }
    }
}

/// Runs what blocks on a thread of its own: tests run on Swift's pool, which has as many threads as there are cores.
func onThread(_ body: @escaping @Sendable () -> Void) async throws {
    let over = AsyncStream<Never>.makeStream()
    try DaemonThread.start("test") {
        body()
        over.continuation.finish()
    }
    for await _ in over.stream {}
}
