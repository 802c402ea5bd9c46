import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferHashiCorp

/// Every answer and every lack of one, as callers are told.
@Suite(.timeLimit(.minutes(1))) struct HashiCorpFailureTests {
    struct Row: Sendable {
        let status: Int
        let body: String
        let code: StatusCode
        let reason: Failure.Reason
        let retryable: Bool
        let words: String

        init(
            _ status: Int, body: String = #"{"errors":["canary"]}"#, _ code: StatusCode, _ reason: Failure.Reason,
            retryable: Bool = false, _ words: String
        ) {
            self.status = status
            self.body = body
            self.code = code
            self.reason = reason
            self.retryable = retryable
            self.words = words
        }
    }

    private static let page = "<html>canary</html>"

    static let reads = [
        Row(400, .invalidArgument, .vaultRefused, "rejected this request"),
        Row(
            400, body: "Client sent an HTTP request to an HTTPS server.\n", .failedPrecondition, .vaultRefused,
            "the vault's port expects TLS and got plain http; write https://, or correct the proxy"),
        Row(
            400, body: "<center>The plain HTTP request was sent to HTTPS port</center>", .failedPrecondition,
            .vaultRefused, "expects TLS"),
        Row(
            400, body: #"{"errors":["Upgrading from non-versioned to versioned data canary"]}"#, .unavailable,
            .vaultFailed,
            retryable: true, "upgrading the mount"),
        Row(401, .unauthenticated, .vaultRefused, "rejected the token (unknown, expired or revoked)"),
        Row(
            404, body: #"{"errors":["no handler for route \"canary\""]}"#, .failedPrecondition, .vaultRefused,
            "no such mount"),
        Row(404, body: page, .unavailable, .vaultFailed, retryable: true, "does not answer like a KV engine"),
        Row(404, body: "", .unavailable, .vaultFailed, retryable: true, "does not answer like a KV engine"),
        Row(405, .failedPrecondition, .vaultRefused, "does not support this operation"),
        Row(413, .invalidArgument, .credentialTooLarge, "larger than the vault accepts"),
        Row(429, .resourceExhausted, .limit, retryable: true, "limits the rate"),
        Row(500, .internal, .vaultFailed, retryable: true, "internal error"),
        Row(
            500, body: #"{"errors":["put failed due to value being too large canary"]}"#, .invalidArgument,
            .credentialTooLarge, "max_entry_size"),
        Row(502, body: page, .unavailable, .vaultFailed, retryable: true, "gateway"),
        Row(503, .unavailable, .vaultFailed, retryable: true, "sealed"),
        Row(504, .unavailable, .vaultFailed, retryable: true, "gateway"),
        Row(472, .unavailable, .vaultFailed, retryable: true, "disaster recovery"),
        Row(474, .unavailable, .vaultFailed, retryable: true, "cannot reach the active node"),
        Row(501, .unavailable, .vaultFailed, retryable: true, "not initialised"),
        Row(530, .unavailable, .vaultFailed, retryable: true, "removed from its cluster"),
        Row(418, body: page, .unavailable, .vaultFailed, retryable: true, "does not answer like a KV engine"),
        Row(200, body: page, .unavailable, .vaultFailed, retryable: true, "does not answer like a KV engine"),
        Row(200, body: "", .unavailable, .vaultFailed, retryable: true, "does not answer like a KV engine"),
        Row(204, body: "", .unavailable, .vaultFailed, retryable: true, "does not answer like a KV engine"),
    ]

    @Test(arguments: reads)
    func ofReads(row: Row) async throws {
        let bed = try Bed { _, _ in HTTPResponse(row.status, row.body, ["retry-after": "7"]) }
        let error = await failure { () async throws(Failure) in try await bed.read() }
        expect(error, row)
        if row.status == 429 || row.status == 503 { #expect(error?.retryAfterMilliseconds == 7000) }
    }

    static let writes = [
        Row(
            400, body: #"{"errors":["check-and-set parameter required for this call"]}"#, .failedPrecondition,
            .vaultRefused,
            "only check-and-set writes"),
        Row(500, .internal, .vaultFailed, "a write may have happened"),
        Row(200, body: page, .internal, .vaultFailed, "a write may have happened"),
        Row(200, body: #"{"data":{"version":-1}}"#, .internal, .vaultFailed, "a write may have happened"),
        Row(418, .internal, .vaultFailed, "a write may have happened"),
        Row(503, .unavailable, .vaultFailed, retryable: true, "sealed"),
        Row(404, body: #"{"errors":["no handler for route"]}"#, .failedPrecondition, .vaultRefused, "no such mount"),
    ]

    @Test(arguments: writes)
    func ofWrites(row: Row) async throws {
        let bed = try Bed(writesMetadata: false) { request, _ in
            request.method == .get ? .absent : HTTPResponse(row.status, row.body)
        }
        // With a condition, so that it is sent with its check-and-set from the start.
        expect(await failure { () async throws(Failure) in try await bed.write(bed.sealed(), .ifAbsent) }, row)
    }

    @Test(arguments: [400, 401, 403, 404])
    func ofLogins(status: Int) async throws {
        let auth = HashiCorpOptions.Auth.appRole(mount: "approle", roleID: "r", secretID: nil)
        let bed = try Bed(auth: auth) { _, _ in HTTPResponse(status, #"{"errors":["invalid role canary"]}"#) }
        let error = await failure { () async throws(Failure) in try await bed.read() }
        expect(error, Row(status, .unauthenticated, .vaultRefused, "refused the login"))
        #expect(bed.lines == ["POST /v1/auth/approle/login"])
    }

    private func expect(_ error: Failure?, _ row: Row) {
        #expect(error?.code == row.code && error?.reason == row.reason, "\(String(describing: error))")
        #expect(error?.retryable == row.retryable)
        #expect(error?.message.contains(row.words) == true, "\(error?.message ?? "no failure")")
        #expect(error?.message.contains("canary") == false && error?.vault == "v")
    }

    static let silences: [(HTTPError.Cause, StatusCode, Failure.Reason, Bool)] = [
        (.deadline, .deadlineExceeded, .deadline, true), (.cancelled, .cancelled, .cancelled, false),
        (.unresolved, .unavailable, .vaultUnreachable, true), (.refused, .unavailable, .vaultUnreachable, true),
        (.interrupted, .unavailable, .vaultUnreachable, true),
        (.untrusted, .failedPrecondition, .vaultUnreachable, false),
        (.plaintext, .failedPrecondition, .vaultUnreachable, false),
        (.forbidden("the rule"), .failedPrecondition, .vaultUnreachable, false),
        (.tooLarge(limit: 1), .unavailable, .vaultFailed, false), (.malformed, .unavailable, .vaultUnreachable, true),
        (.closed, .unavailable, .draining, true),
    ]

    @Test(arguments: silences.indices, [true, false])
    func ofSilence(index: Int, isUnsent: Bool) async throws {
        let (cause, code, reason, retryable) = Self.silences[index]
        let bed = try Bed { _, _ throws(HTTPError) in throw HTTPError(cause, isUnsent: isUnsent) }
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == code && error?.reason == reason && error?.retryable == retryable)
        #expect(error?.isUnsent == isUnsent)
    }

    /// A secret id may be good for one login only.
    @Test func anAppRoleLoginOfUnknownEndIsNotForRetries() async throws {
        let role = HashiCorpOptions.Auth.appRole(mount: "approle", roleID: "r", secretID: .value(Secret(text: "s")))
        for isUnsent in [true, false] {
            let bed = try Bed(auth: role) { _, _ throws(HTTPError) in throw HTTPError(.interrupted, isUnsent: isUnsent)
            }
            let error = await failure { () async throws(Failure) in try await bed.read() }
            #expect(error?.retryable == isUnsent && bed.lines.count == 1)
        }
    }

    @Test(arguments: [(200, true), (429, true), (473, true), (472, false), (501, false), (503, false), (530, false)])
    func ofHealth(status: Int, isFit: Bool) async throws {
        let bed = try Bed(namespace: "team") { request, _ in
            request.path.hasPrefix("/v1/sys/health")
                ? HTTPResponse(status, #"{"initialized":true,"sealed":false}"#) : .absent
        }
        let error = await failure { () async throws(Failure) in try await bed.vault.check(deadline: bed.deadline) }
        #expect((error == nil) == isFit && (isFit || error?.code == .unavailable))
        let record = "GET /v1/secret/data/ai2-connectors/coffer.check/coffer.check"
        #expect(bed.lines == ["GET /v1/sys/health?standbyok=true&perfstandbyok=true"] + (isFit ? [record] : []))
        #expect(bed.transport.requests[0].header("X-Vault-Token") == nil)
        #expect(bed.transport.requests[0].header("X-Vault-Namespace") == nil)
    }

    @Test func healthOfSomethingElse() async throws {
        let bed = try Bed { _, _ in HTTPResponse(200, "<html>") }
        let error = await failure { () async throws(Failure) in try await bed.vault.check(deadline: bed.deadline) }
        #expect(error?.code == .unavailable)
    }

    /// Anybody may ask for a server's health: it says nothing about our token and policy.
    @Test func healthNeedsLoginAndPermission() async throws {
        for isKnown in [true, false] {
            let bed = try Bed { request, _ in
                if request.path.hasPrefix("/v1/sys/") { return HTTPResponse(200, #"{"initialized":true,"sealed":false}"#) }
                let isLookup = request.path.hasSuffix("lookup-self")
                return isLookup && isKnown
                    ? HTTPResponse(200, #"{"data":{"ttl":0}}"#) : HTTPResponse(403, #"{"errors":["permission denied"]}"#)
            }
            let error = await failure { () async throws(Failure) in try await bed.vault.check(deadline: bed.deadline) }
            #expect(error?.code == (isKnown ? .permissionDenied : .unauthenticated))
        }
    }
}
