import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Synchronization
import Testing

@testable import CofferHashiCorp

/// Tokens on a virtual clock.
@Suite(.timeLimit(.minutes(1))) struct HashiCorpSessionTests {
    private static let role = HashiCorpOptions.Auth.appRole(
        mount: "approle", roleID: "r\"1", secretID: .value(Secret(text: "s")))

    /// A server whose tokens are t1, t2, … and live as long as `tokens` says.
    final class Server: Sendable {
        private struct State {
            var logins = 0
            var renewals = 0
            var dead: Set<String> = []
        }

        private let state = Mutex(State())
        let seconds: Int
        let renewed: Int?

        init(seconds: Int, renewed: Int? = nil) {
            self.seconds = seconds
            self.renewed = renewed
        }

        var logins: Int { state.withLock { $0.logins } }
        var renewals: Int { state.withLock { $0.renewals } }
        func revoke(_ token: String) { state.withLock { _ = $0.dead.insert(token) } }

        func answer(_ request: HTTPRequest) -> HTTPResponse {
            let token = request.header("X-Vault-Token") ?? ""
            return state.withLock { state in
                if request.path.hasSuffix("/login") {
                    state.logins += 1
                    return .login("t\(state.logins)", seconds: seconds, renewable: renewed != nil)
                }
                if state.dead.contains(token) { return .denied }
                if request.path.hasSuffix("/renew-self") {
                    state.renewals += 1
                    return .login(token, seconds: renewed ?? 0)
                }
                if request.path.hasSuffix("/lookup-self") { return HTTPResponse(200, #"{"data":{"ttl":0}}"#) }
                return .absent
            }
        }
    }

    private func bed(_ server: Server, _ auth: HashiCorpOptions.Auth = role) throws -> Bed {
        try Bed(auth: auth) { request, _ in server.answer(request) }
    }

    @Test func manyCallsShareOneLogin() async throws {
        let server = Server(seconds: 60)
        let bed = try bed(server)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { _ = try await bed.read() } }
            try await group.waitForAll()
        }
        #expect(server.logins == 1)
        #expect(bed.transport.requests[0].text == #"{"role_id":"r\"1","secret_id":"s"}"#)
        #expect(bed.transport.requests[0].header("X-Vault-Token") == nil)
        #expect(bed.transport.requests.filter { $0.method == .get }.allSatisfy { $0.header("X-Vault-Token") == "t1" })
    }

    @Test func tokensAreRenewedAtTwoThirds() async throws {
        let server = Server(seconds: 60, renewed: 60)
        let bed = try bed(server)
        _ = try await bed.read()
        await bed.time.advance(milliseconds: 30_000)
        #expect(server.renewals == 0)
        await bed.time.advance(milliseconds: 10_000)
        #expect(server.renewals == 1)
        await bed.time.advance(milliseconds: 200_000)
        #expect(server.renewals >= 5 && server.logins == 1)
        #expect(bed.transport.requests.first { $0.path.hasSuffix("renew-self") }?.text == #"{"increment":"60s"}"#)
    }

    @Test func aRenewalThatShrinksIsALogin() async throws {
        let server = Server(seconds: 60, renewed: 20)
        let bed = try bed(server)
        _ = try await bed.read()
        await bed.time.advance(milliseconds: 40_000)
        #expect(server.renewals == 1 && server.logins == 2)
        _ = try await bed.read()
        #expect(bed.transport.requests.last?.header("X-Vault-Token") == "t2")
    }

    @Test func aRenewalThatFailsIsALogin() async throws {
        let server = Server(seconds: 60, renewed: 60)
        let bed = try bed(server)
        _ = try await bed.read()
        server.revoke("t1")
        await bed.time.advance(milliseconds: 40_000)
        #expect(server.logins == 2)
    }

    @Test func tokensThatCannotBeRenewedAreReplacedInTime() async throws {
        let server = Server(seconds: 60)
        let bed = try bed(server)
        _ = try await bed.read()
        await bed.time.advance(milliseconds: 40_000)
        #expect(server.logins == 2 && server.renewals == 0)
    }

    @Test func aLeaseOfZeroNeverEnds() async throws {
        let server = Server(seconds: 0)
        let bed = try bed(server)
        _ = try await bed.read()
        await bed.time.advance(milliseconds: 600_000)
        _ = try await bed.read()
        #expect(server.logins == 1 && server.renewals == 0 && bed.time.sleeperCount == 0)
    }

    @Test func aRevokedTokenIsReplacedOnceForAll() async throws {
        let server = Server(seconds: 600)
        let bed = try bed(server)
        _ = try await bed.read()
        await bed.time.advance(milliseconds: 2000)
        server.revoke("t1")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { _ = try await bed.read() } }
            try await group.waitForAll()
        }
        #expect(server.logins == 2)
        #expect(bed.transport.lines.count { $0.hasSuffix("lookup-self") } == 1)
    }

    /// The token works, so the policy says no: nobody logs in.
    @Test func aRefusalByPolicyIsPermissionDenied() async throws {
        let bed = try Bed(auth: Self.role) { request, _ in
            if request.path.hasSuffix("/login") { return .login("t1", seconds: 600) }
            return request.path.hasSuffix("lookup-self") ? HTTPResponse(200, #"{"data":{"ttl":5}}"#) : .denied
        }
        await bed.time.advance(milliseconds: 2000)
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .permissionDenied)
        #expect(bed.lines == ["POST /v1/auth/approle/login", "GET /v1/secret/data/ai2-connectors/u/c"])
    }

    /// Revoked, used up, or shorter than said: who logged in just now logs in again.
    @Test func aTokenThatDiesWithinASecondIsReplacedForAll() async throws {
        let server = Server(seconds: 600)
        let bed = try bed(server)
        _ = try await bed.read()
        server.revoke("t1")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<40 { group.addTask { _ = try await bed.read() } }
            try await group.waitForAll()
        }
        #expect(server.logins == 2)
    }

    /// Even one that died before it did anything.
    @Test func aTokenThatNeverWorkedIsReplacedOnce() async throws {
        let server = Server(seconds: 600)
        server.revoke("t1")
        let bed = try bed(server)
        #expect(try await bed.read() == nil)
        #expect(server.logins == 2)
    }

    /// A token may be good for so many requests only, the look-up among them.
    @Test func tokensThatAreUsedUpAreReplaced() async throws {
        let uses = Mutex<[String: Int]>([:])
        let logins = Mutex(0)
        let bed = try Bed(auth: Self.role) { request, _ in
            if request.path.hasSuffix("/login") {
                let number = logins.withLock { number in
                    number += 1
                    return number
                }
                return .login("t\(number)", seconds: 600)
            }
            let token = request.header("X-Vault-Token") ?? ""
            let count = uses.withLock { uses in
                uses[token, default: 0] += 1
                return uses[token] ?? 0
            }
            return count > 5 ? .denied : .absent
        }
        for _ in 0..<50 { _ = try await bed.read() }
        #expect(logins.withLock { $0 } <= 14)
    }

    /// A policy that forbids the look-up too must not make every call a login.
    @Test func aTokenThatDoesNothingIsNotReplacedAgainAndAgain() async throws {
        let bed = try Bed(auth: Self.role) { request, _ in
            request.path.hasSuffix("/login") ? .login("t", seconds: 600) : .denied
        }
        for _ in 0..<10 {
            let error = await failure { () async throws(Failure) in try await bed.read() }
            #expect(error?.code == .permissionDenied)
        }
        #expect(bed.transport.lines.count { $0.hasSuffix("login") } <= 2)
    }

    @Test func aGivenTokenThatIsDeadIsUnauthenticated() async throws {
        let bed = try Bed { _, _ in .denied }
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .unauthenticated && error?.retryable == false)
    }

    @Test func aGivenTokenIsRenewed() async throws {
        let bed = try Bed { request, _ in
            if request.path.hasSuffix("lookup-self") {
                return HTTPResponse(200, #"{"data":{"ttl":60,"renewable":true}}"#)
            }
            return request.path.hasSuffix("renew-self") ? .login("s.token", seconds: 60) : .absent
        }
        _ = try await bed.read()
        await bed.time.advance(milliseconds: 130_000)
        #expect(bed.transport.lines.count { $0.hasSuffix("renew-self") } >= 3)
    }

    @Test func aTokenFileIsReadAgain() async throws {
        let files = Bed.Files()
        files["/token"] = "  first\n"
        let bed = try Bed(auth: .tokenFile("/token"), files: files) { request, _ in
            request.header("X-Vault-Token") == "dead" ? .denied : .absent
        }
        _ = try await bed.read()
        #expect(bed.transport.requests.last?.header("X-Vault-Token") == "first")
        files["/token"] = "second"
        await bed.time.advance(milliseconds: 1000)
        _ = try await bed.read()
        #expect(bed.transport.requests.last?.header("X-Vault-Token") == "second")
        files["/token"] = "dead"
        await bed.time.advance(milliseconds: 1000)
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .unauthenticated && error?.message.hasPrefix("/token: ") == true)
        // Within the second, the refusal alone makes it look.
        files["/token"] = "third"
        _ = try await bed.read()
        #expect(bed.transport.requests.last?.header("X-Vault-Token") == "third")
    }

    /// Else what is cached would stand in for a vault that has said no.
    @Test func aRejectedTokenStaysRejectedWhileItsFileCannotBeRead() async throws {
        let files = Bed.Files()
        files["/token"] = "first"
        let bed = try Bed(auth: .tokenFile("/token"), files: files) { request, _ in
            request.header("X-Vault-Token") == "first" ? .denied : .absent
        }
        _ = await failure { () async throws(Failure) in try await bed.read() }
        for unreadable in [nil, "a b"] as [String?] {
            files["/token"] = unreadable
            await bed.time.advance(milliseconds: 1000)
            let error = await failure { () async throws(Failure) in try await bed.read() }
            #expect(error?.code == .unauthenticated && error?.message.contains("rejected") == true, "\(String(describing: error))")
            #expect(error?.effects.mayServeStale == false)
        }
        files["/token"] = "second"
        await bed.time.advance(milliseconds: 1000)
        _ = try await bed.read()
    }

    /// Of the token the vault has said nothing: a file that is written in place is empty for a moment.
    @Test(arguments: [nil, "", "a b", "first\nfirst"] as [String?])
    func aTokenStaysInUseWhileItsFileCannotBeRead(content: String?) async throws {
        let files = Bed.Files()
        files["/token"] = "first"
        let bed = try Bed(auth: .tokenFile("/token"), files: files) { request, _ in
            request.header("X-Vault-Token") == "dead" ? .denied : .absent
        }
        _ = try await bed.read()
        files["/token"] = content
        for _ in 0..<3 {
            await bed.time.advance(milliseconds: 1000)
            _ = try await bed.read()
            #expect(bed.transport.requests.last?.header("X-Vault-Token") == "first")
        }
        files["/token"] = "second"
        await bed.time.advance(milliseconds: 1000)
        _ = try await bed.read()
        #expect(bed.transport.requests.last?.header("X-Vault-Token") == "second")
    }

    @Test(arguments: ["", " \n", "a b", "ü", "a\u{0}b", String(repeating: "a", count: 16_385)])
    func aFileThatHoldsNoTokenIsRefused(content: String) async throws {
        let files = Bed.Files()
        files["/token"] = content
        let bed = try Bed(auth: .tokenFile("/token"), files: files) { _, _ in .absent }
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .failedPrecondition && error?.message.hasPrefix("/token: expected one token") == true)
        #expect(bed.transport.lines.isEmpty)
    }

    @Test func filesOfLoginsAreReadAtEveryLogin() async throws {
        let files = Bed.Files()
        files["/jwt"] = "one"
        let auth = HashiCorpOptions.Auth.kubernetes(mount: "/k8s/", role: "r", tokenFile: "/jwt")
        let server = Server(seconds: 60)
        let bed = try Bed(auth: auth, files: files) { request, _ in server.answer(request) }
        _ = try await bed.read()
        files["/jwt"] = "two"
        await bed.time.advance(milliseconds: 40_000)
        let logins = bed.transport.requests.filter { $0.path == "/v1/auth/k8s/login" }.map(\.text)
        #expect(logins == [#"{"role":"r","jwt":"one"}"#, #"{"role":"r","jwt":"two"}"#])
    }

    @Test func aReloadReadsATokenFileAtOnceAndKeepsTheTokenIfItCannot() async throws {
        let files = Bed.Files()
        files["/token"] = "first"
        let bed = try Bed(auth: .tokenFile("/token"), files: files) { _, _ in .absent }
        #expect(try await bed.reload() == false, "nothing was read before")
        _ = try await bed.read()
        #expect(try await bed.reload() == false)
        files["/token"] = "second"
        #expect(try await bed.reload())
        files["/token"] = "no token"
        let error = await failure { () async throws(Failure) in _ = try await bed.reload() }
        #expect(error?.message.hasPrefix("/token: expected one token") == true)
        files["/token"] = "second"
        _ = try await bed.read()
        #expect(bed.transport.requests.last?.header("X-Vault-Token") == "second")
    }

    @Test func aReloadLogsInWithANewSecretIDAndWithNoOther() async throws {
        let files = Bed.Files()
        files["/id"] = "one"
        let auth = HashiCorpOptions.Auth.appRole(mount: "approle", roleID: "r", secretID: .file("/id"))
        let server = Server(seconds: 600)
        let bed = try Bed(auth: auth, files: files) { request, _ in
            request.text.contains("wrong") ? HTTPResponse(400, #"{"errors":["invalid"]}"#) : server.answer(request)
        }
        _ = try await bed.read()
        #expect(try await bed.reload() == false)
        #expect(server.logins == 1, "a secret id may be good for one login only")
        files["/id"] = "wrong"
        let error = await failure { () async throws(Failure) in _ = try await bed.reload() }
        #expect(error?.code == .unauthenticated)
        _ = try await bed.read()
        #expect(bed.transport.requests.last?.header("X-Vault-Token") == "t1", "the token before stays in use")
        // The refusal before holds up no new secret id.
        files["/id"] = "two"
        #expect(try await bed.reload())
        _ = try await bed.read()
        #expect(bed.transport.requests.last?.header("X-Vault-Token") == "t2")
        #expect(server.logins == 2)
    }

    @Test func aRefusedLoginIsNotRepeatedAtOnce() async throws {
        let bed = try Bed(auth: Self.role) { _, _ in HTTPResponse(400, #"{"errors":["invalid"]}"#) }
        var outcomes: [VaultOutcome?] = []
        for _ in 0..<20 {
            outcomes.append(await failure { () async throws(Failure) in try await bed.read() }?.effects.vault)
        }
        #expect(bed.lines.count == 1)
        // What was not asked has shown nothing: the breaker counts the login once.
        #expect(outcomes == [.answered] + Array(repeating: .silent, count: 19))
        #expect(try await bed.reload() == false)
        _ = await failure { () async throws(Failure) in try await bed.read() }
        #expect(bed.lines.count == 2, "after a reload a login is worth trying")
        await bed.time.advance(milliseconds: 1000)
        _ = await failure { () async throws(Failure) in try await bed.read() }
        #expect(bed.lines.count == 3)
    }

    /// Calls that come together, as at the start, and whose token has ended: five would open the breaker.
    @Test(arguments: [HTTPError.Cause.untrusted, .refused]) func aLoginThatFailsOnceCountsOnce(cause: HTTPError.Cause) async throws {
        let time = Mutex<VirtualTime?>(nil)
        let bed = try Bed(auth: Self.role) { _, _ throws(HTTPError) in
            try? await time.withLock { $0 }?.sleep(.milliseconds(100))
            throw HTTPError(cause, isUnsent: true)
        }
        time.withLock { $0 = bed.time }
        let calls = (0..<20).map { _ in
            Task { await failure { () async throws(Failure) in try await bed.read() }?.effects.vault }
        }
        await bed.time.advance(milliseconds: 100)
        var outcomes: [VaultOutcome?] = []
        for call in calls { outcomes.append(await call.value) }
        #expect(bed.lines.count == 1)
        #expect(outcomes.count { $0 == .silent } == 19)
        #expect(outcomes.count { $0 == (cause == .refused ? .transient : .mistrusted) } == 1)
    }

    /// A login that hangs holds nobody beyond his deadline.
    @Test func callersLeaveAtTheirDeadline() async throws {
        let time = Mutex<VirtualTime?>(nil)
        let bed = try Bed(auth: Self.role) { _, _ throws(HTTPError) in
            try? await time.withLock { $0 }?.sleep(.seconds(10))
            throw HTTPError(.deadline, isUnsent: false)
        }
        time.withLock { $0 = bed.time }
        let deadline = bed.time.boot + .seconds(1)
        let call = Task {
            await failure { () async throws(Failure) in try await bed.vault.read(try Bed.key(), deadline: deadline) }
        }
        await bed.time.advance(milliseconds: 1000)
        #expect(await call.value?.code == .deadlineExceeded)
        #expect(bed.time.boot.milliseconds(since: deadline) < 1000)
        let cancelled = Task { await failure { () async throws(Failure) in try await bed.read() } }
        await bed.time.settle()
        cancelled.cancel()
        #expect(await cancelled.value?.code == .cancelled)
        await bed.time.advance(milliseconds: 20_000)
    }

    /// A Store of several requests that has begun is finished, and no other begins.
    @Test func closingWaitsForWhatIsUnderWay() async throws {
        let time = Mutex<VirtualTime?>(nil)
        let bed = try Bed(auth: Self.role, writesMetadata: false) { request, _ in
            if request.path.hasSuffix("/login") { return .login("t", seconds: 600) }
            if request.path.contains("/data/") { try? await time.withLock { $0 }?.sleep(.milliseconds(200)) }
            return request.method == .post ? .written(1) : .absent
        }
        time.withLock { $0 = bed.time }
        let write = Task { try await bed.write(bed.sealed()) }
        await bed.time.settle()
        let isClosed = Mutex(false)
        let closing = Task {
            await bed.vault.close()
            isClosed.withLock { $0 = true }
        }
        await bed.time.advance(milliseconds: 200)
        #expect(!isClosed.withLock { $0 })
        let late = await failure { () async throws(Failure) in try await bed.read() }
        #expect(late?.reason == .draining)
        await bed.time.advance(milliseconds: 600)
        _ = try await write.value
        await closing.value
        #expect(bed.time.sleeperCount == 0)
    }

    @Test func closingEndsRenewals() async throws {
        let server = Server(seconds: 60, renewed: 60)
        let bed = try bed(server)
        _ = try await bed.read()
        await bed.vault.close()
        await bed.time.advance(milliseconds: 100_000)
        #expect(server.renewals == 0 && bed.time.sleeperCount == 0)
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .unavailable && error?.reason == .draining)
    }
}
