internal import CofferCore
package import CofferHTTP

/// How to use an Azure Key Vault.
package struct AzureOptions: Sendable {
    /// What a Store does with a secret that was deleted and is kept by the service for its retention time.
    package enum Deleted: String, CaseIterable, Sendable {
        /// Bring it back, and write the new version to it.
        case recover
        /// Let it go for good, and make a new one.
        case purge
    }

    /// The vault's own server.
    package var origin: HTTPOrigin
    package var prefix: String
    package var deleted: Deleted
    /// What tokens are asked for: `https://vault.azure.net`; nil = by the vault's host, or as its server says.
    package var resource: HTTPOrigin?
    package var tenant: String?
    /// Of the application, or of the managed identity.
    package var client: String?
    package var clientSecretFile: String?
    /// PEM, with the key.
    package var certificateFile: String?
    package var federatedTokenFile: String?
    /// Files that are configured count before AZURE_CLIENT_SECRET.
    package var prefersFiles: Bool
    /// Where applications get tokens.
    package var authority: HTTPOrigin

    package init(
        origin: HTTPOrigin, prefix: String = "c", deleted: Deleted = .recover, resource: HTTPOrigin? = nil,
        tenant: String? = nil, client: String? = nil, clientSecretFile: String? = nil, certificateFile: String? = nil,
        federatedTokenFile: String? = nil, prefersFiles: Bool = false,
        authority: HTTPOrigin = HTTPOrigin(isSecure: true, host: "login.microsoftonline.com", port: 443)
    ) {
        self.origin = origin
        self.prefix = prefix
        self.deleted = deleted
        self.resource = resource
        self.tenant = tenant
        self.client = client
        self.clientSecretFile = clientSecretFile
        self.certificateFile = certificateFile
        self.federatedTokenFile = federatedTokenFile
        self.prefersFiles = prefersFiles
        self.authority = authority
    }
}
