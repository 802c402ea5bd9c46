import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Synchronization
import Testing

@testable import CofferEtcd

/// Logins, and tokens that do not last.
@Suite(.timeLimit(.minutes(1))) struct EtcdSessionTests {
    /// An etcd with authentication: it knows the tokens that it has given and not forgotten.
    private final class Guarded: Sendable {
        struct State {
            var logins = 0
            var token: String?
            var password = "p"
        }

        let state = Mutex(State())

        func forget() { state.withLock { $0.token = nil } }

        @Sendable func answer(_ request: HTTPRequest, _ number: Int) async throws(HTTPError) -> HTTPResponse {
            state.withLock { state in
                if request.path.hasSuffix("authenticate") {
                    state.logins += 1
                    guard request.text == #"{"name":"u","password":"\#(state.password)"}"# else {
                        return .fault(400, 3, "etcdserver: authentication failed, invalid user ID or password")
                    }
                    state.token = "token.\(state.logins)"
                    return .etcd(revision: 1, #","token":"\#(state.token ?? "")""#)
                }
                guard let token = request.header("Authorization") else { return .fault(400, 3, "etcdserver: user name is empty") }
                return token == state.token ? .etcd() : .fault(401, 16, "etcdserver: invalid auth token")
            }
        }
    }

    private static let login = EtcdOptions.Login(user: "u", password: .value(Secret("p")))

    @Test func oneLoginServesAllCalls() async throws {
        let etcd = Guarded()
        let bed = Bed(login: Self.login, etcd.answer)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { #expect((try? await bed.read()) == .some(nil)) } }
        }
        #expect(etcd.state.withLock { $0.logins } == 1)
        // Bare: with "Bearer " etcd refuses it.
        #expect(bed.member.requests.last?.header("Authorization") == "token.1")
    }

    /// A member that restarted has forgotten its tokens: the call is made again with a new one.
    @Test func aTokenThatIsForgottenIsReplaced() async throws {
        let etcd = Guarded()
        let bed = Bed(login: Self.login, etcd.answer)
        _ = try await bed.read()
        etcd.forget()
        _ = try await bed.read()
        #expect(bed.member.paths == ["auth/authenticate", "kv/range", "kv/range", "auth/authenticate", "kv/range"])
    }

    @Test func aWrongPasswordIsSaidAndNotTriedByEveryCall() async throws {
        let etcd = Guarded()
        etcd.state.withLock { $0.password = "another" }
        let bed = Bed(login: Self.login, etcd.answer)
        for number in 0..<5 {
            let failure = await failure { () async throws(Failure) in try await bed.write() }
            #expect(failure?.code == .unauthenticated && failure?.retryable == false && failure?.mayHaveWritten == false)
            #expect(failure?.message.contains("user and password") == true)
            #expect(failure?.effects.vault == (number == 0 ? .answered : .silent), "etcd was asked once")
        }
        #expect(etcd.state.withLock { $0.logins } == 1)
        bed.clock.advance(milliseconds: 1_000)
        etcd.state.withLock { $0.password = "p" }
        #expect(try await bed.read() == nil)
    }

    @Test func aClusterThatDemandsALoginIsNamed() async {
        let bed = Bed(Guarded().answer)
        let failure = await failure { () async throws(Failure) in try await bed.read() }
        #expect(failure?.code == .unauthenticated && failure?.message.contains("user_password_file") == true)
    }

    /// Authentication that is switched off needs no token; switched on later, it gets one.
    @Test func authenticationMayBeSwitchedOnLater() async throws {
        let isOn = Mutex(false)
        let etcd = Guarded()
        let bed = Bed(login: Self.login) { request, number throws(HTTPError) in
            if isOn.withLock({ $0 }) { return try await etcd.answer(request, number) }
            return request.path.hasSuffix("authenticate") ? .fault(412, 9, "etcdserver: authentication is not enabled") : .etcd()
        }
        for _ in 0..<3 { _ = try await bed.read() }
        #expect(bed.member.paths == ["auth/authenticate", "kv/range", "kv/range", "kv/range"])
        isOn.withLock { $0 = true }
        #expect(try await bed.read() == nil)
    }

    /// Members that do not agree about tokens: not a login for each attempt, for ever.
    @Test func aNewTokenThatIsRefusedIsAFailure() async {
        let bed = Bed(login: Self.login) { request, _ in
            request.path.hasSuffix("authenticate") ? .etcd(revision: 1, #","token":"t""#) : .fault(401, 16, "etcdserver: invalid auth token")
        }
        let failure = await failure { () async throws(Failure) in try await bed.read() }
        #expect(failure?.code == .unauthenticated)
        #expect(bed.member.paths == ["auth/authenticate", "kv/range", "auth/authenticate", "kv/range", "auth/authenticate", "kv/range"])
    }

    /// An operator who changes several roles ends the tokens with each change.
    @Test func aTokenThatEndsWithItsCallIsReplacedAgain() async throws {
        let etcd = Guarded()
        let bed = Bed(login: Self.login) { request, number throws(HTTPError) in
            if request.header("Authorization") != "token.3", !request.path.hasSuffix("authenticate") { etcd.forget() }
            return try await etcd.answer(request, number)
        }
        #expect(try await bed.read() == nil)
        #expect(etcd.state.withLock { $0.logins } == 3)
    }

    // MARK: Files

    @Test func aNewPasswordIsUsedAtAReload() async throws {
        let etcd = Guarded()
        let bed = Bed(login: EtcdOptions.Login(user: "u", password: .file("/p")), etcd.answer)
        bed.files["/p"] = "p\n"
        _ = try await bed.read()
        #expect(try await bed.vault.reload(deadline: bed.deadline) == false)
        etcd.state.withLock { $0.password = "new" }
        bed.files["/p"] = "new\n"
        #expect(try await bed.vault.reload(deadline: bed.deadline))
        #expect(try await bed.read() == nil)
        #expect(etcd.state.withLock { $0.logins } == 2)
    }

    @Test func aFileThatIsGoneLeavesTheTokenInUse() async throws {
        let bed = Bed(login: EtcdOptions.Login(user: "u", password: .file("/p")), Guarded().answer)
        bed.files["/p"] = "p"
        _ = try await bed.read()
        bed.files["/p"] = nil
        #expect(await failure { () async throws(Failure) in try await bed.vault.reload(deadline: bed.deadline) } != nil)
        #expect(try await bed.read() == nil)
    }

    @Test(arguments: ["", "\n", String(repeating: "x", count: 4_097)])
    func aFileWithoutAPasswordIsNamed(content: String) async {
        let bed = Bed(login: EtcdOptions.Login(user: "u", password: .file("/p")), Guarded().answer)
        bed.files["/p"] = content
        let failure = await failure { () async throws(Failure) in try await bed.read() }
        #expect(failure?.code == .failedPrecondition && failure?.message.hasPrefix("/p: ") == true && failure?.isUnsent == true)
        #expect(bed.member.requests.isEmpty)
    }

    @Test(arguments: [#","token":"""#, #","token":"a b""#, #","token":"a\nb""#, #","token":5"#, ""])
    func whatIsNoTokenIsNotSent(rest: String) async {
        let bed = Bed(login: Self.login) { _, _ in .etcd(revision: 1, rest) }
        #expect(await failure { () async throws(Failure) in try await bed.read() } != nil)
        #expect(bed.member.paths.allSatisfy { $0 == "auth/authenticate" })
    }
}
