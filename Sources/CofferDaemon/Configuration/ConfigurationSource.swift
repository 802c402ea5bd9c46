internal import Synchronization

/// Where a daemon's configuration is read from, at its start and at every reload.
package final class ConfigurationSource: Sendable {
    private let flags: ConfigurationLoader.Flags
    private let environment: [String: String]
    private let isRoot: Bool
    private let readFile: @Sendable (String) throws(ConfigurationError) -> String?
    /// The configuration that was loaded last came from the file, too.
    private let hasFile = Mutex(false)

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
    /// - Throws: every mistake there is. A file that is gone is one, or a moment without it would put
    ///   every setting back to its default.
    package func load(after found: [ConfigurationError] = []) throws(ConfigurationErrors) -> Configuration {
        let hadFile = hasFile.withLock { $0 }
        var isThere = false
        let loader = ConfigurationLoader(environment: environment, isRoot: isRoot) { path throws(ConfigurationError) in
            let text = try self.readFile(path)
            guard text != nil || !hadFile else {
                throw ConfigurationError(path, "is gone; bring it back, or start the daemon again without it")
            }
            isThere = text != nil
            return text
        }
        let configuration = try loader.load(flags, after: found)
        hasFile.withLock { $0 = isThere }
        return configuration
    }
}
