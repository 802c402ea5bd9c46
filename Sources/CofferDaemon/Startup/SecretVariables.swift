import CLinux
package import CofferCore
import Glibc

/// The secrets that came in environment variables, taken out of it.
package struct SecretVariables: Sendable {
    /// All of them.
    static let names = [
        passphraseName, "VAULT_TOKEN", "BAO_TOKEN", "VAULT_SECRET_ID", "BAO_SECRET_ID",
    ] + awsNames

    private static let passphraseName = "CREDENTIAL_ENCRYPTION_KEY"

    /// Those of AWS's own credential chain.
    private static let awsNames = [
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ]

    /// `$CREDENTIAL_ENCRYPTION_KEY`, as it stands there; not only a line end. All the others are
    /// without the line end (LF or CRLF) at their end.
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
        let passphrase = (take(passphraseName) ?? nil).flatMap { meant($0) == nil ? nil : $0 }
        var taken: [String: Secret?] = [:]
        for name in names {
            if let value = take(name) { taken[name] = .some(value.flatMap(meant)) }
        }
        return SecretVariables(
            passphrase: passphrase,
            vaultToken: taken["BAO_TOKEN"] ?? taken["VAULT_TOKEN"] ?? nil,
            vaultSecretID: taken["BAO_SECRET_ID"] ?? taken["VAULT_SECRET_ID"] ?? nil,
            aws: Dictionary(uniqueKeysWithValues: awsNames.compactMap { name in (taken[name] ?? nil).map { (name, $0) } }))
    }

    /// Whether it is there but holds nothing, or a line end alone; nil if it is not there.
    static func isEmpty(_ name: String) -> Bool? { value(of: name).map { meant($0) == nil } }

    /// What is left without a line end; nil if that is nothing.
    private static func meant(_ value: Secret) -> Secret? {
        let text = value.withoutLineEnd
        return text.count > 0 ? text : nil
    }

    /// A variable that stays where it is; nil if it is not set.
    static func value(of name: String) -> Secret? {
        getenv(name).map { Secret(copying: UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
    }

    /// The value, wiped wherever it stood; nil inside if it is empty, nil if it is not there.
    private static func take(_ name: String) -> Secret?? {
        guard let value = value(of: name) else { return nil }
        coffer_forget_variable(name)
        return .some(value.count > 0 ? value : nil)
    }
}
