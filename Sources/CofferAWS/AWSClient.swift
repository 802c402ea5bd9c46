internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Why a call of the service gave nothing.
enum AWSFault: Error {
    /// The service answered, and said no.
    case refused(AWSRefusal)
    /// It was not asked, or did not answer.
    case failed(Failure)
}

/// Signed JSON calls of Secrets Manager.
struct AWSClient: Sendable {
    let transport: any HTTPTransport
    let origin: HTTPOrigin
    let region: String
    let credentials: AWSCredentialChain
    let clock: AWSClock
    let vault: String

    private static let contentType = "application/x-amz-json-1.1"

    /// One operation. Sent again once after the clock was corrected, and once
    /// after expired credentials were replaced: a request that is refused for
    /// these has done nothing.
    ///
    /// - Parameter writing: it changes something.
    func call(
        _ operation: String, _ body: JSON, writing: Bool = false, deadline: BootInstant
    ) async throws(AWSFault) -> JSONAnswer {
        let body = body.encode()
        var used = try await failing { () throws(Failure) in try await credentials.credentials(deadline: deadline) }
        var (corrected, replaced) = (false, false)
        while true {
            let response = try await send(operation, body, used, writing, deadline)
            if response.status == 200 {
                guard let answer = await JSONAnswer(response.body) else {
                    throw .failed(.awsGarbled(vault: vault, writing: writing))
                }
                return answer
            }
            let refusal = AWSRefusal(response)
            switch refusal.kind {
            case .signature where !corrected && clock.correct(by: refusal.date):
                corrected = true
            case .expiredCredentials where !replaced:
                replaced = true
                used = try await failing { [used] () throws(Failure) in
                    try await credentials.replacement(for: used, deadline: deadline)
                }
            default:
                throw .refused(refusal)
            }
        }
    }

    private func send(
        _ operation: String, _ body: Secret, _ used: AWSCredentials, _ writing: Bool, _ deadline: BootInstant
    ) async throws(AWSFault) -> HTTPResponse {
        let target = "secretsmanager.\(operation)"
        let signed = AWSSignature(region: region, service: AWSEndpoints.Service.secretsManager.rawValue).headers(
            signing: [("content-type", Self.contentType), ("host", origin.authority), ("x-amz-target", target)],
            body: body, credentials: used, at: clock.now)
        let headers = [HTTPHeader("Content-Type", Self.contentType), HTTPHeader("X-Amz-Target", target)] + signed
        do {
            return try await transport.send(HTTPRequest(.post, "/", headers: headers, body: body), deadline: deadline)
        } catch {
            throw .failed(
                .aws(
                    error, service: "AWS Secrets Manager", vault: vault, writing: writing, isSecure: origin.isSecure))
        }
    }

    private func failing<R>(_ body: () async throws(Failure) -> R) async throws(AWSFault) -> R {
        do {
            return try await body()
        } catch {
            throw .failed(error)
        }
    }
}
