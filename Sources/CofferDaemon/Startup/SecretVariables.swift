import CLinux
package import CofferCore
import Glibc

/// The secrets that came in environment variables, taken out of it.
package struct SecretVariables: Sendable {
    static let passphraseName = "CREDENTIAL_ENCRYPTION_KEY"

    /// `$CREDENTIAL_ENCRYPTION_KEY`, as it stands there; not only a line end. All the others are
    /// without the line end (LF or CRLF) at their end.
    package let passphrase: Secret?
    /// Those that are there; nil inside for one that is empty.
    private let values: [String: Secret?]

    init(passphrase: Secret?, values: [String: Secret?]) {
        self.passphrase = passphrase
        self.values = values
    }

    /// The first of these variables that is there; nil if none is, or if that one is empty.
    package subscript(names: [String]) -> Secret? {
        for name in names {
            if let value = values[name] { return value }
        }
        return nil
    }

    /// Only those of these names, without the passphrase: what a vault may hold on to.
    func only(_ names: [String]) -> SecretVariables {
        SecretVariables(passphrase: nil, values: values.filter { names.contains($0.key) })
    }

    /// Takes them all, needed or not: no secret stays in the environment, nor does the
    /// address of a proxy, which may have a password and is not obeyed. Once in a process,
    /// before there are other threads.
    ///
    /// - Parameter names: all of them but the passphrase.
    package static func take(_ names: [String]) -> SecretVariables {
        coffer_forget_proxies()
        let passphrase = (take(passphraseName) ?? nil).flatMap { meant($0) == nil ? nil : $0 }
        var values: [String: Secret?] = [:]
        for name in names {
            if let value = take(name) { values[name] = .some(value.flatMap(meant)) }
        }
        return SecretVariables(passphrase: passphrase, values: values)
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
