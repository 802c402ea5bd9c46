internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// A credentials file of Google's, by its type.
struct GoogleCredentialsFile: Sendable {
    enum Kind: Sendable {
        case serviceAccount(ServiceAccount)
        case externalAccount(ExternalAccount)
        case authorizedUser(AuthorizedUser)
    }

    /// A service account's key.
    struct ServiceAccount: Sendable {
        let email: String
        let keyID: String?
        /// PEM.
        let key: Secret
        let tokens: HTTPURL
    }

    /// Workload identity federation: a token of another issuer is exchanged for one of Google's.
    struct ExternalAccount: Sendable {
        let audience: String
        let tokenType: String
        let tokens: HTTPURL
        let source: Source
        /// Gives a token of a service account for that; nil = the exchanged one is used.
        let impersonation: HTTPURL?
        /// Seconds that a token of the service account lives.
        let lifetime: Int64
    }

    /// A person's login by gcloud.
    struct AuthorizedUser: Sendable {
        let clientID: Secret
        let clientSecret: Secret
        let refreshToken: Secret
        let tokens: HTTPURL
    }

    /// Where the other issuer's token is.
    struct Source: Sendable {
        enum Place: Sendable {
            case file(String)
            case url(HTTPURL, [HTTPHeader])
        }

        let place: Place
        /// The member of JSON that has it; nil = the whole text is the token.
        let member: String?
    }

    let kind: Kind
    let project: String?
    let quotaProject: String?

    /// The file has a key or a password in it.
    var isSecret: Bool {
        if case .externalAccount = kind { false } else { true }
    }
}

/// Reads a credentials file. Its addresses are trusted as far as they are Google's own or named in the configuration:
/// what is sent there gives access.
struct GoogleCredentialsReader {
    private static let tokenAddress = "https://oauth2.googleapis.com/token"

    let path: String
    /// Of the configured token endpoint.
    let tokenOrigin: HTTPOrigin?
    let vault: String

    /// - Throws: FAILED_PRECONDITION that names the file, and what is wrong in it.
    func read(_ content: Secret) throws(Failure) -> GoogleCredentialsFile {
        guard let json = try? JSON.parse(content), json.members != nil else { throw wrong("it is no JSON object") }
        return GoogleCredentialsFile(
            kind: try kind(json), project: json["project_id"]?.text?.unlessEmpty,
            quotaProject: json["quota_project_id"]?.text?.unlessEmpty)
    }

    private func kind(_ json: JSON) throws(Failure) -> GoogleCredentialsFile.Kind {
        switch json["type"]?.text {
        case "service_account": return .serviceAccount(try serviceAccount(json))
        case "external_account": return .externalAccount(try externalAccount(json))
        case "authorized_user":
            return .authorizedUser(
                GoogleCredentialsFile.AuthorizedUser(
                    clientID: try secret("client_id", json), clientSecret: try secret("client_secret", json),
                    refreshToken: try secret("refresh_token", json), tokens: try tokenAddress(json)))
        default:
            throw wrong("its type is not supported; expected service_account, external_account or authorized_user")
        }
    }

    private func serviceAccount(_ json: JSON) throws(Failure) -> GoogleCredentialsFile.ServiceAccount {
        GoogleCredentialsFile.ServiceAccount(
            email: try text("client_email", json), keyID: json["private_key_id"]?.text?.unlessEmpty,
            key: try secret("private_key", json), tokens: try tokenAddress(json))
    }

    private func externalAccount(_ json: JSON) throws(Failure) -> GoogleCredentialsFile.ExternalAccount {
        let lifetime = json["service_account_impersonation"]?["token_lifetime_seconds"]?.integer ?? 3_600
        guard (600...43_200).contains(lifetime) else {
            throw wrong("service_account_impersonation.token_lifetime_seconds: expected 600 to 43200, got \(lifetime)")
        }
        return GoogleCredentialsFile.ExternalAccount(
            audience: try text("audience", json), tokenType: try text("subject_token_type", json),
            tokens: try address("token_url", try text("token_url", json)),
            source: try source(json["credential_source"]),
            impersonation: try json["service_account_impersonation_url"]?.text?.unlessEmpty
                .map { text throws(Failure) in try address("service_account_impersonation_url", text) },
            lifetime: lifetime)
    }

    private func source(_ json: JSON?) throws(Failure) -> GoogleCredentialsFile.Source {
        guard let json, json.members != nil else { throw wrong("credential_source is missing") }
        for member in ["executable", "environment_id", "certificate"] where json[member] != nil {
            throw wrong(
                "credential_source.\(member) is not supported: the daemon runs no other program and signs for no other cloud; use file or url"
            )
        }
        let format = json["format"]
        var member: String?
        if format?["type"]?.text == "json" {
            guard let name = format?["subject_token_field_name"]?.text?.unlessEmpty else {
                throw wrong("credential_source.format.subject_token_field_name is missing")
            }
            member = name
        }
        if let file = json["file"]?.text?.unlessEmpty {
            return GoogleCredentialsFile.Source(place: .file(file), member: member)
        }
        guard let text = json["url"]?.text?.unlessEmpty else { throw wrong("credential_source has neither file nor url") }
        guard let url = HTTPURL(text) else { throw wrong("credential_source.url is no http:// or https:// address") }
        let origin = url.origin
        guard origin.isSecure || origin.isLoopback || origin.isLinkLocal || origin == tokenOrigin else {
            throw wrong(
                "credential_source.url is plain http to another host, and anyone on the network path can read the token; use "
                    + "https, a loopback or link-local address, or set token_endpoint to that server"
            )
        }
        var headers: [HTTPHeader] = []
        for header in json["headers"]?.members ?? [] {
            guard let value = header.value.secret, value.isHeaderValue(),
                header.name.utf8.allSatisfy({ $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }), !header.name.isEmpty
            else { throw wrong("credential_source.headers has one that no request can have") }
            headers.append(HTTPHeader(header.name, value))
        }
        return GoogleCredentialsFile.Source(place: .url(url, headers), member: member)
    }

    // MARK: Members

    private func tokenAddress(_ json: JSON) throws(Failure) -> HTTPURL {
        try address("token_uri", json["token_uri"]?.text?.unlessEmpty ?? Self.tokenAddress)
    }

    private func address(_ member: String, _ text: String) throws(Failure) -> HTTPURL {
        guard let url = HTTPURL(text) else { throw wrong("\(member) is no https:// address") }
        let isGoogle = url.origin.isSecure && url.origin.port == 443 && url.origin.host.hasSuffix(".googleapis.com")
        guard isGoogle || url.origin == tokenOrigin else {
            throw wrong(
                "\(member) is not at googleapis.com, and a token would be given to who answers there; if it is right, set token_endpoint to that server"
            )
        }
        return url
    }

    private func text(_ member: String, _ json: JSON) throws(Failure) -> String {
        guard let text = json[member]?.text?.unlessEmpty, text.utf8.count <= 2_048 else { throw wrong("\(member) is missing") }
        return text
    }

    private func secret(_ member: String, _ json: JSON) throws(Failure) -> Secret {
        guard let secret = json[member]?.secret, secret.count > 0 else { throw wrong("\(member) is missing") }
        return secret
    }

    private func wrong(_ what: String) -> Failure {
        Failure(
            .failedPrecondition, .vaultRefused, "credentials_file: \(path): \(what)", vault: vault, isUnsent: true)
    }
}
