package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
internal import CofferProcess
package import CofferVault
package import CofferVaultKit

/// Vaults of type `aws`: AWS Secrets Manager.
package struct AWSDriver: VaultDriver {
    package let type = "aws"
    package let title = "AWS Secrets Manager"
    package let isLocal = false
    package let guideFormat: RecordFormat? = .legacyAES

    package init() {}

    static let region = VaultSetting<String>(
        "region",
        .text("a region's name, for instance eu-central-1") {
            (1...63).contains($0.utf8.count) && $0.utf8.allSatisfy(SettingText.isLowerOrDigit)
        }, .value(""), unset: "AWS's own chain", summary: "The region")
    static let endpoint = VaultSetting<String>(
        "endpoint", .address, .value(""), unset: "the region's", summary: "Where to go instead")
    static let recoveryWindow = VaultSetting<Int>(
        "recovery_window_days", .quantity(7...30, .days, orZero: true), .value(0),
        summary: "How long what was deleted can be restored; 0 = none",
        risk: "With 0 a deletion is final. Without, what was deleted is still there")
    static let kmsKey = VaultSetting<String>(
        "kms_key", .text("a key's id, ARN or alias"), .value(""), unset: "the account's",
        summary: "The key that encrypts new secrets: id, ARN or alias")
    static let profile = VaultSetting<String>(
        "profile", .text("a profile's name"), .value(""), unset: "AWS's own chain",
        summary: "The profile of AWS's files to take credentials from")

    package let settings =
        CommonSettings.all + RemoteSettings.all + [
            region.erased, endpoint.erased, recoveryWindow.erased, kmsKey.erased, profile.erased,
        ]

    /// Those of AWS's own credential chain.
    package let secretVariables = [
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ]

    package let variables = [
        "AWS_CONFIG_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CREDENTIAL_EXPIRATION", "AWS_DEFAULT_PROFILE",
        "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_ENDPOINT_URL_STS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_IMDS_USE_IPV6",
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "AWS_METADATA_SERVICE_TIMEOUT", "AWS_PROFILE", "AWS_REGION", "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME", "AWS_SHARED_CREDENTIALS_FILE", "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT", "AWS_WEB_IDENTITY_TOKEN_FILE",
    ]

    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        RemoteSettings.mistakes(in: vault, addresses: [("endpoint", vault[Self.endpoint])])
            + (AWSOptions.mistake(inPrefix: vault[RemoteSettings.prefix]).map { [SettingMistake("prefix", $0)] } ?? [])
    }

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String {
        let region = vault[Self.region]
        return vault[Self.endpoint].unlessEmpty ?? title + (region.isEmpty ? "" : " in \(region)")
    }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        let days = vault[Self.recoveryWindow]
        var options = AWSOptions(
            region: vault[Self.region].unlessEmpty, endpoint: vault[Self.endpoint].unlessEmpty,
            prefix: vault[RemoteSettings.prefix], deletion: days == 0 ? .forced : .recoverable(days: days),
            keyID: vault[Self.kmsKey].unlessEmpty, profile: vault[Self.profile].unlessEmpty,
            literalNames: vault[RemoteSettings.literalNames])
        // Under the guide's own variables, its region.
        if !vault.isNamed { options.fallbackRegion = "us-east-1" }
        let adapter = try AWSVault(
            name: vault.name, options: options, dependencies: try dependencies(vault, context), clock: context.clock,
            random: context.random)
        context.whenReloaded(vault) { deadline throws(Failure) in try await adapter.reload(deadline: deadline) }
        if let region = adapter.fallbackRegion {
            context.notice(
                vault.name,
                "no AWS region is set: using \(region), as the guide's own program does; set AWS_REGION to use another")
        }
        return adapter
    }

    private func dependencies(
        _ vault: VaultConfiguration, _ context: VaultContext
    ) throws(Failure) -> AWSDependencies {
        let secrets = secretVariables
        @Sendable func variable(_ name: String) -> Secret? {
            secrets.contains(name) ? context.secret([name]) : context.variable(name)?.withoutLineEnd
        }
        let keyFile = Self.keyFile(variable)
        /// Only the file with keys is the operator's own; platforms lay out the others.
        @Sendable func rule(_ path: String) -> ProtectedFile.Rule { path == keyFile ? .secret : .platform }
        let files = try context.tlsFiles(vault)
        return AWSDependencies(
            variable: variable, file: { path throws(Failure) in try context.readFile(path, rule(path)) },
            fileLater: { path, deadline async throws(Failure) in
                try await context.readFileLater(path, rule(path), deadline)
            },
            transport: { place throws(Failure) in try context.connect(Self.way(to: place, vault, files)) })
    }

    /// Where AWS's own programs keep keys.
    private static func keyFile(_ variable: (String) -> Secret?) -> String? {
        func text(_ name: String) -> String? { variable(name).flatMap(\.text)?.unlessEmpty }
        let path = text("AWS_SHARED_CREDENTIALS_FILE") ?? "~/.aws/credentials"
        return path.hasPrefix("~/") ? text("HOME").map { $0 + path.dropFirst(1) } : path
    }

    private static func way(
        to place: AWSPlace, _ vault: VaultConfiguration, _ files: TLSFiles?
    ) -> HTTPEndpoint {
        switch place.kind {
        case .service: return HTTPEndpoint(place.origin, vault, files)
        case .local:
            var endpoint = HTTPEndpoint(origin: place.origin)
            endpoint.allowsPlainHTTP = true
            endpoint.allowsLinkLocal = true
            endpoint.connectTimeout = .seconds(2)
            return endpoint
        }
    }

    package let advice = VaultAdvice(
        unreachable:
            "Check region and endpoint, that this host reaches them through firewalls and the configured proxy, and that ca_file fits the certificate.",
        login:
            "Check that the access key, profile or role that the daemon finds is valid and not expired, and that the host's clock is right.",
        setUp: "Check that what the message names exists and may be used: the file, the profile, the region, kms_key.",
        permission:
            "Check that the daemon's IAM policy lets it create, read, update and delete secrets below its prefix in the region, and use kms_key.",
        broken:
            "The service answers, but not as it should. Check its status for the region, and that nothing else answers at the endpoint.")
}
