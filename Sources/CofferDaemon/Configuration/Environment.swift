import Glibc

/// The process's environment and files, as the loader wants them.
package enum Environment {
    /// What stands for a secret: that there is one.
    private static let set = "set"

    /// Only the variables that the loader asks about.
    ///
    /// - Throws: for each variable of ours, AWS's or Vault's that is not UTF-8.
    package static func current() throws(ConfigurationErrors) -> [String: String] {
        var result: [String: String] = [:]
        let names =
            ConfigurationLoader.variables.map(\.name) + VaultVariables.names
            + [VaultVariables.formatVariable, "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "HOME"]
        let mistakes = Self.mistakes
        guard mistakes.isEmpty else { throw ConfigurationErrors(mistakes) }
        for name in names where !SecretVariables.names.contains(name) {
            if let value = getenv(name) { result[name] = String(cString: value) }
        }
        for name in SecretVariables.names {
            if let isEmpty = SecretVariables.isEmpty(name) { result[name] = isEmpty ? "" : set }
        }
        return result
    }

    /// Variables that are no text. Repaired they would name something else. Secrets may be
    /// any bytes.
    private static var mistakes: [ConfigurationError] {
        let names =
            ConfigurationLoader.variables.map(\.name) + VaultVariables.names + awsNames
            + ["XDG_RUNTIME_DIR", "XDG_DATA_HOME", "HOME", "CREDENTIALS_DIRECTORY"]
        return names.filter { name in
            guard !SecretVariables.names.contains(name), let value = getenv(name) else { return false }
            return String(validatingCString: value) == nil
        }.map { ConfigurationError($0, "its value is not UTF-8") }
    }

    /// Those that vaults of type `aws` read, but for secrets.
    private static let awsNames = [
        "AWS_CONFIG_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CREDENTIAL_EXPIRATION", "AWS_DEFAULT_PROFILE",
        "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_ENDPOINT_URL_STS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_IMDS_USE_IPV6",
        "AWS_METADATA_SERVICE_NUM_ATTEMPTS", "AWS_METADATA_SERVICE_TIMEOUT", "AWS_PROFILE", "AWS_REGION", "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME", "AWS_SHARED_CREDENTIALS_FILE", "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT", "AWS_WEB_IDENTITY_TOKEN_FILE",
    ]

    /// A configuration file's text; nil if there is no file.
    ///
    /// - Throws: why it cannot be taken: not readable, over 1 MiB, not UTF-8.
    package static func text(ofFile path: String) throws(ConfigurationError) -> String? {
        guard let file = fopen(path, "re") else {
            let code = errno
            if code == ENOENT || code == ENOTDIR { return nil }
            throw ConfigurationError(path, "cannot be read: \(String(cString: strerror(code)))")
        }
        defer { fclose(file) }
        let limit = 1 << 20
        var bytes = [UInt8](repeating: 0, count: limit + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        guard ferror(file) == 0 else {
            throw ConfigurationError(path, "cannot be read: \(String(cString: strerror(errno)))")
        }
        guard count <= limit else {
            throw ConfigurationError(path, "is larger than the limit of 1MiB")
        }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw ConfigurationError("\(path):\(line(inText: bytes[..<count]))", "is not UTF-8")
        }
        return text
    }

    /// The first line that is not UTF-8, from 1 on.
    private static func line(inText bytes: ArraySlice<UInt8>) -> Int {
        let lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
        return (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0) + 1
    }
}
