package import CofferHTTP
package import CofferVault

/// Settings of vaults on other hosts that are reached by HTTP. Their drivers have them after
/// `CommonSettings`.
package enum RemoteSettings {
    /// Ranges of addresses that a host's name must not lead to unless they are named.
    package enum AddressRange: String, CaseIterable, Sendable {
        /// 127.0.0.0/8, ::1. Named by an address that is written so, too.
        case loopback
        /// 169.254.0.0/16, fe80::/10: where clouds keep the credentials of machines.
        case linkLocal = "link-local"
    }

    package static let keep = VaultSetting<[RecordFormat]>(
        "keep", .choices(minimum: 0), .value([]),
        summary:
            "A record that is in one of these formats stays in it at a Store; each Store is preceded by a read. They must be in `accept`")
    package static let prefix = VaultSetting<String>(
        "prefix", .path, .derived { $0.driver.guidePrefix },
        unset: "ai2-connectors; `cloudflare`: connectors; `azure` and `cloudflare-secrets-store`: c",
        summary: "The first part of every name. On `aws` its last three characters have no hyphen; on `cloudflare-secrets-store` it has no `.` and no `/`; on `azure` it is of at most 19 small letters, digits and hyphens",
        risk: "Two daemons with one prefix share their records, and need the same keys to read them")
    package static let literalNames = VaultSetting<Bool>(
        "literal_names", .flag, .value(false),
        summary:
            "Write records under the names that a program gives them which takes ids as they are, where those are safe: [Vaults](vaults.md)",
        risk: "For as long as such a program runs")
    package static let caFile = VaultSetting<String>(
        "ca_file", .absoluteFile, .value(""), unset: "the system's",
        summary:
            "The authorities that a server's certificate must come from, PEM. Read at the start, and within two seconds of a change")
    package static let clientCertificateFile = VaultSetting<String>(
        "client_certificate_file", .absoluteFile, .value(""),
        summary: "A certificate to show, PEM. With `client_key_file`")
    package static let clientKeyFile = VaultSetting<String>(
        "client_key_file", .absoluteFile, .value(""),
        summary: "The key of that certificate, PEM, without a password. Owned by the daemon's uid and closed to others (0600 or 0400), or root's with at most a group of the daemon's that may read it")
    package static let serverName = VaultSetting<String>(
        "server_name",
        .text("a host's name") {
            HTTPOrigin(address: "https://\($0)")?.port == 443 && !$0.contains(":") && !$0.hasSuffix("/")
        }, .value(""), unset: "the address's host",
        summary: "The name that the server's certificate must have")
    package static let proxy = VaultSetting<String>(
        "proxy", .text("http:// or https:// with a host and a port") { HTTPOrigin(address: $0) != nil }, .value(""),
        summary: "The proxy to go by. Those in the environment are not used")
    package static let allowHTTP = VaultSetting<Bool>(
        "allow_http", .flag, .value(false),
        summary: "Accept an address with http:// that is not written as one of this host",
        risk: "Anyone on the network path can read tokens and secrets")
    package static let allowAddresses = VaultSetting<[AddressRange]>(
        "allow_addresses", .choices(minimum: 0), .value([]),
        summary:
            "Ranges that a host's name may lead to. `loopback` is allowed where the address itself is written as one",
        risk: "`link-local` has the cloud's credentials of this machine")

    /// Of `api_token_file` and `api_url`, which vaults at Cloudflare and at Fly.io have: one name means one thing.
    package static let tokenFileSummary =
        "The file with the API token, read at the start and at SIGHUP. Without it the environment variable is used that the page of the vault's type names, by one vault only; without any, `fly` only reads"
    package static let apiURLSummary = "Where the API is; of `fly` without its `/v1`"
    package static let apiURLDefaults = "https://api.cloudflare.com/client/v4; `fly`: https://api.machines.dev"

    package static let all = [
        keep.erased, prefix.erased, literalNames.erased, caFile.erased, clientCertificateFile.erased,
        clientKeyFile.erased, serverName.erased, proxy.erased, allowHTTP.erased, allowAddresses.erased,
    ]

    /// What must hold between these settings.
    ///
    /// - Parameter addresses: settings of the driver that hold addresses, with their values.
    package static func mistakes(
        in vault: VaultConfiguration, addresses: [(setting: String, text: String)]
    ) -> [SettingMistake] {
        var found: [SettingMistake] = []
        let permission = vault.isNamed ? "allow_http: true" : "COFFER_VAULT_ALLOW_HTTP=true"
        switch (vault[clientCertificateFile].isEmpty, vault[clientKeyFile].isEmpty) {
        case (false, true):
            found.append(
                SettingMistake("client_certificate_file", "client_key_file is missing; a certificate needs its key"))
        case (true, false):
            found.append(
                SettingMistake("client_key_file", "client_certificate_file is missing; a key needs its certificate"))
        default: break
        }
        for (setting, text) in addresses {
            guard let address = HTTPOrigin(address: text), !address.isSecure, !address.isLoopback, !vault[allowHTTP]
            else { continue }
            found.append(
                SettingMistake(
                    setting,
                    "expected https://: without TLS anyone on the network path can read the secrets; \(permission) permits it"
                ))
        }
        return found
    }
}

extension HTTPEndpoint {
    /// The way to a server of the vault.
    ///
    /// - Parameter files: those that the settings name; nil = none.
    package init(_ origin: HTTPOrigin, _ vault: VaultConfiguration, _ files: TLSFiles?) {
        self.init(origin: origin)
        maximumConnections = min(vault.concurrency, HTTPEndpoint.connectionLimits.upperBound)
        authorityFile = vault[RemoteSettings.caFile].unlessEmpty
        certificateFile = vault[RemoteSettings.clientCertificateFile].unlessEmpty
        certificateKeyFile = vault[RemoteSettings.clientKeyFile].unlessEmpty
        self.files = files
        serverName = vault[RemoteSettings.serverName].unlessEmpty
        proxy = HTTPOrigin(address: vault[RemoteSettings.proxy])
        allowsPlainHTTP = vault[RemoteSettings.allowHTTP]
        allowsLoopback = vault[RemoteSettings.allowAddresses].contains(.loopback)
        allowsLinkLocal = vault[RemoteSettings.allowAddresses].contains(.linkLocal)
    }
}

extension String {
    /// Nil if it is empty: the value of a setting that is not set.
    package var unlessEmpty: String? { isEmpty ? nil : self }
}
