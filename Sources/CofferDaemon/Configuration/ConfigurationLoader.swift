import CofferProcess
import CofferServer
import CofferVaultCatalogue
package import CofferVaultKit
import Glibc

/// Puts the configuration together: file, then environment, then flags.
package struct ConfigurationLoader {
    package static let systemFile = "/etc/coffer/coffer.yaml"

    /// What the command line says.
    package struct Flags: Sendable {
        package var config: String?
        package var socket: String?
        package var data: String?
        package var reactors: Int?

        package init(config: String? = nil, socket: String? = nil, data: String? = nil, reactors: Int? = nil) {
            self.config = config
            self.socket = socket
            self.data = data
            self.reactors = reactors
        }
    }

    private let catalogue: VaultCatalogue
    private let environment: [String: String]
    private let isRoot: Bool
    private let socketRule: SocketRule
    private let readFile: (String) throws(ConfigurationError) -> String?

    /// - Parameters:
    ///   - socketRule: says where the socket is if no setting does.
    ///   - readFile: a file's text; nil if it is not there.
    package init(
        environment: [String: String], isRoot: Bool, socketRule: SocketRule = .current,
        catalogue: VaultCatalogue = .standard,
        readFile: @escaping (String) throws(ConfigurationError) -> String?
    ) {
        self.catalogue = catalogue
        self.environment = environment
        self.isRoot = isRoot
        self.socketRule = socketRule
        self.readFile = readFile
    }

    /// - Parameter found: mistakes that were found before, in the environment.
    /// - Throws: every mistake there is, but for those that another one may only have brought about.
    package func load(
        _ flags: Flags, after found: [ConfigurationError] = []
    ) throws(ConfigurationErrors) -> Configuration {
        var configuration = Configuration(catalogue: catalogue)
        var errors = found
        func attempt(_ step: (inout Configuration) throws(ConfigurationErrors) -> Void) {
            do throws(ConfigurationErrors) {
                try step(&configuration)
            } catch {
                errors += error.errors
            }
        }
        attempt { (configuration) throws(ConfigurationErrors) in try applyFile(flags, &configuration) }
        attempt { (configuration) throws(ConfigurationErrors) in try applyEnvironment(&configuration) }
        attempt { (configuration) throws(ConfigurationErrors) in try applyFlags(flags, &configuration) }
        attempt { (configuration) throws(ConfigurationErrors) in try applyDefaultPaths(&configuration) }
        if !configuration.mistaken.contains("vault.type") {
            attempt { (configuration) throws(ConfigurationErrors) in
                do throws(ConfigurationErrors) {
                    try applyVaults(&configuration)
                } catch {
                    configuration.mistaken.insert("vaults")
                    throw error
                }
            }
        }
        // A default is no mistake: what was set caps it.
        if configuration.places["limits.call_ms"] == nil {
            configuration.limits.callMilliseconds = min(
                configuration.limits.callMilliseconds, configuration.limits.maximumCallMilliseconds)
        }
        errors += mistakesTogether(in: configuration)
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
        return configuration
    }

    private func applyFile(
        _ flags: Flags, _ configuration: inout Configuration
    ) throws(ConfigurationErrors) {
        let path = flags.config ?? Self.systemFile
        let text: String?
        do throws(ConfigurationError) {
            text = try readFile(path)
        } catch {
            // What it would say is missing then, and nothing else is wrong for that.
            configuration.mistaken.formUnion(Setting.all.map(\.path) + ["vaults"])
            throw ConfigurationErrors([error])
        }
        guard let text else {
            guard flags.config == nil else { throw single("--config", "there is no file \(path)") }
            return
        }
        try ConfigurationFile.apply(text, name: path, to: &configuration)
    }

    /// Variables and the settings they stand for. `NODE_ENV` counts as
    /// `COFFER_ENV` does, as the TypeScript code that came before had it.
    static let variables: [(name: String, path: String)] = [
        ("NODE_ENV", "environment"), ("COFFER_ENV", "environment"),
        ("COFFER_FORMER_ENV", "former_environment"), ("COFFER_SOCKET", "socket"),
        ("COFFER_SOCKET_GROUP", "socket_group"), ("COFFER_POLICY_FILE", "policy_file"),
        ("COFFER_DATA", "data"), ("VAULT_TYPE", "vault.type"),
        ("CREDENTIAL_ENCRYPTION_KEY_FILE", "key.passphrase_file"), ("COFFER_KEY_FILE", "key.file"),
        ("COFFER_LOG_LEVEL", "log.level"), ("COFFER_LOG_FORMAT", "log.format"),
    ]

    private func applyEnvironment(
        _ configuration: inout Configuration
    ) throws(ConfigurationErrors) {
        var errors: [ConfigurationError] = []
        for (name, path) in Self.variables {
            guard let value = environment[name], !value.isEmpty else { continue }
            errors += mistake(value, path, place: name, &configuration)
        }
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
    }

    private func applyFlags(
        _ flags: Flags, _ configuration: inout Configuration
    ) throws(ConfigurationErrors) {
        var errors: [ConfigurationError] = []
        if let socket = flags.socket { errors += mistake(socket, "socket", place: "--socket", &configuration) }
        if let data = flags.data { errors += mistake(data, "data", place: "--data", &configuration) }
        if let reactors = flags.reactors {
            errors += mistake(String(reactors), "reactors", place: "--reactors", &configuration)
        }
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
    }

    /// Applies a value.
    ///
    /// - Returns: what is wrong with it.
    private func mistake(
        _ value: String, _ path: String, place: String, _ configuration: inout Configuration
    ) -> [ConfigurationError] {
        guard let setting = Setting.named(path), setting.apply(value, &configuration) else {
            configuration.mistaken.insert(path)
            return [
                ConfigurationError(
                    place, Setting.named(path)?.mistake(value, configuration) ?? "there is no setting \(path)")
            ]
        }
        // The file's own place of it says whether it contradicts a `vaults` section.
        if path != "vault.type" { configuration.places[path] = place }
        return []
    }

    private func applyDefaultPaths(
        _ configuration: inout Configuration
    ) throws(ConfigurationErrors) {
        if !configuration.socketGroup.isEmpty && configuration.places["socket_mode"] == nil { configuration.socketMode = 0o660 }
        if configuration.socket.isEmpty { configuration.socket = socketRule.path(environment) }
        if configuration.data.isEmpty && !configuration.mistaken.contains("data") {
            configuration.data = try defaultData()
        }
        guard configuration.socket.utf8.count <= 107 else {
            throw single(
                "socket",
                "the path has \(configuration.socket.utf8.count) bytes, the kernel accepts at most 107; choose a shorter one"
            )
        }
        if configuration.reactors == 0 {
            configuration.reactors = max(1, min(4, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        }
    }

    private func defaultData() throws(ConfigurationErrors) -> String {
        func folder(_ variable: String) throws(ConfigurationErrors) -> String? {
            guard let path = environment[variable], !path.isEmpty else { return nil }
            guard path.hasPrefix("/") else {
                throw single(
                    variable, "expected the absolute path of a folder, where data has its default; correct it, or say --data FOLDER")
            }
            return path
        }
        if let home = try folder("XDG_DATA_HOME") { return home + "/coffer" }
        if isRoot { return "/var/lib/coffer" }
        if let home = try folder("HOME") { return home + "/.local/share/coffer" }
        throw single("data", "neither XDG_DATA_HOME nor HOME is set; say --data FOLDER")
    }

    /// The one vault of a file without a `vaults` section; with one, that nothing
    /// else says what it says.
    private func applyVaults(_ configuration: inout Configuration) throws(ConfigurationErrors) {
        let variable = environment["VAULT_TYPE"].flatMap { $0.isEmpty ? nil : "VAULT_TYPE" }
        guard let section = configuration.places["vaults"] else {
            guard let driver = catalogue[type: configuration.vaultType] else {
                throw single("vault.type", "expected \(catalogue.expects)")
            }
            let vault = try VaultVariables(environment).vault(
                driver, milliseconds: configuration.vaultMilliseconds,
                place: variable ?? configuration.places["vault.type"] ?? "vault.type", catalogue)
            if variable == nil && configuration.places["vault.type"] == nil {
                configuration.notices += idleAddresses(driver)
            }
            configuration.vaults = [vault]
            configuration.vaultMilliseconds = vault.timeoutMilliseconds
            configuration.routes = [VaultRoute(vault: vault.name)]
            return
        }
        var errors: [ConfigurationError] = []
        for path in ["vault.type", "vault.timeout_ms"] {
            guard let place = configuration.places[path] else { continue }
            errors.append(
                ConfigurationError(place, "\(path): the vaults at \(section) set it for each vault; remove one of the two"))
        }
        for variable in VaultVariables(environment).superseded(catalogue) {
            errors.append(
                ConfigurationError(variable, "the vaults at \(section) have their own settings; unset it"))
        }
        if let variable, !configuration.mistaken.contains("vaults"), !configuration.vaults.contains(where: { $0.driver.type == configuration.vaultType }) {
            errors.append(
                ConfigurationError(
                    variable, "says \(configuration.vaultType), and none of the vaults at \(section) is of that type; unset it"))
        }
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
    }

    /// Addresses of servers that nobody asks, as no type is chosen: the guide's user expects them to be.
    private func idleAddresses(_ chosen: any VaultDriver) -> [String] {
        catalogue.drivers.filter { $0.type != chosen.type }.compactMap { driver in
            let names = driver.settings.first { $0.name == "address" }?.variables ?? []
            guard let (name, _) = EnvironmentVariables(environment).first(of: names) else { return nil }
            return "\(name) is set and VAULT_TYPE is not: records stay in the \(chosen.title); set VAULT_TYPE=\(driver.type) to use that server, or unset \(name)"
        }
    }

    /// Rules between settings that are right by themselves.
    private func mistakesTogether(in configuration: Configuration) -> [ConfigurationError] {
        var errors: [ConfigurationError] = []
        let mistaken = configuration.mistaken
        if mistaken.isDisjoint(with: ["vaults", "vault.type", "key.passphrase_file", "environment"]) {
            errors += PoolRules.mistakes(
                in: configuration,
                hasPassphrase: !configuration.passphraseFile.isEmpty
                    || !(environment["CREDENTIAL_ENCRYPTION_KEY"] ?? "").isEmpty)
        }
        if !configuration.isProduction, EnvironmentName.meant(by: configuration.earlierEnvironment) == EnvironmentName.production {
            errors.append(
                configuration.mistake(
                    "former_environment", "production's records need production's rules: set environment to production too"))
        }
        if !configuration.keyFile.isEmpty && !configuration.passphraseFile.isEmpty {
            let place = configuration.places["key.passphrase_file"] ?? configuration.places["key.file"] ?? "key"
            errors.append(
                ConfigurationError(place, "key.file and key.passphrase_file exclude each other; keep one"))
        }
        return errors + [
            Self.bound(
                configuration, "limits.call_ms", "limits.maximum_call_ms", "at most limits.maximum_call_ms =",
                (Int64(configuration.limits.callMilliseconds), Int64(configuration.limits.maximumCallMilliseconds)),
                .milliseconds,
                holds: <=),
            // A GetResponse holds the credential, 16 labels and a header.
            Self.bound(
                configuration, "limits.frame_bytes", "limits.credential_bytes", "at least limits.credential_bytes + 16KiB =",
                (Int64(configuration.limits.frameBytes), Int64(configuration.limits.credentialBytes + (16 << 10))), .bytes,
                holds: >=),
        ].compactMap(\.self)
    }

    /// What is wrong with a setting whose bound is another's value; nil if it keeps it.
    private static func bound(
        _ configuration: Configuration, _ path: String, _ other: String, _ rule: String,
        _ values: (got: Int64, bound: Int64), _ unit: Quantity.Unit, holds: (Int64, Int64) -> Bool
    ) -> ConfigurationError? {
        guard configuration.mistaken.isDisjoint(with: [path, other]), !holds(values.got, values.bound) else { return nil }
        let (got, bound) = (Quantity.exact(values.got, unit), Quantity.exact(values.bound, unit))
        return configuration.mistake(path, "expected \(rule) \(bound), got \(got)")
    }

    private func single(_ place: String, _ message: String) -> ConfigurationErrors {
        ConfigurationErrors([ConfigurationError(place, message)])
    }
}
