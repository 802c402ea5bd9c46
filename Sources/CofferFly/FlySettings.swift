internal import CofferCore
internal import CofferCrypto
internal import CofferHTTP
internal import CofferProcess
internal import CofferVault
internal import CofferVaultKit

/// Settings of vaults at Fly.io, beside those of every vault by HTTP, and what they become.
enum FlySettings {
    /// What becomes of a secret that was written.
    enum Deployment: String, CaseIterable, Sendable {
        /// It waits for an update of the app's Machines by somebody else.
        case staged
        /// The daemon updates them.
        case deployed
    }

    static let app = VaultSetting<String>(
        "app", .text("an app's name, 1 to 63 small letters, digits and hyphens") { isApp($0) }, .value(""),
        variables: [appVariable], unset: "`$FLY_APP_NAME`, which Fly sets in each Machine",
        summary: "The app whose secrets are written. Reading needs none")
    static let tokenFile = VaultSetting<String>(
        "api_token_file", .absoluteFile, .value(""), variables: ["FLY_ACCESS_TOKEN_FILE", "FLY_API_TOKEN_FILE"],
        summary: RemoteSettings.tokenFileSummary)
    static let address = VaultSetting<String>(
        "api_url", .baseURL, .value("https://api.machines.dev"), variables: ["FLY_FLAPS_BASE_URL"],
        unset: RemoteSettings.apiURLDefaults, summary: RemoteSettings.apiURLSummary)
    static let deployment = VaultSetting<Deployment>(
        "deployment", .choice, .value(.staged),
        summary:
            "`staged`: what is stored reaches the environment of the app's Machines with their next update, and until then only this daemon serves it; `deployed`: the daemon updates the Machines itself",
        risk: "`deployed` starts every Machine of the app again, this daemon's own as the last")
    static let delay = VaultSetting<Int>(
        "deploy_delay_ms", .quantity(0...3_600_000, .milliseconds), .value(10_000),
        summary: "With `deployment: deployed`: how long nothing may have been stored before the Machines are updated")

    static let appVariable = "FLY_APP_NAME"
    static let machineVariable = "FLY_MACHINE_ID"
    static let machineVersionVariable = "FLY_MACHINE_VERSION"
    /// In the order in which Fly's own tools look at them.
    static let tokenVariables = ["FLY_ACCESS_TOKEN", "FLY_API_TOKEN"]

    /// The guide's names have no other beginning, and no id as it is that needs an escape.
    private static let foreign: Set<String> = [RemoteSettings.prefix.name, RemoteSettings.literalNames.name]
    static let remote = RemoteSettings.all.filter { !foreign.contains($0.name) }
    static let own = [app.erased, tokenFile.erased, address.erased, deployment.erased, delay.erased]

    @Sendable private static func isApp(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count) && text.utf8.allSatisfy(SettingText.isLowerOrDigit) && !text.hasPrefix("-")
    }

    // MARK: Opening

    /// - Returns: nil where there is no token.
    /// - Throws: FAILED_PRECONDITION where there is a token, and no app.
    static func client(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> FlyClient? {
        guard let token = try token(vault, context) else { return nil }
        let name = appName(vault, context)
        guard isApp(name) else {
            throw Failure(
                .failedPrecondition, .notSupported,
                "app: expected an app's name, as there is an API token; Fly sets FLY_APP_NAME in each Machine, elsewhere set app")
        }
        guard let url = HTTPURL(vault[address]) else {
            throw .badField(address.name, "expected \(address.kind.expects)")
        }
        if let path = vault[tokenFile].unlessEmpty {
            // The context has the values of all records: what lives on has only what it needs of it.
            let file = context.readFileLater
            context.whenReloaded(vault) { deadline throws(Failure) in
                guard let content = try await file(path, .secret, deadline) else {
                    throw .fileUnreadable(path, "it does not exist")
                }
                return try token.replace(by: content, from: path)
            }
        }
        let endpoint = HTTPEndpoint(url.origin, vault, try context.tlsFiles(vault))
        return FlyClient(
            transport: try context.connect(endpoint), root: url.root, app: name, token: token, vault: vault.name,
            clock: context.clock)
    }

    /// "" = it is not said.
    static func appName(_ vault: VaultConfiguration, _ context: VaultContext) -> String {
        vault[app].unlessEmpty ?? context.variable(appVariable)?.text ?? ""
    }

    /// - Throws: FAILED_PRECONDITION if the environment is another app's: its records would be served as those of `app`, and what
    ///   is stored in `app` would never come to it.
    static func checkApp(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) {
        guard let own = context.variable(appVariable)?.text?.unlessEmpty, let other = vault[app].unlessEmpty, own != other
        else { return }
        throw Failure(
            .failedPrecondition, .notSupported,
            "app: is \(other), and this Machine is of the app \(own) (FLY_APP_NAME), whose secrets its environment has; leave out app, or run cofferd in a Machine of \(other)"
        )
    }

    private static func token(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> FlyToken? {
        if let path = vault[tokenFile].unlessEmpty {
            guard let content = try context.readFile(path, .secret) else { throw .fileUnreadable(path, "it does not exist") }
            return FlyToken(try FlyToken.checked(content, from: path))
        }
        guard let token = context.secret(tokenVariables) else { return nil }
        return FlyToken(try FlyToken.checked(token, from: tokenVariables.joined(separator: " or ")))
    }
}
