internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Who gives tokens: Microsoft Entra ID to applications, and the host to managed identities.
struct AzureTokenService: Sendable {
    let transports: CloudTransports
    let clock: any Clock
    let vault: String

    /// A token by the client credentials grant of OAuth 2.
    ///
    /// - Parameter proof: what shows that this is the client.
    func token(
        at authority: HTTPOrigin, tenant: String, client: String, resource: String, claims: String?,
        proof: [(name: String, value: Secret)], deadline: BootInstant
    ) async throws(Failure) -> AzureToken {
        var form: [(name: String, value: Secret)] = [
            ("grant_type", Secret("client_credentials")), ("client_id", Secret(client)),
            ("scope", Secret(resource + "/.default")),
        ]
        form += proof
        if let claims { form.append(("claims", Secret(claims))) }
        let request = HTTPRequest(
            .post, Self.path(of: tenant),
            headers: [
                HTTPHeader("Content-Type", "application/x-www-form-urlencoded"), HTTPHeader("Accept", "application/json"),
            ], body: PercentEncoding.form(form))
        let place = CloudPlace(Self.kind(of: authority), authority)
        let response = try await send(request, to: place, "Microsoft Entra ID", at: "authority_host", deadline)
        guard response.status == 200 else { throw refusedByEntra(response) }
        return try token(in: response, "Microsoft Entra ID")
    }

    /// Microsoft's own servers have certificates that every system trusts; what is by plain http is on this host.
    private static func kind(of authority: HTTPOrigin) -> CloudPlace.Kind {
        guard authority.isSecure else { return .local }
        let isMicrosoft = [".microsoftonline.com", ".microsoftonline.us", ".microsoftonline.cn", ".chinacloudapi.cn"]
            .contains(where: authority.host.hasSuffix)
        return isMicrosoft ? .tokens : .tokenEndpoint
    }

    static func path(of tenant: String) -> String { "/\(PercentEncoding.text(tenant))/oauth2/v2.0/token" }

    /// A token of a managed identity.
    ///
    /// - Parameter variable: what says where its source is.
    func token(
        by request: HTTPRequest, to origin: HTTPOrigin, variable: String, deadline: BootInstant
    ) async throws(Failure) -> AzureToken {
        let response = try await send(
            request, to: CloudPlace(.local, origin), "the source of managed identities", at: variable, deadline)
        guard response.status == 200 else { throw refusedByHost(response, variable) }
        return try token(in: response, "the source of managed identities")
    }

    private func send(
        _ request: HTTPRequest, to place: CloudPlace, _ service: String, at setting: String, _ deadline: BootInstant
    ) async throws(Failure) -> HTTPResponse {
        let transport = try transports.transport(to: place)
        do {
            return try await transport.send(request, deadline: deadline)
        } catch {
            throw .azure(
                error, service: "Azure credentials: \(service)", at: setting, vault: vault, writing: false,
                isSecure: place.origin.isSecure)
        }
    }

    private func token(in response: HTTPResponse, _ service: String) throws(Failure) -> AzureToken {
        guard let answer = try? JSON.parse(response.body), let token = AzureToken(answer, now: clock.wall) else {
            throw .azureCredentials(
                "the answer of \(service) has no token in it; check which server is at its address", vault: vault,
                code: .unavailable, retryable: true)
        }
        return token
    }

    // MARK: Refusals

    private func refusedByEntra(_ response: HTTPResponse) -> Failure {
        let word = (try? JSON.parse(answer: response.body))?["error"]?.text
        let isTransient =
            word == "temporarily_unavailable" || [408, 429].contains(response.status) || (500...599).contains(response.status)
        guard !isTransient else { return busy(response, "Microsoft Entra ID") }
        guard let known = word else { return strange(response, "Microsoft Entra ID", at: "authority_host") }
        let advice =
            switch known {
            case "invalid_client":
                "the application's secret, certificate or federated token is not accepted; check that it is not expired, that "
                    + "client_id and tenant_id are the application's own, and this host's clock"
            case "unauthorized_client": "there is no such application in the tenant; check client_id and tenant_id"
            case "invalid_grant": "the grant is not accepted; check the federated credential of the application"
            case "invalid_request", "invalid_scope", "invalid_resource":
                "the request is not accepted; check that tenant_id exists, and resource"
            default: "check tenant_id, client_id and the application"
            }
        return .azureCredentials("Microsoft Entra ID refused (HTTP status \(response.status)): \(advice)", vault: vault)
    }

    /// 404 and 410 pass while the source starts.
    private func refusedByHost(_ response: HTTPResponse, _ variable: String) -> Failure {
        switch response.status {
        case 404, 408, 410, 429, 500...599: busy(response, "the source of managed identities")
        case _ where (try? JSON.parse(answer: response.body))?.members == nil:
            strange(response, "the source of managed identities", at: variable)
        case 400:
            .azureCredentials(
                "this host has no such managed identity; assign one to it, or set client_id to that of the one to use",
                vault: vault, code: .failedPrecondition, isUnsent: true)
        default:
            .azureCredentials(
                "the source of managed identities refused (HTTP status \(response.status)); check which server answers "
                    + "there, and proxies on the way", vault: vault)
        }
    }

    /// The page of a proxy, say: nobody looked at the credentials.
    private func strange(_ response: HTTPResponse, _ service: String, at setting: String) -> Failure {
        .azureCredentials(
            "the answer (HTTP status \(response.status)) is not that of \(service); check which server is at \(setting), and "
                + "proxies on the way", vault: vault, code: .unavailable, retryable: true,
            retryAfterMilliseconds: response.retryAfterMilliseconds)
    }

    private func busy(_ response: HTTPResponse, _ service: String) -> Failure {
        .azureCredentials(
            "\(service) gave no token (HTTP status \(response.status))", vault: vault, code: .unavailable, retryable: true,
            retryAfterMilliseconds: response.retryAfterMilliseconds)
    }
}
