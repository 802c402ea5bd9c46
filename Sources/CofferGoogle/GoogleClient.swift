internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Why a call of the service gave nothing.
enum GoogleFault: Error {
    /// The service answered, and said no.
    case refused(GoogleRefusal)
    /// It was not asked, or did not answer.
    case failed(Failure)
}

/// JSON calls of Secret Manager with an access token.
struct GoogleClient: Sendable {
    let transport: any HTTPTransport
    let isSecure: Bool
    let tokens: GoogleTokens
    /// The project that calls are counted for; nil = what the credentials say.
    let quotaProject: String?
    let vault: String

    /// One call. Sent again once with a new token where the service does not accept the one that is held: what is
    /// refused for that has done nothing.
    ///
    /// - Parameter writing: it changes something.
    func call(
        _ method: HTTPRequest.Method, _ path: String, _ body: JSON? = nil, writing: Bool = false, deadline: BootInstant
    ) async throws(GoogleFault) -> JSONAnswer {
        let body = body?.encode()
        var used = try await failing { () throws(Failure) in try await tokens.token(deadline: deadline) }
        var isReplaced = false
        while true {
            let response = try await send(HTTPRequest(method, path, headers: headers(used, body), body: body), writing, deadline)
            if response.status == 200 {
                guard let answer = await JSONAnswer(response.body) else {
                    throw .failed(.googleGarbled(vault: vault, writing: writing))
                }
                return answer
            }
            let refusal = GoogleRefusal(response)
            let isRejected = refusal.kind == .unauthenticated || refusal.kind == .other(.unauthenticated)
            guard isRejected, !isReplaced else { throw .refused(refusal) }
            isReplaced = true
            let other = try await failing { [used] () throws(Failure) in
                try await tokens.replacement(for: used, deadline: deadline)
            }
            guard let other else { throw .refused(refusal) }
            used = other
        }
    }

    private func headers(_ token: GoogleToken, _ body: Secret?) -> [HTTPHeader] {
        var headers = [HTTPHeader("Authorization", token.authorization)]
        if body != nil { headers.append(HTTPHeader("Content-Type", "application/json")) }
        if let project = quotaProject ?? token.quotaProject { headers.append(HTTPHeader("x-goog-user-project", project)) }
        return headers
    }

    private func send(
        _ request: HTTPRequest, _ writing: Bool, _ deadline: BootInstant
    ) async throws(GoogleFault) -> HTTPResponse {
        do {
            return try await transport.send(request, deadline: deadline)
        } catch {
            throw .failed(.google(error, vault: vault, writing: writing, isSecure: isSecure))
        }
    }

    private func failing<R>(_ body: () async throws(Failure) -> R) async throws(GoogleFault) -> R {
        do {
            return try await body()
        } catch {
            throw .failed(error)
        }
    }
}
