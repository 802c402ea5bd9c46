internal import CofferCore
internal import CofferCrypto
internal import CofferHTTP
internal import CofferVaultKit

/// Finds credentials in the order of Google's own programs, and logs in with them: the credentials file of the
/// configuration or of GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, the metadata server. Reads everything again each
/// time it is asked.
struct GoogleLogin: Sendable {
    static let scope = "https://www.googleapis.com/auth/cloud-platform"
    /// For a token that does nothing but impersonate.
    private static let impersonationScope = "https://www.googleapis.com/auth/iam"

    /// A file that credentials may be in.
    private enum File {
        /// Somebody named it, so it has to be there.
        case named(String)
        /// gcloud's, if it is there.
        case standard(String)
    }

    let dependencies: CloudDependencies
    let tokenOrigin: HTTPOrigin?
    let tokens: GoogleTokenService
    let metadata: GoogleMetadata
    let clock: any Clock
    let vault: String
    private let file: File?

    /// - Throws: INVALID_ARGUMENT for addresses that are none.
    init(
        _ options: GoogleOptions, dependencies: CloudDependencies, transports: CloudTransports, clock: any Clock,
        vault: String
    ) throws(Failure) {
        self.dependencies = dependencies
        tokenOrigin = try options.tokenEndpoint.map { text throws(Failure) in
            guard let origin = HTTPOrigin(address: text) else {
                throw Failure(
                    .invalidArgument, .badField, "token_endpoint: expected https://host[:port] without a path",
                    vault: vault)
            }
            return origin
        }
        tokens = GoogleTokenService(transports: transports, tokenOrigin: tokenOrigin, clock: clock, vault: vault)
        metadata = try GoogleMetadata(dependencies, transports: transports, clock: clock, vault: vault)
        self.clock = clock
        self.vault = vault
        if let named = options.credentialsFile ?? dependencies.text("GOOGLE_APPLICATION_CREDENTIALS") {
            file = .named(named)
        } else {
            let folder =
                dependencies.text("CLOUDSDK_CONFIG") ?? dependencies.text("HOME").map { $0 + "/.config/gcloud" }
            file = folder.map { .standard($0 + "/application_default_credentials.json") }
        }
    }

    // MARK: The file

    /// The credentials file, for the start: read, and its key tried out.
    ///
    /// - Returns: nil if there is none.
    /// - Throws: FAILED_PRECONDITION for one that is named and missing, or cannot be used.
    func checkedFile() throws(Failure) -> GoogleCredentialsFile? {
        guard let path else { return nil }
        guard let content = try dependencies.file(path, .platform) else { return try missing() }
        let file = try reader(path).read(content)
        // Whose keys others can read is not used, whatever it says.
        if file.isSecret { _ = try dependencies.file(path, .secret) }
        if case .serviceAccount(let account) = file.kind { _ = try tokens.assertion(account, path: path) }
        return file
    }

    private func currentFile(_ deadline: BootInstant) async throws(Failure) -> (String, GoogleCredentialsFile)? {
        guard let path else { return nil }
        guard let content = try await dependencies.fileLater(path, .platform, deadline) else {
            _ = try missing()
            return nil
        }
        let file = try reader(path).read(content)
        if file.isSecret { _ = try await dependencies.fileLater(path, .secret, deadline) }
        return (path, file)
    }

    private var path: String? {
        switch file {
        case .named(let path), .standard(let path): path
        case nil: nil
        }
    }

    private func missing() throws(Failure) -> GoogleCredentialsFile? {
        guard case .named(let path) = file else { return nil }
        throw Failure(
            .failedPrecondition, .vaultRefused,
            "credentials_file: \(path) does not exist; set credentials_file or GOOGLE_APPLICATION_CREDENTIALS to the file with the credentials",
            vault: vault, isUnsent: true)
    }

    private func reader(_ path: String) -> GoogleCredentialsReader {
        GoogleCredentialsReader(path: path, tokenOrigin: tokenOrigin, vault: vault)
    }

    // MARK: Tokens

    /// - Throws: what is wrong with the first source that is there, or where there was none.
    func token(deadline: BootInstant) async throws(Failure) -> GoogleToken {
        guard let (path, file) = try await currentFile(deadline) else { return try await instance(deadline) }
        switch file.kind {
        case .serviceAccount(let account):
            return try await tokens.token(
                at: account.tokens,
                [
                    ("grant_type", Secret("urn:ietf:params:oauth:grant-type:jwt-bearer")),
                    ("assertion", try tokens.assertion(account, path: path)),
                ], quotaProject: file.quotaProject, deadline: deadline)
        case .authorizedUser(let user):
            return try await tokens.token(
                at: user.tokens,
                [
                    ("grant_type", Secret("refresh_token")), ("client_id", user.clientID),
                    ("client_secret", user.clientSecret), ("refresh_token", user.refreshToken),
                ], quotaProject: file.quotaProject, deadline: deadline)
        case .externalAccount(let account):
            let subject = try await subjectToken(account.source, deadline)
            let exchanged = try await tokens.token(
                at: account.tokens, Self.exchange(account, subject), quotaProject: file.quotaProject, deadline: deadline)
            guard let url = account.impersonation else { return exchanged }
            return try await tokens.impersonate(
                at: url, with: exchanged, seconds: account.lifetime, deadline: deadline)
        }
    }

    private static func exchange(
        _ account: GoogleCredentialsFile.ExternalAccount, _ subject: Secret
    ) -> [(name: String, value: Secret)] {
        [
            ("grant_type", Secret("urn:ietf:params:oauth:grant-type:token-exchange")),
            ("audience", Secret(account.audience)),
            ("scope", Secret(account.impersonation == nil ? scope : impersonationScope)),
            ("requested_token_type", Secret("urn:ietf:params:oauth:token-type:access_token")),
            ("subject_token", subject), ("subject_token_type", Secret(account.tokenType)),
        ]
    }

    /// The other issuer's token.
    private func subjectToken(
        _ source: GoogleCredentialsFile.Source, _ deadline: BootInstant
    ) async throws(Failure) -> Secret {
        let content: Secret
        let place: String
        switch source.place {
        case .file(let path):
            place = path
            guard let found = try await dependencies.fileLater(path, .platform, deadline) else {
                throw .googleCredentials("\(path), the credential_source, does not exist", vault: vault, isUnsent: true)
            }
            content = found
        case .url(let url, let headers):
            place = "the answer of credential_source.url"
            content = try await tokens.subject(at: url, headers, deadline: deadline)
        }
        guard let member = source.member else { return content.withoutLineEnd }
        guard let token = (try? JSON.parse(content))?[member]?.secret, token.count > 0 else {
            throw .googleCredentials(
                "\(place) is no JSON object with the text \(member), which credential_source.format names", vault: vault,
                isUnsent: true)
        }
        return token
    }

    private func instance(_ deadline: BootInstant) async throws(Failure) -> GoogleToken {
        do throws(Failure) {
            return try await metadata.token(deadline: deadline)
        } catch {
            // No answer at all: this host is no instance.
            guard error.reason == .vaultUnreachable || error.reason == .deadline else { throw error }
            throw .googleCredentials(
                "none found: GOOGLE_APPLICATION_CREDENTIALS and credentials_file are not set, gcloud has left no login "
                    + "(\(path ?? "neither CLOUDSDK_CONFIG nor HOME is set")), and the metadata server does not answer",
                vault: vault, retryable: true, isUnsent: true)
        }
    }
}
