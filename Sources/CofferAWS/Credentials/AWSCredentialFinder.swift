internal import CofferCore
internal import CofferVaultKit

/// Looks for credentials in the order of AWS's own programs: environment, role
/// of a profile, web identity, keys of a profile, container, instance. Reads
/// everything anew each time it is asked.
struct AWSCredentialFinder: Sendable {
    /// The profile that the configuration names: the environment is passed over then.
    let profile: String?
    let dependencies: AWSDependencies
    let tokens: AWSTokenService
    let local: AWSLocalCredentials
    let vault: String

    /// - Throws: what is wrong with the first source that is there, or where
    ///   there was none.
    func find(deadline: BootInstant) async throws(Failure) -> AWSCredentials {
        if profile == nil, let found = try environment() { return found }
        let profiles = try await AWSProfiles.read(
            name: profile, dependencies: dependencies, vault: vault, deadline: deadline)
        let current = profiles.current
        if let current, current.text("role_arn") != nil, hasSource(current) {
            return try await assume(current, profiles, seen: [], deadline)
        }
        if let found = try await webIdentity(current, deadline) { return found }
        if let current {
            if let found = try keys(of: current) { return found }
            try refuseUnsupported(current)
        }
        if local.hasContainer { return try await local.container(deadline: deadline) }
        if !dependencies.isTrue("AWS_EC2_METADATA_DISABLED") { return try await instance(profiles, deadline) }
        throw nothing(profiles, "the instance metadata is switched off by AWS_EC2_METADATA_DISABLED", retryable: false)
    }

    private func instance(_ profiles: AWSProfiles, _ deadline: BootInstant) async throws(Failure) -> AWSCredentials {
        do throws(Failure) {
            return try await local.instance(deadline: deadline)
        } catch {
            // No answer at all: this host is no instance.
            guard error.reason == .vaultUnreachable || error.reason == .deadline else { throw error }
            throw nothing(profiles, "the instance metadata service does not answer", retryable: true)
        }
    }

    private func nothing(_ profiles: AWSProfiles, _ last: String, retryable: Bool) -> Failure {
        .awsCredentials(
            "none found: AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE and the container variables are not set, the profile "
                + "\(AWSProfileFile.shown(profiles.chosen)) has none, and \(last)", vault: vault, retryable: retryable, isUnsent: true)
    }

    // MARK: Environment

    private func environment() throws(Failure) -> AWSCredentials? {
        guard let id = dependencies.secret("AWS_ACCESS_KEY_ID") else { return nil }
        guard let secret = dependencies.secret("AWS_SECRET_ACCESS_KEY") else {
            throw .awsCredentials(
                "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY; set both or neither", vault: vault, isUnsent: true)
        }
        var expires: WallMilliseconds?
        if let text = dependencies.text("AWS_CREDENTIAL_EXPIRATION") {
            guard let time = Timestamp.milliseconds(of: text) else {
                throw .awsCredentials(
                    "AWS_CREDENTIAL_EXPIRATION: expected a time like 2026-01-02T03:04:05Z", vault: vault, isUnsent: true)
            }
            expires = time
        }
        let token = dependencies.secret("AWS_SECURITY_TOKEN") ?? dependencies.secret("AWS_SESSION_TOKEN")
        guard let found = AWSCredentials.checked(id, secret, token, expiresAt: expires) else {
            throw .awsCredentials(
                "AWS_ACCESS_KEY_ID or the session token has characters that no key has; check for line ends and quotes",
                vault: vault, isUnsent: true)
        }
        return found
    }

    // MARK: Profiles

    private func hasSource(_ profile: AWSProfile) -> Bool {
        profile.secret("source_profile") != nil || profile.secret("credential_source") != nil
    }

    private func keys(of profile: AWSProfile) throws(Failure) -> AWSCredentials? {
        guard let id = profile.secret("aws_access_key_id") else { return nil }
        let token = profile.secret("aws_security_token") ?? profile.secret("aws_session_token")
        guard let found = AWSCredentials.checked(id, profile.secret("aws_secret_access_key"), token) else {
            throw .awsCredentials(
                "the profile \(AWSProfileFile.shown(profile.name)) has aws_access_key_id without aws_secret_access_key, or "
                    + "with characters that no key has", vault: vault, isUnsent: true)
        }
        return found
    }

    /// What needs a browser or another program.
    private func refuseUnsupported(_ profile: AWSProfile) throws(Failure) {
        for member in ["sso_session", "sso_start_url", "login_session", "credential_process"]
        where profile.secret(member) != nil {
            throw .awsCredentials(
                "the profile \(AWSProfileFile.shown(profile.name)) has only \(member), which is not supported; use keys, a "
                    + "role with source_profile or credential_source, web identity, or the role of the container or "
                    + "instance", vault: vault, isUnsent: true)
        }
    }

