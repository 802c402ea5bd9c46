internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// What must hold between the settings of a vault of type `postgres`.
enum PostgresRules {
    private typealias Settings = PostgresSettings

    static func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        var found: [SettingMistake] = []
        let reason = "no other program reads the tables of a vault of type postgres; expected"
        if vault.format != .sealed { found.append(SettingMistake("format", "\(reason) sealed")) }
        if vault.accept != [.sealed] { found.append(SettingMistake("accept", "\(reason) [sealed]")) }
        found += RemoteSettings.mistakes(in: vault, addresses: [])
        guard let url = vault[Settings.url].unlessEmpty, let address = try? PostgresAddress(url) else {
            return found
        }
        if let mistake = mistake(inModeOf: address, vault) { found.append(SettingMistake("url", mistake)) }
        if address.isLocal {
            for name in ["tls", "ca_file", "client_certificate_file", "client_key_file"]
            where vault.locations[name] != nil {
                found.append(SettingMistake(name, "the url names a Unix socket, which uses no TLS; remove this setting"))
            }
        } else if vault[Settings.tls] == .disable {
            for name in ["ca_file", "client_certificate_file"] where vault.locations[name] != nil {
                found.append(SettingMistake(name, "belongs to TLS; this vault has tls: disable"))
            }
        }
        return found
    }

    /// A URI may ask for what is done anyway. What is weaker has to be said by the setting, which then counts alone.
    static func mistake(inModeOf address: PostgresAddress, _ vault: VaultConfiguration) -> String? {
        guard let mode = address.sslMode, !address.isLocal, vault.locations["tls"] == nil,
            mode != vault[Settings.tls].rawValue
        else { return nil }
        return mode == "disable"
            ? "sslmode=disable would send everything without TLS; tls: disable permits it, on a network that only trusted "
                + "hosts are on"
            : "sslmode: expected verify-full; a weaker mode is set by tls"
    }

    /// What `make` makes, its mistake as a failure.
    static func address(
        _ prefix: String, _ make: () throws(PostgresAddress.Mistake) -> PostgresAddress
    ) throws(Failure) -> PostgresAddress {
        do throws(PostgresAddress.Mistake) { return try make() } catch {
            throw Failure(.invalidArgument, .badField, prefix + error.text)
        }
    }
}
