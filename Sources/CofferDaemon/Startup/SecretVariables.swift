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
    /// Those that were taken by the beginning of their names: names that are UTF-8, and values that are not empty, as they
    /// stood there.
    private let records: [String: Secret]

    init(passphrase: Secret?, values: [String: Secret?], records: [String: Secret] = [:]) {
        self.passphrase = passphrase
        self.values = values
        self.records = records
    }

    /// The first of these variables that is there; nil if none is, or if that one is empty.
    package subscript(names: [String]) -> Secret? {
        for name in names {
            if let value = values[name] { return value }
        }
        return nil
    }

    /// Those whose names begin so, if that beginning was among the prefixes to take.
    func beginning(_ prefix: String) -> [String: Secret] {
        records.filter { $0.key.utf8.starts(with: prefix.utf8) }
    }

    /// Only those of these names and prefixes, without the passphrase: what a vault may hold on to.
    func only(_ names: [String], prefixes: [String] = []) -> SecretVariables {
        SecretVariables(
            passphrase: nil, values: values.filter { names.contains($0.key) },
            records: records.filter { record in prefixes.contains { record.key.utf8.starts(with: $0.utf8) } })
    }

    /// Takes them all, needed or not: no secret stays in the environment, nor does the
    /// address of a proxy, which may have a password and is not obeyed. Once in a process,
    /// before there are other threads.
    ///
    /// - Parameters:
    ///   - names: all of them but the passphrase.
    ///   - prefixes: what the names of others begin with, which are taken whole: no name of theirs stays either.
    package static func take(_ names: [String], prefixes: [String] = []) -> SecretVariables {
        coffer_forget_proxies()
        let passphrase = (take(passphraseName) ?? nil).flatMap { meant($0) == nil ? nil : $0 }
        var values: [String: Secret?] = [:]
        for name in names {
            if let value = take(name) { values[name] = .some(value.flatMap(meant)) }
        }
        var records: [String: Secret] = [:]
        for prefix in prefixes {
            records.merge(entries(prefix)) { first, _ in first }
            coffer_forget_variables(prefix)
        }
        return SecretVariables(passphrase: passphrase, values: values, records: records)
    }

    /// The variables whose names begin so, where they stand. Of two entries of one name the first counts, as for getenv(3).
    private static func entries(_ prefix: String) -> [String: Secret] {
        var found: [String: Secret] = [:]
        var index = 0
        while let entry = coffer_environment_entry(index) {
            index += 1
            guard strncmp(entry, prefix, prefix.utf8.count) == 0, let equals = strchr(entry, Int32(UInt8(ascii: "="))) else {
                continue
            }
            let name = UnsafeRawBufferPointer(start: entry, count: UnsafePointer(equals) - entry)
            let value = UnsafeRawBufferPointer(start: equals + 1, count: strlen(equals + 1))
            guard !value.isEmpty, let text = String(validating: name, as: UTF8.self), found[text] == nil else { continue }
            found[text] = Secret(copying: value)
        }
        return found
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
