package import CofferVault

/// One vault as it is configured: its driver and the values of the driver's settings.
package struct VaultConfiguration: Sendable {
    package let name: String
    /// Of its type.
    package let driver: any VaultDriver
    /// By a `vaults` section, and not by `vault.type` or VAULT_TYPE.
    package let isNamed: Bool
    /// Of the settings that were made, by their names; "type" = that of the type, "" = of the vault.
    package var locations = SourceLocations()
    private var values: [String: any Sendable] = [:]

    package init(name: String, driver: any VaultDriver, isNamed: Bool = true) {
        self.name = name
        self.driver = driver
        self.isNamed = isNamed
    }

    /// The value of a setting, or its default.
    package subscript<Value>(setting: VaultSetting<Value>) -> Value {
        get {
            if let value = values[setting.name] as? Value { return value }
            switch setting.standard {
            case .value(let value): return value
            case .derived(let value): return value(self)
            }
        }
        set { values[setting.name] = newValue }
    }

    /// The driver's setting of exactly this name.
    package func setting(_ name: String) -> AnyVaultSetting? { driver.settings.first { $0.name == name } }

    /// Whether the setting was made, by whatever value.
    package func isSet<Value>(_ setting: VaultSetting<Value>) -> Bool { locations[setting.name] != nil }

    /// As the user wrote it: "vaults.main", or "vault" where there is one without a name.
    package var path: String { isNamed ? "vaults.\(name)" : "vault" }
}

extension VaultConfiguration: Equatable {
    /// By what is in force, whether it was said or is the default.
    package static func == (a: Self, b: Self) -> Bool {
        a.name == b.name && a.isNamed == b.isNamed && a.driver.type == b.driver.type
            && a.driver.settings.allSatisfy { $0.show(a) == $0.show(b) }
    }
}

extension VaultConfiguration {
    package var format: RecordFormat { self[CommonSettings.format] }
    /// What is read, in the order of `RecordFormat`.
    package var accept: [RecordFormat] { self[CommonSettings.accept] }
    /// A record that lies there in one of these stays in it when it is stored again.
    package var keep: [RecordFormat] { driver.isLocal ? [] : self[RemoteSettings.keep] }
    /// Milliseconds that one attempt at a call may take.
    package var timeoutMilliseconds: Int { self[CommonSettings.timeout] }
    /// Calls that the vault works on at once.
    package var concurrency: Int { self[CommonSettings.concurrency] }
    /// Calls that wait for one of them to end.
    package var queue: Int { self[CommonSettings.queue] }
}
