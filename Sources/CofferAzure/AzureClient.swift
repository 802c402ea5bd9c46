internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Why a call of the service gave nothing.
enum AzureFault: Error {
    /// The service answered, and said no.
    case refused(AzureRefusal)
    /// It was not asked, or did not answer.
    case failed(Failure)
}

/// JSON calls of Key Vault with an access token.
struct AzureClient: Sendable {
    /// The one that all calls here are unchanged since, and that every cloud has.
    static let version = "api-version=7.4"

    let transport: any HTTPTransport
    let origin: HTTPOrigin
    let audience: AzureAudience
    let tokens: TokenCache<AzureToken>
    let vault: String

    /// One call. A 401 is a challenge: it is sent again with another token, once, and once more where the service then wants
    /// claims in the token.
    ///
    /// - Parameters:
    ///   - path: without a query, or with the service's own.
    ///   - writing: it changes something.
    /// - Returns: null where the service gives nothing.
    func call(
        _ method: HTTPRequest.Method, _ path: String, _ body: JSON? = nil, writing: Bool = false, deadline: BootInstant
    ) async throws(AzureFault) -> JSON {
        let body = body?.encode()
        var used = try await failing { () throws(Failure) in try await tokens.token(deadline: deadline) }
        var challenges = 0
        while true {
            let request = HTTPRequest(method, Self.versioned(path), headers: Self.headers(used, body), body: body)
            let response = try await send(request, writing, deadline)
            switch response.status {
            case 200:
                guard let answer = try? JSON.parse(answer: response.body), answer.members != nil else {
                    throw .failed(.azureGarbled(vault: vault, writing: writing))
                }
                return answer
            case 204: return .null
            case 401: break
            default: throw .refused(AzureRefusal(response))
            }
            let challenge = AzureChallenge(response.headers["www-authenticate"])
            challenges += 1
            guard challenges == 1 || (challenges == 2 && challenge?.claims != nil),
                let other = try await replacement(for: used, challenge, deadline)
            else { throw .refused(AzureRefusal(response)) }
            used = other
        }
    }

    /// - Returns: nil if another one would not be accepted either.
    private func replacement(
        for used: AzureToken, _ challenge: AzureChallenge?, _ deadline: BootInstant
    ) async throws(AzureFault) -> AzureToken? {
        try await failing { () async throws(Failure) -> AzureToken? in
            let hasNewClaims = try challenge.map { challenge throws(Failure) in try audience.learn(challenge) } ?? false
            return try await tokens.replacement(for: used, isOtherwise: hasNewClaims, deadline: deadline)
        }
    }

    static func versioned(_ path: String) -> String { path.contains("?") ? path : "\(path)?\(version)" }

    private static func headers(_ token: AzureToken, _ body: Secret?) -> [HTTPHeader] {
        var headers = [HTTPHeader("Authorization", token.authorization), HTTPHeader("Accept", "application/json")]
        if body != nil { headers.append(HTTPHeader("Content-Type", "application/json")) }
        return headers
    }

    private func send(
        _ request: HTTPRequest, _ writing: Bool, _ deadline: BootInstant
    ) async throws(AzureFault) -> HTTPResponse {
        do {
            return try await transport.send(request, deadline: deadline)
        } catch {
            throw .failed(.azure(error, vault: vault, writing: writing, isSecure: origin.isSecure))
        }
    }

    private func failing<R>(_ body: () async throws(Failure) -> R) async throws(AzureFault) -> R {
        do {
            return try await body()
        } catch {
            throw .failed(error)
        }
    }
}
