import CofferCore
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferGoogle

/// When a new token is fetched, on a clock that stands still.
@Suite(.timeLimit(.minutes(1))) struct GoogleTokensTests {
    private final class Source: Sendable {
        let clock = ManualClock()
        /// Seconds that what it gives lives; nil = it fails.
        let life = Mutex<Int64?>(3_600)
        let calls = Mutex(0)
        let isHeld = Mutex(false)

        func tokens() -> GoogleTokens {
            GoogleTokens(clock: clock, vault: "cloud") { _ throws(Failure) in try await self.login() }
        }

        private func login() async throws(Failure) -> GoogleToken {
            let number = calls.withLock { calls in
                calls += 1
                return calls
            }
            while isHeld.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(1)) }
            guard let life = life.withLock({ $0 }),
                let token = GoogleToken(Secret("t\(number)"), seconds: life, now: clock.wall)
            else { throw .googleCredentials("no", vault: "cloud") }
            return token
        }

        func advance(seconds: UInt64) { clock.advance(milliseconds: seconds * 1_000) }
        func live(_ seconds: Int64?) { life.withLock { $0 = seconds } }
        func hold(_ isHeld: Bool) { self.isHeld.withLock { $0 = isHeld } }
        var count: Int { calls.withLock { $0 } }
    }

    private let source = Source()

    private func token(_ tokens: GoogleTokens) async throws(Failure) -> GoogleToken {
        try await tokens.token(deadline: source.clock.boot + .seconds(20))
    }

    private func header(_ tokens: GoogleTokens) async throws(Failure) -> String {
        try await token(tokens).authorization.text ?? ""
    }

    /// Waits for what goes on in the background.
    private func settles(_ tokens: GoogleTokens, on expected: String) async throws {
        for _ in 0..<10_000 {
            if try await header(tokens) == expected { return }
            try await Task.sleep(for: .milliseconds(1))
        }
        Issue.record("the token was not replaced by \(expected)")
    }

    @Test func oneLoginForAll() async throws {
        source.hold(true)
        let tokens = source.tokens()
        let headers = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<50 { group.addTask { try await header(tokens) } }
            group.addTask {
                try await Task.sleep(for: .milliseconds(50))
                source.hold(false)
                return "Bearer t1"
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(headers == ["Bearer t1"] && source.count == 1)
    }

    /// 225 seconds before the end in the background, in the last minute with everybody waiting.
    @Test func isReplacedBeforeItExpires() async throws {
        let tokens = source.tokens()
        _ = try await header(tokens)
        source.advance(seconds: 3_600 - 226)
        #expect(try await header(tokens) == "Bearer t1")
        #expect(source.count == 1)
        source.advance(seconds: 2)
        // Nobody waits for it.
        source.hold(true)
        #expect(try await header(tokens) == "Bearer t1")
        source.hold(false)
        try await settles(tokens, on: "Bearer t2")
        source.advance(seconds: 3_600 - 59)
        #expect(try await header(tokens) == "Bearer t3")
    }

    @Test func aSourceThatFailsDoesNoHarmBeforeTheEnd() async throws {
        let tokens = source.tokens()
        _ = try await header(tokens)
        source.live(nil)
        source.advance(seconds: 3_600 - 30)
        #expect(try await header(tokens) == "Bearer t1")
        #expect(source.count == 2)
        // It is not asked with every call.
        #expect(try await header(tokens) == "Bearer t1")
        #expect(source.count == 2)
        source.advance(seconds: 31)
        await #expect(throws: Failure.self) { try await header(tokens) }
        source.live(3_600)
        source.advance(seconds: 1)
        let before = source.count
        #expect(try await header(tokens) == "Bearer t\(before + 1)")
    }

    /// In the last minute a call waits for the next token, but not long while it has one.
    @Test func usesWhatItHasWhileALoginHangs() async throws {
        let tokens = source.tokens()
        _ = try await header(tokens)
        source.hold(true)
        defer { source.hold(false) }
        source.advance(seconds: 3_600 - 30)
        let begin = ContinuousClock.now
        #expect(try await header(tokens) == "Bearer t1")
        #expect(ContinuousClock.now - begin < .seconds(10) && source.count == 2)
        // Nor does the next one wait at all.
        source.clock.advance(milliseconds: 1_000)
        for _ in 0..<1_000 { _ = try await header(tokens) }
        source.hold(false)
        source.advance(seconds: 30)
        try await settles(tokens, on: "Bearer t2")
    }

    @Test func asksOnceASecondForATokenThatIsRefused() async throws {
        source.live(nil)
        let tokens = source.tokens()
        for second in 1...3 {
            var failures: [Bool?] = []
            for _ in 0..<50 { failures.append(await #expect(throws: Failure.self) { try await header(tokens) }?.isRemembered) }
            #expect(source.count == second)
            #expect(failures == [false] + Array(repeating: true, count: 49), "the breaker counts what was asked")
            source.clock.advance(milliseconds: 999)
            await #expect(throws: Failure.self) { try await header(tokens) }
            #expect(source.count == second)
            source.clock.advance(milliseconds: 1)
        }
        source.live(3_600)
        #expect(try await header(tokens) == "Bearer t4")
    }

    /// An operator who has mended the credentials need not wait.
    @Test func aReloadForgetsTheRefusal() async throws {
        source.live(nil)
        let tokens = source.tokens()
        await #expect(throws: Failure.self) { try await header(tokens) }
        source.live(3_600)
        _ = try await tokens.reload(deadline: source.clock.boot + .seconds(20))
        #expect(try await header(tokens) == "Bearer t2")
    }

    @Test func aShortLifeIsNotSpentWaiting() async throws {
        source.live(60)
        let tokens = source.tokens()
        _ = try await header(tokens)
        source.advance(seconds: 44)
        #expect(try await header(tokens) == "Bearer t1")
        #expect(source.count == 1)
        source.advance(seconds: 7)
        #expect(try await header(tokens) == "Bearer t2")
    }

    @Test func whatIsRejectedIsReplacedOnceForAll() async throws {
        let tokens = source.tokens()
        let first = try await token(tokens)
        let deadline = source.clock.boot + .seconds(20)
        let second = try #require(try await tokens.replacement(for: first, deadline: deadline))
        #expect(try await tokens.replacement(for: first, deadline: deadline)?.isSame(as: second) == true)
        #expect(source.count == 2)
    }

    /// A service that accepts no token at all does not cost a login for each call.
    @Test func whatTookAnothersPlaceIsNotReplacedAtOnce() async throws {
        let tokens = source.tokens()
        func replacement(for token: GoogleToken, isOtherwise: Bool = false) async throws -> GoogleToken? {
            try await tokens.replacement(
                for: token, isOtherwise: isOtherwise, deadline: source.clock.boot + .seconds(20))
        }
        let second = try #require(try await replacement(for: try await token(tokens)))
        source.advance(seconds: 29)
        #expect(try await replacement(for: second) == nil && source.count == 2)
        #expect(try await header(tokens) == "Bearer t2")
        let third = try #require(try await replacement(for: second, isOtherwise: true))
        #expect(source.count == 3)
        source.advance(seconds: 30)
        #expect(try await replacement(for: third)?.authorization.text == "Bearer t4")
        // One that came by itself was not rejected before.
        _ = try await tokens.reload(deadline: source.clock.boot + .seconds(20))
        #expect(try await replacement(for: try await token(tokens))?.authorization.text == "Bearer t6")
    }

    @Test func aReloadKeepsWhatItHasIfItFails() async throws {
        let tokens = source.tokens()
        let deadline = source.clock.boot + .seconds(20)
        #expect(try await tokens.reload(deadline: deadline) == false)
        _ = try await header(tokens)
        #expect(try await tokens.reload(deadline: deadline))
        #expect(try await header(tokens) == "Bearer t2")
        source.live(nil)
        await #expect(throws: Failure.self) { try await tokens.reload(deadline: deadline) }
        #expect(try await header(tokens) == "Bearer t2")
    }

    @Test func whatTakesTooLongIsNotWaitedFor() async throws {
        source.hold(true)
        defer { source.hold(false) }
        let tokens = source.tokens()
        let found = await failure { () async throws(Failure) in
            try await tokens.token(deadline: source.clock.boot + .milliseconds(20))
        }
        #expect(found?.code == .deadlineExceeded && found?.isUnsent == true && found?.mayHaveWritten == false)
    }

    @Test(arguments: ["", "with blank", "ü", "line\nend"])
    func whatIsNoTokenIsNone(text: String) {
        #expect(GoogleToken(Secret(text), seconds: 60, now: 0) == nil)
    }

    @Test(arguments: [nil, -1, 86_401] as [Int64?])
    func livesThatNoTokenHasAreNone(seconds: Int64?) {
        #expect(GoogleToken(Secret("t"), seconds: seconds, now: 0) == nil)
    }
}
