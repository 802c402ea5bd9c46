import Glibc

/// The process's environment and files, as the loader wants them.
package enum Environment {
    /// Only the variables that the loader asks about.
    package static var current: [String: String] {
        var result: [String: String] = [:]
        let names =
            ConfigurationLoader.variables.map(\.name) + ["XDG_RUNTIME_DIR", "XDG_DATA_HOME", "HOME"]
        for name in names {
            if let value = getenv(name) { result[name] = String(cString: value) }
        }
        return result
    }

    /// Nil if it is not there, not readable, larger than 1 MiB, or not UTF-8.
    package static func text(ofFile path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: (1 << 20) + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        guard count < bytes.count, ferror(file) == 0 else { return nil }
        return String(validating: bytes[..<count], as: UTF8.self)
    }
}
