/// One value of a vault's configuration: its name below `vaults.NAME`, what values it takes, its
/// default, and what the manual says of it. A driver declares its settings as constants and
/// reads them by `VaultConfiguration`'s subscript.
package struct VaultSetting<Value: Sendable>: Sendable {
    /// The value of a setting that is not set.
    package enum Default: Sendable {
        case value(Value)
        /// By other values of the same vault.
        case derived(@Sendable (VaultConfiguration) -> Value)
    }

    /// "timeout_ms".
    package let name: String
    package let kind: SettingKind<Value>
    let standard: Default
    private let information: AnyVaultSetting.Information

    /// - Parameters:
    ///   - variables: of the environment, that set it for the one vault of a daemon without a
    ///     `vaults` section; the first that is there counts, even empty. `COFFER_VAULT_NAME` is
    ///     always one, before these.
    ///   - unset: what the manual shows as the default where the value itself tells nothing.
    ///   - summary: one sentence for the manual.
    ///   - risk: what can go wrong; "" = nothing to say.
    package init(
        _ name: String, _ kind: SettingKind<Value>, _ standard: Default, variables: [String] = [],
        unset: String = "", summary: String, risk: String = ""
    ) {
        self.name = name
        self.kind = kind
        self.standard = standard
        var shown = unset
        if shown.isEmpty, case .value(let value) = standard {
            let texts = kind.show(value)
            shown = kind.isList ? "[\(texts.joined(separator: ", "))]" : texts.first ?? ""
        }
        information = AnyVaultSetting.Information(
            standard: shown.isEmpty ? "none" : shown, variables: ["COFFER_VAULT_" + name.uppercased()] + variables,
            summary: summary, risk: risk)
    }

    /// The setting as those see it who go through all settings of a driver.
    package var erased: AnyVaultSetting {
        AnyVaultSetting(
            name: name, expects: kind.expects, mistake: kind.mistake(in:), isList: kind.isList, information: information,
            apply: { texts, vault in
                guard let value = kind.parse(texts) else { return false }
                vault[self] = value
                return true
            },
            show: { kind.show($0[self]) })
    }
}

/// A setting without the type of its value: what the file, the environment, `--check`,
/// `--print-settings` and the manual go by.
package struct AnyVaultSetting: Sendable {
    struct Information: Sendable {
        let standard: String
        let variables: [String]
        let summary: String
        let risk: String
    }

    package let name: String
    /// What would be right: "a whole number from 1 to 65536".
    package let expects: String
    /// What is wrong with texts that were refused.
    package let mistake: @Sendable (_ texts: [String]) -> String
    /// The file has a list here; a variable has its elements with commas between them.
    package let isList: Bool
    private let information: Information
    /// False if the texts break the rule; one text where it is no list.
    package let apply: @Sendable ([String], inout VaultConfiguration) -> Bool
    /// One text, or those of the list.
    package let show: @Sendable (VaultConfiguration) -> [String]

    init(
        name: String, expects: String, mistake: @escaping @Sendable ([String]) -> String, isList: Bool,
        information: Information,
        apply: @escaping @Sendable ([String], inout VaultConfiguration) -> Bool,
        show: @escaping @Sendable (VaultConfiguration) -> [String]
    ) {
        self.name = name
        self.expects = expects
        self.mistake = mistake
        self.isList = isList
        self.information = information
        self.apply = apply
        self.show = show
    }

    /// The same one, which these variables set too.
    package func adding(variables: [String]) -> AnyVaultSetting {
        AnyVaultSetting(
            name: name, expects: expects, mistake: mistake, isList: isList,
            information: Information(
                standard: standard, variables: self.variables + variables, summary: summary, risk: risk),
            apply: apply, show: show)
    }

    /// The default, for people: "5000", "required".
    package var standard: String { information.standard }
    package var variables: [String] { information.variables }
    package var summary: String { information.summary }
    package var risk: String { information.risk }
}
