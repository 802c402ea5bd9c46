internal import CofferVaultKit

/// What must hold between the settings of a vault of type `vault`.
enum HashiCorpRules {
    private typealias Settings = HashiCorpSettings

    static func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        var found = RemoteSettings.mistakes(
            in: vault,
            addresses: vault[Settings.nodes].map { ("nodes", $0) } + [("address", vault[Settings.address])])
        if vault[Settings.address].isEmpty {
            found.append(SettingMistake("", "address is missing; expected for instance https://vault.example:8200"))
        }
        guard let method = vault[Settings.auth] else {
            return found + [
                SettingMistake("", "auth is missing; expected one of \(Enumerated.words(Settings.Authentication.self))")
            ]
        }
        return found + missing(vault, method) + unused(vault, method)
    }

    /// What a login needs and does not have.
    private static func missing(
        _ vault: VaultConfiguration, _ method: Settings.Authentication
    ) -> [SettingMistake] {
        switch method {
        case .tokenFile where vault[Settings.tokenFile].isEmpty:
            [SettingMistake("auth", "token_file is missing; token-file reads the token there")]
        case .jwt where vault[Settings.tokenFile].isEmpty:
            [SettingMistake("auth", "token_file is missing; jwt logs in with the token in it")]
        case .approle where vault[Settings.roleID].isEmpty:
            [SettingMistake("auth", "role_id is missing; approle logs in with it")]
        case .kubernetes where vault[Settings.role].isEmpty:
            [SettingMistake("auth", "role is missing; kubernetes logs in to it")]
        default: []
        }
    }

    /// What belongs to another login.
    private static func unused(
        _ vault: VaultConfiguration, _ method: Settings.Authentication
    ) -> [SettingMistake] {
        let users: [(String, [Settings.Authentication])] = [
            ("token_file", [.tokenFile, .kubernetes, .jwt]), ("role", [.kubernetes, .jwt]),
            ("role_id", [.approle]), ("secret_id_file", [.approle]),
            ("auth_mount", [.approle, .kubernetes, .jwt]),
        ]
        return users.compactMap { name, methods in
            guard vault.locations[name] != nil, !methods.contains(method) else { return nil }
            let others = methods.map(\.rawValue).joined(separator: ", ")
            return SettingMistake(name, "belongs to auth: \(others); this vault has auth: \(method.rawValue)")
        }
    }
}
