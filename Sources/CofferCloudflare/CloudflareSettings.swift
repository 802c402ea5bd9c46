internal import CofferCore
internal import CofferCrypto
internal import CofferHTTP
internal import CofferProcess
internal import CofferVault
internal import CofferVaultKit

/// Settings of both types of vault at Cloudflare, beside those of every vault by HTTP, and what they become.
enum CloudflareSettings {
    /// Services that a secret of the Secrets Store may be bound to.
    enum Scope: String, CaseIterable, Sendable {
        case workers, access, containers, dex, websearch
        case aiGateway = "ai_gateway"
    }

    static let standardAddress = "https://api.cloudflare.com/client/v4"

    static let account = VaultSetting<String>(
        "account_id", .text("an account's id, 32 hex digits") { isID($0) }, .value(""),
        variables: ["CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID"], unset: "the only one that the token may use",
        summary: "The account at Cloudflare. Without it each start asks which one the token may use")
    static let tokenFile = VaultSetting<String>(
        "api_token_file", .absoluteFile, .value(""), variables: ["CLOUDFLARE_API_TOKEN_FILE"],
        summary: RemoteSettings.tokenFileSummary)
    static let address = VaultSetting<String>(
        "api_url", .baseURL, .value(standardAddress),
        variables: ["CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_BASE_URL"], unset: RemoteSettings.apiURLDefaults,
        summary: RemoteSettings.apiURLSummary)
    static let namespace = VaultSetting<String>(
        "kv_namespace", .text("the id or the title of a KV namespace"), .value(""),
        variables: ["CLOUDFLARE_SECRETS_STORE"], unset: "required",
        summary: "The namespace of Workers KV: its id, or its title, which costs a look-up at each start")
    static let store = VaultSetting<String>(
        "store", .text("the id or the name of a store"), .value(""), variables: ["CLOUDFLARE_SECRETS_STORE"],
        unset: "the account's only one", summary: "The store of Cloudflare's Secrets Store: its id, or its name")
    static let scopes = VaultSetting<[Scope]>(
        "scopes", .choices(minimum: 1), .value([.workers]),
        summary: "The services of Cloudflare that may be given the secrets",
        risk: "Whoever may configure one of these services can read the secrets")

    /// Ids of Cloudflare's need no escape for the two names that a record of KV has; the rest of what is reached by HTTP.
    static let remote = RemoteSettings.all.filter { $0.name != RemoteSettings.literalNames.name }
    static let shared = [account.erased, tokenFile.erased, address.erased]

    static let tokenVariables = ["CLOUDFLARE_API_TOKEN", "CF_API_TOKEN"]
    /// The older ways to log in are not used; what they need is a secret all the same.
    static let secretVariables =
        tokenVariables + ["CLOUDFLARE_API_KEY", "CF_API_KEY", "CLOUDFLARE_API_USER_SERVICE_KEY"]

    /// 32 hex digits: an id of an account, a namespace or a store.
    @Sendable static func isID(_ text: String) -> Bool {
        text.utf8.count == 32 && text.utf8.allSatisfy { Hex.value($0) != nil }
    }

    // MARK: Rules

    static func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        let origin = HTTPURL(vault[address])?.address ?? ""
        return RemoteSettings.mistakes(in: vault, addresses: [(address.name, origin)])
    }

    /// What a daemon that is configured by variables lacks.
    static func mistakes(in vault: VaultConfiguration, _ variables: EnvironmentVariables) -> [SettingMistake] {
        let token = variables.first(of: tokenVariables)?.name
        guard let file = vault.locations[tokenFile.name] else {
            guard token == nil else { return [] }
            return [
                SettingMistake(
                    "CLOUDFLARE_API_TOKEN",
                    "is not set; create an API token for the account and set it, or CLOUDFLARE_API_TOKEN_FILE")
            ]
        }
        return token.map { [SettingMistake(file, "\($0) is also set; unset one of them")] } ?? []
    }

    /// The variable that the vault uses up.
    static func secret(of vault: VaultConfiguration) -> String? {
        vault[tokenFile].isEmpty ? tokenVariables[0] : nil
    }

    // MARK: Opening

    /// - Throws: FAILED_PRECONDITION where there is no token.
    static func client(
        _ vault: VaultConfiguration, _ context: VaultContext, for product: CloudflareProduct
    ) throws(Failure) -> CloudflareClient {
        guard let url = HTTPURL(vault[address]) else {
            throw .badField(address.name, "expected \(address.kind.expects)")
        }
        var endpoint = HTTPEndpoint(url.origin, vault, try context.tlsFiles(vault))
        endpoint.maximumResponseBytes = CloudflareClient.maximumAnswerBytes
        let token = CloudflareToken(try token(vault, context))
        if let path = vault[tokenFile].unlessEmpty {
            context.whenReloaded(vault) { deadline throws(Failure) in
                try token.replace(by: try await context.file(path, .secret, deadline: deadline), from: path)
            }
        }
        if vault[account].isEmpty {
            context.notice(
                vault.name,
                "no account is set: Cloudflare is asked which one the API token may use; set CLOUDFLARE_ACCOUNT_ID or account_id to save the call"
            )
        }
        return CloudflareClient(
            transport: try context.connect(endpoint), root: url.root, token: token,
            product: product, vault: vault.name)
    }

    private static func token(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> Secret {
        if let path = vault[tokenFile].unlessEmpty {
            guard let content = try context.readFile(path, .secret) else {
                throw .fileUnreadable(path, "it does not exist")
            }
            return try CloudflareToken.checked(content, from: path)
        }
        guard let token = context.secret(tokenVariables) else {
            throw Failure(
                .failedPrecondition, .notSupported,
                "no API token: set CLOUDFLARE_API_TOKEN, or api_token_file to a file with one")
        }
        return try CloudflareToken.checked(token, from: "CLOUDFLARE_API_TOKEN")
    }
}
