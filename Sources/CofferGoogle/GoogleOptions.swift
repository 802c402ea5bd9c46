internal import CofferCore
internal import CofferHTTP

/// How to use Google Secret Manager. What is nil is looked for where Google's own programs look.
package struct GoogleOptions: Sendable {
    /// By id or number; nil = that of the key file.
    package var project: String?
    /// A region, for regional secrets; nil = secrets are global.
    package var location: String?
    /// Regions that new global secrets are kept in; empty = Google chooses.
    package var replicas: [String]
    /// Another server than the service's, as `https://host[:port]`.
    package var endpoint: String?
    /// Another server for tokens than Google's own, which a credentials file may then name.
    package var tokenEndpoint: String?
    /// A credentials file; nil = GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, the metadata server.
    package var credentialsFile: String?
    /// The project that calls are counted for; nil = that of the credentials file, or the caller's own.
    package var quotaProject: String?
    /// The first part of every name.
    package var prefix: String
    /// Versions of a secret that stay after a write, the newest first; 0 = all.
    package var versionsKept: Int

    package init(
        project: String? = nil, location: String? = nil, replicas: [String] = [], endpoint: String? = nil,
        tokenEndpoint: String? = nil, credentialsFile: String? = nil, quotaProject: String? = nil,
        prefix: String = "ai2-connectors", versionsKept: Int = 2
    ) {
        self.project = project
        self.location = location
        self.replicas = replicas
        self.endpoint = endpoint
        self.tokenEndpoint = tokenEndpoint
        self.credentialsFile = credentialsFile
        self.quotaProject = quotaProject
        self.prefix = prefix
        self.versionsKept = versionsKept
    }

    /// Where the service is asked.
    func origin(vault: String) throws(Failure) -> HTTPOrigin {
        guard let endpoint else {
            let host = location.map { "secretmanager.\($0).rep.googleapis.com" } ?? "secretmanager.googleapis.com"
            return HTTPOrigin(isSecure: true, host: host, port: 443)
        }
        guard let origin = HTTPOrigin(address: endpoint) else {
            throw Failure(
                .invalidArgument, .badField, "endpoint: expected https://host[:port] without a path", vault: vault)
        }
        return origin
    }
}
