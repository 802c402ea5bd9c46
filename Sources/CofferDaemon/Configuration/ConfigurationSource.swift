internal import Synchronization

/// Where a daemon's configuration is read from, at its start and at every reload.
package final class ConfigurationSource: Sendable {
    private let flags: ConfigurationLoader.Flags
    private let environment: [String: String]
    private let isRoot: Bool
    private let readFile: @Sendable (String) throws(ConfigurationError) -> String?
    /// Of the file that the configuration was loaded from last: whether it was there, and held anything.
    private let lastFile = Mutex((isThere: false, isEmpty: true))

    /// - Parameters:
    ///   - environment: as it was at the start; secrets leave it then.
    ///   - readFile: a file's text; nil if it is not there.
    package init(
        _ flags: ConfigurationLoader.Flags, environment: [String: String], isRoot: Bool,
        readFile: @escaping @Sendable (String) throws(ConfigurationError) -> String?
    ) {
        self.flags = flags
        self.environment = environment
        self.isRoot = isRoot
        self.readFile = readFile
    }

    /// - Parameter found: mistakes that were found before, in the environment.
    /// - Throws: every mistake there is. A file that is gone or empty now is one, or a moment without it would put
    ///   every setting back to its default; and a pipe gives what it has once.
    package func load(after found: [ConfigurationError] = []) throws(ConfigurationErrors) -> Configuration {
        let before = lastFile.withLock { $0 }
        var now = (isThere: false, isEmpty: true)
        let loader = ConfigurationLoader(environment: environment, isRoot: isRoot) { path throws(ConfigurationError) in
            let text = try self.readFile(path)
            guard text != nil || !before.isThere else {
                throw ConfigurationError(path, "is gone; bring it back, or start the daemon again without it")
            }
            now = (text != nil, text?.allSatisfy(\.isWhitespace) ?? true)
            guard !now.isEmpty || before.isEmpty else {
                throw ConfigurationError(
                    path, "is empty; expected a regular file, written whole; or start the daemon again to have the defaults")
            }
            return text
        }
        let configuration = try loader.load(flags, after: found)
        lastFile.withLock { $0 = now }
        return configuration
    }
}
