import CLinux
import CofferVaultCatalogue
package import CofferVaultKit
import Glibc

/// The process's environment and files, as the loader wants them.
package enum Environment {
    /// What stands for a secret: that there is one.
    private static let isSet = "set"

    /// Only the variables that the loader and the drivers ask about, and each of them that is not UTF-8.
    package static func current(
        _ catalogue: VaultCatalogue = .standard
    ) -> (variables: [String: String], mistakes: [ConfigurationError]) {
        let secrets = [SecretVariables.passphraseName] + catalogue.secretVariables
        let names =
            ConfigurationLoader.variables.map(\.name) + catalogue.variables
            + ["XDG_RUNTIME_DIR", "XDG_DATA_HOME", "HOME", "CREDENTIALS_DIRECTORY"]
        var result: [String: String] = [:]
        var mistakes: [ConfigurationError] = []
        // Several types of vault have a setting of one name.
        for name in Set(names).subtracting(secrets).sorted() {
            guard let value = getenv(name) else { continue }
            // Repaired it would name something else. Secrets may be any bytes.
            guard let text = String(validatingCString: value) else {
                mistakes.append(ConfigurationError(name, "its value is not UTF-8"))
                continue
            }
            result[name] = text
        }
        // Names that are no setting's are the loader's to refuse.
        for name in set(prefix: VaultVariables.prefix) where result[name] == nil && !mistakes.contains(where: { $0.place == name }) {
            result[name] = isSet
        }
        for name in secrets {
            if let isEmpty = SecretVariables.isEmpty(name) { result[name] = isEmpty ? "" : isSet }
        }
        return (result, mistakes)
    }

    /// Of the variables whose names begin so, what can be printed of each name.
    private static func set(prefix: String) -> [String] {
        var found: [String] = []
        var index = 0
        while let entry = coffer_environment_entry(index) {
            index += 1
            guard strncmp(entry, prefix, prefix.utf8.count) == 0 else { continue }
            let text = String(cString: entry)
            found.append(String(text.prefix { $0 != "=" }.prefix(64).filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }))
        }
        return found
    }

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
