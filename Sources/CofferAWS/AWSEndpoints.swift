internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Region and servers, from options, environment and profile.
struct AWSEndpoints: Sendable {
    enum Service: String, Sendable {
        case secretsManager = "secretsmanager"
        case tokens = "sts"

        /// The variable that names another server for it.
        fileprivate var variable: String {
            switch self {
            case .secretsManager: "AWS_ENDPOINT_URL_SECRETS_MANAGER"
            case .tokens: "AWS_ENDPOINT_URL_STS"
            }
        }
    }

    let region: String
    /// Nobody named the region.
    let isFallback: Bool
    let secretsManager: HTTPOrigin
    let tokens: HTTPOrigin

    /// - Throws: FAILED_PRECONDITION without a region, INVALID_ARGUMENT for what
    ///   is not a region or a URL.
    init(
        _ options: AWSOptions, profile: AWSProfile?, dependencies: AWSDependencies, vault: String
    ) throws(Failure) {
        let profileRegion = profile?.text("region")
        let named =
            options.region ?? dependencies.text("AWS_REGION") ?? dependencies.text("AWS_DEFAULT_REGION") ?? profileRegion
        isFallback = named == nil
        guard let region = named ?? options.fallbackRegion else {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "no AWS region is given; set the vault's region, AWS_REGION, AWS_DEFAULT_REGION or the profile's region",
                vault: vault, isUnsent: true)
        }
        let isName = region.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }
        guard isName, (1...63).contains(region.utf8.count) else {
            throw Failure(
                .invalidArgument, .badField, "region: expected letters, digits and hyphens, for instance eu-central-1",
                vault: vault)
        }
        self.region = region
        let wanted = Wanted(
            region: region, fips: options.fips ?? dependencies.isTrue("AWS_USE_FIPS_ENDPOINT"),
            dualStack: options.dualStack ?? dependencies.isTrue("AWS_USE_DUALSTACK_ENDPOINT"), vault: vault)
        func origin(_ service: Service, _ given: String?) throws(Failure) -> HTTPOrigin {
            if let url = given ?? Self.configured(service, profile, dependencies) { return try wanted.custom(url) }
            return try wanted.standard(service)
        }
        secretsManager = try origin(.secretsManager, options.endpoint)
        tokens = try origin(.tokens, options.tokenEndpoint)
    }

    /// The service's own variable, the one for all, the profile.
    private static func configured(
        _ service: Service, _ profile: AWSProfile?, _ dependencies: AWSDependencies
    ) -> String? {
        if dependencies.isTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") { return nil }
        return dependencies.text(service.variable) ?? dependencies.text("AWS_ENDPOINT_URL")
            ?? profile?.text("endpoint_url")
    }
}

/// What the hosts are chosen by.
private struct Wanted {
    let region: String
    let fips: Bool
    let dualStack: Bool
    let vault: String

    /// Region prefixes and what hosts end in there; the first that fits counts.
    private static let suffixes: [(prefix: String, suffix: String, dualStack: Bool)] = [
        ("cn-", "amazonaws.com.cn", true), ("us-gov-", "amazonaws.com", true), ("eusc-", "amazonaws.eu", false),
        ("us-isob-", "sc2s.sgov.gov", false), ("us-isof-", "csp.hci.ic.gov", false),
        ("eu-isoe-", "cloud.adc-e.uk", false), ("us-iso-", "c2s.ic.gov", false), ("", "amazonaws.com", true),
    ]

    func standard(_ service: AWSEndpoints.Service) throws(Failure) -> HTTPOrigin {
        let partition = Self.suffixes.first { region.hasPrefix($0.prefix) } ?? ("", "amazonaws.com", true)
        // Secrets Manager has the same host for both, where it has both at all.
        guard !dualStack || partition.dualStack else {
            throw Failure(
                .invalidArgument, .badField,
                "dual stack: region \(region) has no such endpoint; turn it off, or give an endpoint",
                vault: vault)
        }
        let host = "\(service.rawValue)\(fips ? "-fips" : "").\(region).\(partition.suffix)"
        return HTTPOrigin(isSecure: true, host: host.lowercased(), port: 443)
    }

    func custom(_ text: String) throws(Failure) -> HTTPOrigin {
        guard !fips, !dualStack else {
            throw Failure(
                .invalidArgument, .badField, "endpoint: excludes FIPS and dual stack; leave out one of them",
                vault: vault)
        }
        guard let url = HTTPURL(text), url.path == "/" else {
            throw Failure(
                .invalidArgument, .badField, "endpoint: expected https://host[:port] without a path", vault: vault)
        }
        return url.origin
    }
}
