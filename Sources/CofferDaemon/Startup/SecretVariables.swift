import CLinux
package import CofferCore
import Glibc

/// The secrets that came in environment variables, taken out of it.
package struct SecretVariables: Sendable {
    /// All of them.
    static let names = [
        "CREDENTIAL_ENCRYPTION_KEY", "VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID", "BAO_SECRET_ID",
    ]

    /// `$CREDENTIAL_ENCRYPTION_KEY`
    package let passphrase: Secret?
    /// `$BAO_TOKEN` if it is there, even empty; else `$VAULT_TOKEN`.
    package let vaultToken: Secret?
    /// `$BAO_SECRET_ID` if it is there, even empty; else `$VAULT_SECRET_ID`.
    package let vaultSecretID: Secret?

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
            vaultSecretID: taken["BAO_SECRET_ID"] ?? taken["VAULT_SECRET_ID"] ?? nil)
    }

    /// Whether it is there but empty; nil if it is not there.
    static func isEmpty(_ name: String) -> Bool? { getenv(name).map { $0.pointee == 0 } }

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
