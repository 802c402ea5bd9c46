package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
package import CofferVaultKit

/// Vaults of type `gcp`: Google Secret Manager.
package struct GoogleDriver: VaultDriver {
    package let type = "gcp"
    package let title = "Google Secret Manager"
    package let isLocal = false

    package init() {}

    static let project = VaultSetting<String>(
        "project",
        .text("a project's id or number") {
            (1...128).contains($0.utf8.count)
                && $0.utf8.allSatisfy { SettingText.isLowerOrDigit($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: ":") }
        }, .value(""), variables: ["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"], unset: "the key file's",
        summary: "The project with the secrets, by id or number")
    static let location = VaultSetting<String>(
        "location", region("a region's name, for instance europe-west3"), .value(""), unset: "none: secrets are global",
        summary: "The region of regional secrets, which stay in it",
        risk: "Global and regional secrets are apart: a change leaves the records behind")
    static let replicas = VaultSetting<[String]>(
        "replicas", .texts("a list of at most 20 regions, for instance europe-west3", maximum: 20, isValid: isRegion),
        .value([]), unset: "Google chooses", summary: "The regions that new global secrets are kept in")
    static let versionsKept = VaultSetting<Int>(
        "versions_kept", .number(0...1_000), .value(2),
        summary:
            "How many versions of a secret a Store leaves, the newest first: older ones are destroyed for good; 0 = all stay",
        risk: "Each version that stays is billed. With 1, other daemons' reads can fail for a moment after a Store")
    static let credentialsFile = VaultSetting<String>(
        "credentials_file", .absoluteFile, .value(""), variables: ["GOOGLE_APPLICATION_CREDENTIALS"],
        unset: "Google's own chain",
        summary: "A credentials file: a service account's key, workload identity federation, or a gcloud login")
    static let quotaProject = VaultSetting<String>(
        "quota_project", .text("a project's id or number"), .value(""), variables: ["GOOGLE_CLOUD_QUOTA_PROJECT"],
        unset: "the credentials' own", summary: "The project whose quota calls use up")
    static let endpoint = VaultSetting<String>(
        "endpoint", .address, .value(""), unset: "Google's", summary: "Where to go instead")
    static let tokenEndpoint = VaultSetting<String>(
        "token_endpoint", .address, .value(""), unset: "Google's",
        summary: "Another server than googleapis.com that the credentials file may have tokens from",
        risk: "It gets what the tokens are given for")

    /// All but `literal_names`: no program writes ids as they are here.
    package let settings =
        CommonSettings.all + RemoteSettings.all.filter { $0.name != RemoteSettings.literalNames.name } + [
            project.erased, location.erased, replicas.erased, versionsKept.erased, credentialsFile.erased,
            quotaProject.erased, endpoint.erased, tokenEndpoint.erased,
        ]

    package let variables = ["CLOUDSDK_CONFIG", "GCE_METADATA_HOST", "GCE_METADATA_ROOT", "GOOGLE_APPLICATION_CREDENTIALS"]

    private static func region(_ expects: String) -> SettingKind<String> { .text(expects, isValid: isRegion) }

    @Sendable private static func isRegion(_ text: String) -> Bool {
        (1...63).contains(text.utf8.count) && text.utf8.allSatisfy(SettingText.isLowerOrDigit)
    }

    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        var found = RemoteSettings.mistakes(
            in: vault,
            addresses: [("endpoint", vault[Self.endpoint]), ("token_endpoint", vault[Self.tokenEndpoint])])
        if !GoogleVault.nameRules.accepts(prefix: vault[RemoteSettings.prefix]) {
            found.append(SettingMistake("prefix", GoogleVault.nameRules.expectsPrefix))
        }
        if !vault[Self.location].isEmpty, !vault[Self.replicas].isEmpty {
            found.append(SettingMistake("replicas", "regional secrets have none; leave out replicas or location"))
        }
        return found
    }

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String {
        let place = vault[Self.location].unlessEmpty.map { ", \($0)" } ?? ""
        return vault[Self.endpoint].unlessEmpty
            ?? title + (vault[Self.project].unlessEmpty.map { " in \($0)\(place)" } ?? place)
    }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        let adapter = try GoogleVault(
            name: vault.name,
            options: GoogleOptions(
                project: vault[Self.project].unlessEmpty, location: vault[Self.location].unlessEmpty,
                replicas: vault[Self.replicas], endpoint: vault[Self.endpoint].unlessEmpty,
                tokenEndpoint: vault[Self.tokenEndpoint].unlessEmpty,
                credentialsFile: vault[Self.credentialsFile].unlessEmpty,
                quotaProject: vault[Self.quotaProject].unlessEmpty, prefix: vault[RemoteSettings.prefix],
                versionsKept: vault[Self.versionsKept]),
            dependencies: try CloudDependencies(vault, context), clock: context.clock, random: context.random)
        context.whenReloaded(vault) { deadline throws(Failure) in try await adapter.reload(deadline: deadline) }
        return adapter
    }

    package let advice = VaultAdvice(
        unreachable:
            "Check location and endpoint, that this host reaches them through firewalls and the configured proxy, and that ca_file fits the certificate.",
        login:
            "Check that the service account, key or federation that the daemon finds is enabled, and that the host's clock is right.",
        setUp:
            "Check that what the message names exists and may be used: the project with its API and billing, the credentials file, the version of the secret.",
        permission:
            "Check that the daemon's service account has the role in the manual on the project, and that a condition of the role fits prefix.",
        broken:
            "The service answers, but not as it should. Check Google Cloud's status, and that nothing else answers at the endpoint.")
}
