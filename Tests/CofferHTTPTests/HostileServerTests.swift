import CofferCore
import CofferHTTP
import Testing

/// Servers that lie, stall or shout. What reached them is read from their own
/// record of every byte.
@Suite struct HostileServerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var server: String
        var host = "127.0.0.1"
        var cause: HTTPError.Cause
        /// When time is what ends it.
        var deadline: Duration = .seconds(20)
        var testDescription: String { server }

        init(_ server: String, _ cause: HTTPError.Cause, host: String = "127.0.0.1", deadline: Duration = .seconds(20))
        {
            (self.server, self.cause, self.host, self.deadline) = (server, cause, host, deadline)
        }
    }

    /// Refused before a request: not one byte of the credential leaves.
    static let beforeRequest: [Case] = [
        Case("expired", .outdated), Case("early", .outdated),
        Case("wrong_name", .wrongName, host: "localhost"), Case("wrong_address", .wrongName),
        Case("nul_name", .wrongName, host: "localhost"), Case("part_name", .wrongName, host: "localhost"),
        Case("alone", .unknownAuthority), Case("other_authority", .unknownAuthority), Case("wrong_usage", .untrusted),
        Case("weak_key", .untrusted), Case("sha1", .untrusted), Case("critical", .untrusted),
        Case("below_leaf", .untrusted), Case("out_of_constraint", .untrusted, host: "localhost"),
        Case("tls10", .untrusted), Case("tls11", .untrusted),
        Case("anonymous", .untrusted), Case("unencrypted", .untrusted),
        Case("plain_on_tls", .plaintext), Case("garbage_on_tls", .plaintext),
        Case("reset_at_once", .refused), Case("close_in_hello", .refused),
        Case("no_hello", .deadline, deadline: .seconds(1)), Case("slow_hello", .deadline, deadline: .seconds(2)),
        Case(
            "unused",
            .forbidden("the name resolves to a loopback address; name localhost, or allow loopback for this vault"),
            host: "vault.localhost"),
    ]

    /// The server proved who it is and got its request; its answer is what is wrong.
    static let afterRequest: [Case] = [
        Case("over_cap", .tooLarge(limit: 8192)), Case("over_cap_announced", .tooLarge(limit: 8192)),
        Case("endless", .tooLarge(limit: 8192)), Case("endless_chunks", .tooLarge(limit: 8192)),
        Case("bomb", .tooLarge(limit: 8192)), Case("bomb_transfer", .tooLarge(limit: 8192)),
        Case("drip", .deadline, deadline: .seconds(3)), Case("no_answer", .deadline, deadline: .seconds(1)),
        Case("cut_chunk", .interrupted), Case("cut_chunks", .interrupted), Case("cut_body", .interrupted),
        Case("bad_chunk", .interrupted), Case("early_close", .interrupted), Case("close_in_headers", .interrupted),
        Case("close_after_headers", .interrupted), Case("reset_after_request", .interrupted),
        Case("bad_status", .malformed), Case("bad_version", .malformed), Case("negative_length", .malformed),
        Case("garbage", .malformed), Case("old_http", .malformed),
        Case("header_flood", .tooLarge(limit: 65536)), Case("endless_header", .tooLarge(limit: 65536)),
        Case("interim_flood", .tooLarge(limit: 65536)),
    ]

    @Test("refused without one byte of the credential", arguments: beforeRequest)
    func refusedBeforeTheRequest(_ hostile: Case) async throws {
        let (ending, report, token, elapsed) = try await attack(hostile)
        #expect(ending == .error(HTTPError(hostile.cause, isUnsent: true)))
        #expect(!report.contains(token))
        #expect(!report.contains("X-Vault-Token"))
        #expect(report.open == 0)
        #expect(elapsed < hostile.deadline + .seconds(3))
    }

    @Test("refused by its answer, inside the deadline and the cap", arguments: afterRequest)
    func refusedByItsAnswer(_ hostile: Case) async throws {
        let (ending, report, token, elapsed) = try await attack(hostile)
        #expect(ending == .error(HTTPError(hostile.cause, isUnsent: false)))
        // The record does show a credential that was sent.
        #expect(report.contains(token))
        #expect(report.connections == 1)
        #expect(report.open == 0)
        #expect(elapsed < hostile.deadline + .seconds(3))
    }

    @Test(
        "a redirect is an answer, and nobody follows it",
        arguments: [
            ("redirect_host", 302), ("redirect_scheme", 307), ("redirect_file", 301),
        ])
    func redirectIsNotFollowed(_ server: String, _ status: Int) async throws {
        let servers = try HostileServers.shared.get()
        let client = try engine.get().client(servers.endpoint(server))
        #expect(await client.ending(.get(token: makeToken())) == .answer(status: status, bytes: 0))
        #expect(try await servers.report("target", seconds: 0.2).connections == 0)
        #expect(try await servers.report("plain_target", seconds: 0.2).connections == 0)
    }

    /// Else a case would prove nothing: the server itself must be ready to take it.
    @Test(
        "a careless client would have lost its credential",
        arguments: [
            "expired", "early", "wrong_name", "wrong_address", "nul_name", "part_name", "alone", "other_authority",
            "wrong_usage", "weak_key", "sha1", "critical", "below_leaf", "out_of_constraint", "tls10", "tls11",
            "anonymous", "unencrypted",
        ])
    func carelessClientLosesItsCredential(_ server: String) async throws {
        #expect(try await HostileServers.shared.get().visited(server, token: "careless").contains("careless"))
    }

    @Test(
        "addresses where clouds keep credentials are never connected to",
        arguments: [
            "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "fe80::1",
        ])
    func linkLocalIsRefused(_ host: String) async throws {
        let endpoint = HTTPEndpoint(origin: HTTPOrigin(isSecure: true, host: host, port: 443))
        let client = try engine.get().client(endpoint)
        let rule =
            "the name resolves to a link-local or metadata address; allow link-local for this vault if it is meant"
        #expect(await client.ending(.get(token: makeToken())) == .error(HTTPError(.forbidden(rule), isUnsent: true)))
    }

    private func attack(_ hostile: Case) async throws -> (Ending, HostileServers.Report, String, Duration) {
        let servers = try HostileServers.shared.get()
        var endpoint = servers.endpoint(hostile.server, host: hostile.host)
        endpoint.maximumResponseBytes = 8192
        endpoint.connectTimeout = .seconds(30)
        let token = makeToken()
        let client = try engine.get().client(endpoint)
        let begin = SystemClock().boot
        let ending = await client.ending(.get("/v1/secret", token: token), within: hostile.deadline)
        let elapsed = Duration.milliseconds(SystemClock().boot.milliseconds(since: begin))
        return (ending, try await servers.report(hostile.server), token, elapsed)
    }
}
