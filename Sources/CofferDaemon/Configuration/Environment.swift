import Glibc

/// The process's environment and files, as the loader wants them.
package enum Environment {
    /// What stands for a secret: that there is one.
    private static let set = "set"

    /// Only the variables that the loader asks about.
    package static var current: [String: String] {
        var result: [String: String] = [:]
        let names =
            ConfigurationLoader.variables.map(\.name) + VaultVariables.names
            + ["XDG_RUNTIME_DIR", "XDG_DATA_HOME", "HOME"]
        for name in names where !SecretVariables.names.contains(name) {
            if let value = getenv(name) { result[name] = String(cString: value) }
        }
        for name in SecretVariables.names {
            if let isEmpty = SecretVariables.isEmpty(name) { result[name] = isEmpty ? "" : set }
        }
        return result
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
            throw ConfigurationError(path, "has more than \(limit) bytes, the most that is taken")
        }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw ConfigurationError(path, "is not UTF-8")
        }
        return text
    }
}
