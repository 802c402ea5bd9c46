internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Asks a vault without a token, and for nothing, whom tokens are for.
struct AzureDiscovery: Sendable {
    let transport: any HTTPTransport
    let origin: HTTPOrigin
    let audience: AzureAudience
    /// A secret that is never there.
    let unused: String
    let vault: String

    /// - Throws: what the service answered in place of a challenge. Nothing was looked up for nobody: it is never absence.
    func run(deadline: BootInstant) async throws(Failure) {
        let request = HTTPRequest(
            .get, AzureClient.versioned("/secrets/\(unused)/"), headers: [HTTPHeader("Accept", "application/json")])
        let response: HTTPResponse
        do {
            response = try await transport.send(request, deadline: deadline)
        } catch {
            throw .azure(error, vault: vault, writing: false, isSecure: origin.isSecure)
        }
        guard response.status == 401, let challenge = AzureChallenge(response.headers["www-authenticate"]),
            challenge.resource != nil
        else {
            let refusal = AzureRefusal(response)
            switch refusal.kind {
            case .badRequest, .denied, .firewall, .throttled, .timeout, .unavailable, .plainHTTP:
                throw .azure(refusal, vault: vault, writing: false)
            default: throw .azureGarbled(vault: vault, writing: false)
            }
        }
        _ = try audience.learn(challenge)
    }
}
