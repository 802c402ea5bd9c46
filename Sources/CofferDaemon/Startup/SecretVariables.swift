import CLinux
package import CofferCore
import Glibc

/// The secrets that came in environment variables, taken out of it.
package struct SecretVariables: Sendable {
    /// All of them.
    static let names = [
        "CREDENTIAL_ENCRYPTION_KEY", "VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID", "BAO_SECRET_ID",
    ] + awsNames

    /// Those of AWS's own credential chain.
    private static let awsNames = [
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ]

    /// `$CREDENTIAL_ENCRYPTION_KEY`
    package let passphrase: Secret?
    /// `$BAO_TOKEN` if it is there, even empty; else `$VAULT_TOKEN`.
    package let vaultToken: Secret?
    /// `$BAO_SECRET_ID` if it is there, even empty; else `$VAULT_SECRET_ID`.
    package let vaultSecretID: Secret?
    /// Those of AWS that are set and not empty.
    package let aws: [String: Secret]

    /// Takes them all, needed or not: no secret stays in the environment. Once in
    /// a process, before there are other threads.
    package static func take() -> SecretVariables {
        var taken: [String: Secret?] = [:]
        for name in names {
            if let value = take(name) { taken[name] = value }
        }
        return SecretVariables(
            passphrase: taken["CREDENTIAL_ENCRYPTION_KEY"] ?? nil,
            vaultToken: taken["BAO_TOKEN"] ?? taken["VAULT_TOKEN"] ?? nil,
            vaultSecretID: taken["BAO_SECRET_ID"] ?? taken["VAULT_SECRET_ID"] ?? nil,
            aws: Dictionary(uniqueKeysWithValues: awsNames.compactMap { name in (taken[name] ?? nil).map { (name, $0) } }))
    }

    /// Whether it is there but empty; nil if it is not there.
    static func isEmpty(_ name: String) -> Bool? { getenv(name).map { $0.pointee == 0 } }

    /// A variable that stays where it is; nil if it is not set.
    static func value(of name: String) -> Secret? {
        getenv(name).map { Secret(copying: UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
    }

    /// The value, wiped where it stood; nil inside if it is empty, nil if it is not there.
    private static func take(_ name: String) -> Secret?? {
        guard let value = getenv(name) else { return nil }
        let length = strlen(value)
        defer {
            coffer_wipe(value, length)
            unsetenv(name)
        }
        guard length > 0 else { return .some(nil) }
        return Secret(copying: UnsafeRawBufferPointer(start: value, count: length))
    }
}
