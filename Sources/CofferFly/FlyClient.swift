internal import CofferCore
internal import CofferHTTP
internal import CofferVault
internal import CofferVaultKit

/// Why a call of the API gave nothing.
enum FlyFault: Error {
    /// The API answered, and said no.
    case refused(status: Int, Failure)
    /// It was not asked, or did not answer.
    case failed(Failure)

    var failure: Failure {
        switch self {
        case .refused(_, let failure), .failed(let failure): failure
        }
    }
}

/// What the API tells of a secret: never its value.
struct FlySecret: Equatable, Sendable {
    /// Another one with every other value; nil = the API tells none.
    let digest: String?
    let created: WallMilliseconds?
}

/// An app's secrets that may be records, by name.
struct FlyListing: Sendable {
    let secrets: [ByteText: FlySecret]

    subscript(name: ByteText) -> FlySecret? { secrets[name] }
}

/// Calls of the Machines API that are about one app.
struct FlyClient: Sendable {
    /// How deep the configuration of a Machine stands in a list of Machines.
    private static let machineDepth = 3

    let transport: any HTTPTransport
    /// The path before every call's, without a slash at its end: "" at Fly itself.
    let root: String
    let app: String
    let token: FlyToken
    let vault: String
    let clock: any Clock

    // MARK: Secrets

    /// - Parameter version: of the app's secrets, which the answer must know of at least; 0 = any.
    func list(since version: UInt64, deadline: BootInstant) async throws(FlyFault) -> FlyListing {
        let query = version > 0 ? "?min_version=\(version)" : ""
        let (answer, bytes) = try await answer(.get, "/secrets\(query)", deadline: deadline)
        guard let listing = await LargeAnswer.look(at: bytes, { Self.listing(answer) }) else {
            throw .failed(.flyGarbled(vault: vault, writing: false))
        }
        return listing
    }

    /// - Returns: nil if it is not what the API gives.
    private static func listing(_ answer: JSON) -> FlyListing? {
        guard let all = answer["secrets"]?.elements else { return nil }
        var found: [ByteText: FlySecret] = [:]
        for secret in all {
            guard let name = secret["name"]?.text else { return nil }
            guard name.utf8.starts(with: FlyNames.prefix.utf8) else { continue }
            found[ByteText(name)] = Self.secret(secret)
        }
        return FlyListing(secrets: found)
    }

    /// Sets a secret; no Machine sees it before it is updated.
    ///
    /// - Returns: what the API says of it, and the version of the app's secrets since.
    func set(
        _ name: String, _ value: Secret, deadline: BootInstant
    ) async throws(FlyFault) -> (secret: FlySecret, version: UInt64) {
        let answer = try await call(
            .post, "/secrets/\(name)", body: .object([("value", .string(value))]), isWriting: true, deadline: deadline)
        return (Self.secret(answer), try version(answer))
    }

    /// Unsets a secret; one that is not there is no error.
    ///
    /// - Returns: the version of the app's secrets since; nil = the secret was not there, and nothing was changed.
    func unset(_ name: String, deadline: BootInstant) async throws(FlyFault) -> UInt64? {
        do throws(FlyFault) {
            return try version(try await call(.delete, "/secrets/\(name)", isWriting: true, deadline: deadline))
        } catch {
            if case .refused(status: 404, _) = error { return nil }
            throw error
        }
    }

    private static func secret(_ answer: JSON) -> FlySecret {
        FlySecret(
            digest: answer["digest"]?.text?.unlessEmpty,
            created: answer["created_at"]?.text.flatMap(Timestamp.milliseconds(of:)))
    }

    /// Of the app's secrets since a write; the API's description has the name in both spellings. An answer without one is no
    /// acknowledgement: nobody could ask for what is at least as new as the write.
    private func version(_ answer: JSON) throws(FlyFault) -> UInt64 {
        guard let version = (answer["version"] ?? answer["Version"])?.integer.flatMap({ UInt64(exactly: $0) }), version > 0
        else { throw .failed(.flyGarbled(vault: vault, writing: true)) }
        return version
    }

    // MARK: Machines

    /// The app's Machines, as the API shows them.
    func machines(deadline: BootInstant) async throws(FlyFault) -> [JSON] {
        let answer = try await call(.get, "/machines", deadline: deadline)
        guard let all = answer.elements else { throw .failed(.flyGarbled(vault: vault, writing: false)) }
        return all
    }

    /// Updates a Machine, which starts it again.
    ///
    /// - Returns: its version since.
    func update(_ machine: String, _ body: JSON, deadline: BootInstant) async throws(FlyFault) -> String? {
        try await call(.post, "/machines/\(machine)", body: body, isWriting: true, deadline: deadline)["instance_id"]?.text
    }

    /// Waits for a Machine to run as of this version; fails if it does not within `seconds`.
    func waitUntilStarted(
        _ machine: String, _ version: String, seconds: Int, deadline: BootInstant
    ) async throws(FlyFault) {
        let query = "state=started&timeout=\(seconds)&instance_id=\(PercentEncoding.text(version))"
        _ = try await call(.get, "/machines/\(machine)/wait?\(query)", deadline: deadline)
    }

    // MARK: Calls

    /// - Parameter path: below the app's.
    private func call(
        _ method: HTTPRequest.Method, _ path: String, body: JSON? = nil, isWriting: Bool = false, deadline: BootInstant
    ) async throws(FlyFault) -> JSON {
        try await answer(method, path, body: body, isWriting: isWriting, deadline: deadline).json
    }

    /// The same, with the size of the answer's body.
    private func answer(
        _ method: HTTPRequest.Method, _ path: String, body: JSON? = nil, isWriting: Bool = false, deadline: BootInstant
    ) async throws(FlyFault) -> (json: JSON, bytes: Int) {
        var headers = [HTTPHeader("Authorization", token.authorization), HTTPHeader("Accept", "application/json")]
        if body != nil { headers.append(HTTPHeader("Content-Type", "application/json")) }
        let request = HTTPRequest(
            method, "\(root)/v1/apps/\(PercentEncoding.text(app))\(path)", headers: headers, body: body?.encode())
        let response: HTTPResponse
        do throws(HTTPError) {
            response = try await transport.send(request, deadline: deadline)
        } catch {
            let failure = error.failure(vault: vault, of: Failure.flyTitle, at: "api_url")
            throw .failed((isWriting ? failure : failure.ofRead).whileReadingGoesOn)
        }
        let json = await LargeAnswer.look(at: response.body.count) {
            try? JSON.parse(answer: response.body, recordAt: Self.machineDepth)
        }
        guard (200...299).contains(response.status) else {
            let failure = Failure.fly(response, json, vault: vault, app: app, writing: isWriting)
            throw .refused(status: Failure.isOfFly(json) ? response.status : 0, failure)
        }
        // Some calls have nothing to say, and say it with an empty body.
        if response.body.count == 0 { return (.null, 0) }
        guard let json else { throw .failed(.flyGarbled(vault: vault, writing: isWriting)) }
        return (json, response.body.count)
    }
}
