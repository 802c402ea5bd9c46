import CofferCore
import CofferServer
import Dispatch
import Logging
import Synchronization
import Testing

@testable import CofferDaemon

@Suite struct ReloaderTests {
    private final class Lines: Sendable {
        private let list = Mutex<[String]>([])

        func append(_ line: String) { list.withLock { $0.append(line) } }
        var all: [String] { list.withLock { $0 } }

        var log: Logger {
            Logger(label: "test") { _ in
                LineLogHandler(level: LogLevel(.info), format: .text, now: { 0 }) { self.append($0) }
            }
        }
    }

    private let lines = Lines()

    /// One whose configuration comes from `file`, a YAML text.
    private func reloader(
        _ file: @escaping @Sendable () -> String, check: StartupError? = nil, outcome: ReloadOutcome = ReloadOutcome(),
        apply: @escaping @Sendable (Configuration) -> Void = { _ in }
    ) throws -> Reloader {
        @Sendable func load(_ text: String) throws(ConfigurationErrors) -> Configuration {
            try ConfigurationLoader(environment: ["HOME": "/h"], isRoot: false) { _ throws(ConfigurationError) in text }
                .load(.init(config: "c"))
        }
        return Reloader(
            try load(""), load: { () throws(ConfigurationErrors) in try load(file()) },
            check: { _ throws(StartupError) in if let check { throw check } },
            apply: {
                apply($0)
                return outcome
            }, clock: SystemClock(), log: lines.log)
    }

    @Test func putsInForceWhatCanBeReloadedAndNamesTheRest() throws {
        let text = Mutex("limits: {calls: 100, frame_bytes: 512KiB}\nlog: {level: debug}\nsocket: /s\n")
        let limits = Mutex<[Int]>([])
        let frames = Mutex<[Int]>([])
        let reloader = try reloader({ text.withLock { $0 } }) { configuration in
            limits.withLock { $0.append(configuration.limits.calls) }
            frames.withLock { $0.append(configuration.limits.frameBytes) }
        }
        reloader.reload()
        #expect(limits.withLock { $0 } == [100])
        #expect(frames.withLock { $0 } == [Configuration().limits.frameBytes])
        #expect(lines.all.count == 2)
        #expect(lines.all[0].hasSuffix("notice reloaded the configuration settings=limits.calls = 100, log.level = debug"))
        #expect(lines.all[1].contains("need a restart settings=socket, limits.frame_bytes"))
        // What needs a restart still does, and the rest is in force already.
        text.withLock { $0 += "data: /d\n" }
        reloader.reload()
        #expect(lines.all[2].contains("nothing to change while it runs"))
        #expect(lines.all[3].contains("settings=socket, data, limits.frame_bytes"))
    }

    /// What cannot be read may have changed: the line before its error does not say that nothing has.
    @Test func whatCannotBeReadIsNotSaidToBeTheSame() throws {
        let reloader = try reloader({ "" }, outcome: ReloadOutcome(failures: ["vaults.a: credentials: gone"]))
        reloader.reload()
        #expect(lines.all.count == 2)
        #expect(lines.all[0].hasSuffix("notice reloaded the configuration"))
        #expect(lines.all[1].contains("not reloaded: what was read before stays in use cause=vaults.a: credentials: gone"))
    }

    @Test func namesSettingsOfVaultsAndVaultsThatCame() throws {
        let reloader = try reloader({
            "vaults: {embedded: {type: embedded, queue: 7}, new: {type: memory}}\nroutes: [{vault: new}]\n"
        })
        reloader.reload()
        #expect(lines.all[1].contains("vaults.embedded.type"))
        #expect(lines.all[1].contains("vaults.new"))
        #expect(lines.all[1].contains("routes"))
    }

    @Test func aMistakeKeepsAllThatIsInForceAndIsTold() throws {
        let reloader = try reloader({ "limits: {calls: 100, connections: many}\nlog: {levle: debug}\n" }) { _ in
            Issue.record("something was put in force")
        }
        reloader.reload()
        #expect(lines.all.count == 2)
        #expect(lines.all[0].contains("error the configuration was not reloaded"))
        #expect(lines.all[0].contains("cause=c:1:35: limits.connections: expected a whole number"))
        #expect(lines.all[1].contains("did you mean log.level?"))
    }

    @Test func whatTheHostDoesNotAllowKeepsAllThatIsInForce() throws {
        let reloader = try reloader({ "limits: {calls: 100}\n" }, check: StartupError("too little memory")) { _ in
            Issue.record("something was put in force")
        }
        reloader.reload()
        #expect(lines.all.count == 1)
        #expect(lines.all[0].contains("was not reloaded: the one in force stays cause=too little memory"))
    }

    @Test func tellsWhatWasReadAgainAndWhatCouldNotBe() throws {
        let outcome = ReloadOutcome(reread: ["vaults.a: TLS files"], failures: ["vaults.b: credentials: no token"])
        try reloader({ "" }, outcome: outcome).reload()
        #expect(lines.all.count == 2)
        #expect(lines.all[0].hasSuffix("reloaded the configuration files=vaults.a: TLS files"))
        #expect(lines.all[1].contains("stays in use cause=vaults.b: credentials: no token"))
    }

    @Test func oneReloadServesAllThatAreAskedForBeforeItBegins() async throws {
        let begun = DispatchSemaphore(value: 0)
        let gate = DispatchSemaphore(value: 0)
        let reloads = Mutex(0)
        let reloader = try reloader({
            reloads.withLock { $0 += 1 }
            begun.signal()
            gate.wait()
            return ""
        })
        reloader.request()
        try reloader.start()
        try await onThread {
            begun.wait()
            for _ in 0..<100 { reloader.request() }
            gate.signal()
            #expect(begun.wait(timeout: .now() + .seconds(10)) == .success, "a request during a reload was lost")
            gate.signal()
            #expect(begun.wait(timeout: .now() + .milliseconds(400)) == .timedOut, "100 requests made more than one reload")
            #expect(reloads.withLock { $0 } == 2)
            reloader.drain()
            reloader.request()
            #expect(begun.wait(timeout: .now() + .milliseconds(200)) == .timedOut, "it reloads while it drains")
        }
    }
}
