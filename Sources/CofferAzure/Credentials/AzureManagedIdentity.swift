internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// The identity that Azure gives to a machine or an app: where its tokens come from.
struct AzureManagedIdentity: Sendable {
    private static let metadataVariable = "AZURE_POD_IDENTITY_AUTHORITY_HOST"

    private enum Source {
        /// App Service, Functions, Container Apps: with what shows that the request is the app's own.
        case appService(HTTPURL, Secret)
        /// The Instance Metadata Service of a virtual machine.
        case metadata(HTTPURL)
    }

    private let source: Source
    /// Of the identity, where the host has several.
    private let client: String?

    var isOfMachine: Bool { if case .metadata = source { true } else { false } }

    /// - Throws: FAILED_PRECONDITION for a platform that is not supported, and INVALID_ARGUMENT for an address that is none.
    init(variable: (String) -> String?, header: Secret?, client: String?, vault: String) throws(Failure) {
        self.client = client
        if let endpoint = variable("IDENTITY_ENDPOINT") {
            if variable("IMDS_ENDPOINT") != nil { throw Self.unsupported("Azure Arc", vault) }
            if let header {
                if variable("IDENTITY_SERVER_THUMBPRINT") != nil { throw Self.unsupported("Service Fabric", vault) }
                guard header.isHeaderValue() else {
                    throw Failure(.invalidArgument, .badField, "IDENTITY_HEADER: no request can have it", vault: vault)
                }
                source = .appService(try Self.address("IDENTITY_ENDPOINT", endpoint, vault), header)
                return
            }
        }
        if variable("MSI_ENDPOINT") != nil { throw Self.unsupported("Azure Machine Learning or Cloud Shell", vault) }
        let host = variable(Self.metadataVariable) ?? "http://169.254.169.254"
        let path = host.hasSuffix("/") ? "metadata/identity/oauth2/token" : "/metadata/identity/oauth2/token"
        source = .metadata(try Self.address(Self.metadataVariable, host + path, vault))
    }

    private static func unsupported(_ platform: String, _ vault: String) -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "Azure credentials: managed identities of \(platform) are not supported; use a client secret, a certificate or "
                + "workload identity", vault: vault, isUnsent: true)
    }

    /// What the token is asked for with stays on this host or link.
    private static func address(_ variable: String, _ text: String, _ vault: String) throws(Failure) -> HTTPURL {
        guard let url = HTTPURL(text), !url.path.contains("?"),
            url.origin.isSecure || url.origin.isLoopback || url.origin.isLinkLocal
        else {
            throw Failure(
                .invalidArgument, .badField,
                "\(variable): expected https://, or http:// with a loopback or link-local address, and no query", vault: vault)
        }
        return url
    }

    /// - Parameter resource: "https://vault.azure.net", without a scope's "/.default".
    /// - Returns: also the variable that says where it goes, for messages.
    func request(for resource: String) -> (origin: HTTPOrigin, request: HTTPRequest, variable: String) {
        let query = "resource=\(PercentEncoding.text(resource))" + (client.map { "&client_id=\(PercentEncoding.text($0))" } ?? "")
        switch source {
        case .appService(let url, let header):
            let path = url.path + "?api-version=2019-08-01&" + query
            return (url.origin, HTTPRequest(.get, path, headers: [HTTPHeader("X-IDENTITY-HEADER", header)]), "IDENTITY_ENDPOINT")
        case .metadata(let url):
            let path = url.path + "?api-version=2018-02-01&" + query
            return (url.origin, HTTPRequest(.get, path, headers: [HTTPHeader("Metadata", "true")]), Self.metadataVariable)
        }
    }
}
