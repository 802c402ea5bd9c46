internal import CofferVault

/// The types of vault that there are. Which ones a daemon has is said by the module `CofferVaultCatalogue`.
package struct VaultCatalogue: Sendable {
    /// In the order in which messages list them; the first is the default.
    package let drivers: [any VaultDriver]

    package init(_ drivers: [any VaultDriver]) { self.drivers = drivers }

    /// The driver that a text names, however it is written; nil if it names none.
    package subscript(type type: String) -> (any VaultDriver)? {
        let plain = Enumerated.plain(type)
        return drivers.first { $0.type == plain }
    }

    /// What a text that names a type can be.
    package var expects: String { "one of \(drivers.map(\.type).joined(separator: ", "))" }

    /// The names of all settings of all types, each once.
    package var settingNames: [String] {
        var names: [String] = []
        for setting in drivers.flatMap(\.settings) where !names.contains(setting.name) { names.append(setting.name) }
        return names
    }

    /// The types that have a setting of this name.
    package func types(having name: String) -> [String] {
        drivers.filter { driver in driver.settings.contains { $0.name == name } }.map(\.type)
    }

    /// Environment variables with secrets, each once.
    package var secretVariables: [String] {
        var names: [String] = []
        for name in drivers.flatMap(\.secretVariables) where !names.contains(name) { names.append(name) }
        return names
    }

    /// What the names of further environment variables with secrets begin with.
    package var secretPrefixes: [String] { drivers.flatMap(\.secretPrefixes) }

    /// All other environment variables that drivers and their settings are read from.
    package var variables: [String] {
        drivers.flatMap { $0.variables + $0.settings.flatMap(\.variables) }
    }
}

extension VaultCatalogue: Equatable {
    /// By the types that there are.
    package static func == (a: Self, b: Self) -> Bool { a.drivers.map(\.type) == b.drivers.map(\.type) }
}