    private func assume(
        _ profile: AWSProfile, _ profiles: AWSProfiles, seen: Set<String>, _ deadline: BootInstant
    ) async throws(Failure) -> AWSCredentials {
        let shown = AWSProfileFile.shown(profile.name)
        guard profile.secret("mfa_serial") == nil else {
            throw .awsCredentials(
                "the profile \(shown) has mfa_serial, which needs a person and is not supported", vault: vault, isUnsent: true)
        }
        guard profile.secret("source_profile") == nil || profile.secret("credential_source") == nil else {
            throw .awsCredentials(
                "the profile \(shown) has both source_profile and credential_source; remove one", vault: vault, isUnsent: true)
        }
        let source = try await source(of: profile, profiles, seen: seen.union([profile.name]), deadline)
        return try await tokens.assume(try role(of: profile), with: source, deadline: deadline)
    }

    private func source(
        of profile: AWSProfile, _ profiles: AWSProfiles, seen: Set<String>, _ deadline: BootInstant
    ) async throws(Failure) -> AWSCredentials {
        let shown = AWSProfileFile.shown(profile.name)
        switch profile.text("credential_source") {
        case "Environment":
            guard let found = try environment() else {
                throw .awsCredentials(
                    "the profile \(shown) has credential_source = Environment, and AWS_ACCESS_KEY_ID is not set",
                    vault: vault, isUnsent: true)
            }
            return found
        case "EcsContainer": return try await local.container(deadline: deadline)
        case "Ec2InstanceMetadata": return try await local.instance(deadline: deadline)
        case .some:
            throw .awsCredentials(
                "the profile \(shown): credential_source: expected Environment, EcsContainer or Ec2InstanceMetadata",
                vault: vault, isUnsent: true)
        case nil: break
        }
        guard let name = profile.text("source_profile"), let source = profiles[name] else {
            throw .awsCredentials("the source_profile of \(shown) is not there; check its name", vault: vault, isUnsent: true)
        }
        // A profile may use its own keys for its own role; else they must not go in a circle.
        if !seen.contains(name), source.text("role_arn") != nil {
            if hasSource(source) { return try await assume(source, profiles, seen: seen, deadline) }
            if let found = try await webIdentity(source, deadline, environment: false) { return found }
        }
        guard let found = try keys(of: source) else {
            try refuseUnsupported(source)
            throw .awsCredentials(
                "the source_profile of \(shown) has no keys, or the profiles name each other in a circle", vault: vault, isUnsent: true)
        }
        return found
    }

    private func role(of profile: AWSProfile) throws(Failure) -> AWSTokenService.Role {
        var role = AWSTokenService.Role(arn: profile.text("role_arn") ?? "")
        role.session = profile.text("role_session_name")
        role.externalID = profile.secret("external_id")
        if let text = profile.text("duration_seconds") {
            guard let seconds = Int(text) else {
                throw .awsCredentials("duration_seconds: expected 900 to 43200", vault: vault, isUnsent: true)
            }
            role.seconds = seconds
        }
        return role
    }

    // MARK: Web identity

    private func webIdentity(
        _ profile: AWSProfile?, _ deadline: BootInstant, environment: Bool = true
    ) async throws(Failure) -> AWSCredentials? {
        let fromEnvironment = environment && self.profile == nil
        let path: String
        var role: AWSTokenService.Role
        if fromEnvironment, let file = dependencies.text("AWS_WEB_IDENTITY_TOKEN_FILE") {
            guard let arn = dependencies.text("AWS_ROLE_ARN") else {
                throw .awsCredentials("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN", vault: vault, isUnsent: true)
            }
            path = file
            role = AWSTokenService.Role(arn: arn, session: dependencies.text("AWS_ROLE_SESSION_NAME"))
        } else if let profile, profile.text("role_arn") != nil {
            guard let file = profile.text("web_identity_token_file") else {
                throw .awsCredentials(
                    "the profile \(AWSProfileFile.shown(profile.name)) has role_arn without source_profile, "
                        + "credential_source or web_identity_token_file", vault: vault, isUnsent: true)
            }
            path = file
            role = try self.role(of: profile)
        } else {
            return nil
        }
        guard let content = try await dependencies.fileLater(path, deadline) else {
            throw .awsCredentials("the web identity token file is not there; check its path and mount", vault: vault, isUnsent: true)
        }
        return try await tokens.assume(role, webIdentity: content.withoutLineEnd, deadline: deadline)
    }
}
