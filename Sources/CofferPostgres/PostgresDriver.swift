package import CofferCore
internal import CofferCrypto
package import CofferVault
package import CofferVaultKit

/// Vaults of type `postgres`: a table in a PostgreSQL database.
package struct PostgresDriver: VaultDriver {
    package let type = "postgres"
    package let title = "PostgreSQL"
    package let isLocal = false
    package let settings = CommonSettings.all + PostgresSettings.all
    package let secretVariables = [PostgresSettings.urlVariable, PostgresSettings.passwordVariable]
    package let variables = PostgresSettings.foreignVariables

    package init() {}

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String {
        vault[PostgresSettings.url].unlessEmpty ?? "$\(PostgresSettings.urlVariable)"
    }

    /// One that is reached by a Unix socket, or shows a certificate, has its password in a file if at all.
    package func secret(of vault: VaultConfiguration) -> String? {
        guard let url = vault[PostgresSettings.url].unlessEmpty else { return PostgresSettings.urlVariable }
        guard let address = try? PostgresAddress(url), !address.isLocal,
            vault[PostgresSettings.passwordFile].isEmpty, vault[RemoteSettings.clientCertificateFile].isEmpty
        else { return nil }
        return PostgresSettings.passwordVariable
    }

    package func adopt(_ variables: EnvironmentVariables, into vault: inout VaultConfiguration) -> [SettingMistake] {
        guard vault[PostgresSettings.url].isEmpty, vault.locations["url"] == nil,
            variables.first(of: [PostgresSettings.urlVariable]) == nil
        else { return [] }
        return [
            SettingMistake(
                PostgresSettings.urlVariable,
                "is not set; expected for instance postgresql://user:password@host:5432/database")
        ]
    }

    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] { PostgresRules.mistakes(in: vault) }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        for name in PostgresSettings.foreignVariables where context.variable(name) != nil {
            throw Failure(
                .failedPrecondition, .notSupported,
                "\(name): libpq would obey it beside this configuration; unset it for cofferd")
        }
        let address = try address(of: vault, context)
        let options = try PostgresOptions(vault, address, password(of: vault, address, context))
        let adapter = try PostgresVault(
            name: vault.name, options: options,
            dependencies: PostgresDependencies(
                clock: context.clock, random: context.random, notice: { context.notice(vault.name, $0) }))
        expectFiles(of: vault, context)
        if let file = vault[PostgresSettings.passwordFile].unlessEmpty {
            context.whenReloaded(vault) { deadline throws(Failure) in
                adapter.note(
                    password: try PostgresPassword.checked(try await context.file(file, .secret, deadline: deadline), from: file))
            }
        }
        return adapter
    }

    /// libpq reads those of TLS itself, for each connection.
    private func expectFiles(of vault: VaultConfiguration, _ context: VaultContext) {
        if let file = vault[PostgresSettings.passwordFile].unlessEmpty {
            context.expect(
                vault,
                ExpectedFile(PostgresSettings.passwordFile.name, file, .secret) { content throws(Failure) in
                    _ = try PostgresPassword.checked(content, from: file)
                })
        }
        let files: [(VaultSetting<String>, ProtectedFile.Rule)] = [
            (RemoteSettings.caFile, .open), (RemoteSettings.clientCertificateFile, .open), (RemoteSettings.clientKeyFile, .secret),
        ]
        for (setting, rule) in files {
            guard let file = vault[setting].unlessEmpty else { continue }
            context.expect(
                vault,
                ExpectedFile(setting.name, file, rule) { content throws(Failure) in
                    guard content.count > 0 else { throw .fileUnreadable(file, "it is empty; expected PEM") }
                })
        }
    }

    /// That of the file, else that of the variable with the URI, or of the one beside a URI in the configuration.
    private func password(
        of vault: VaultConfiguration, _ address: PostgresAddress, _ context: VaultContext
    ) -> PostgresPassword {
        if let file = vault[PostgresSettings.passwordFile].unlessEmpty {
            return .file(file) { () throws(Failure) in try context.readFile(file, .secret) }
        }
        if vault[PostgresSettings.url].isEmpty { return address.password.map { .value($0) } ?? .none }
        return secret(of: vault).flatMap { context.secret([$0]) }.map { .value($0) } ?? .none
    }

    /// That of the configuration, else that of `$DATABASE_URL`.
    private func address(of vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> PostgresAddress {
        if let url = vault[PostgresSettings.url].unlessEmpty {
            return try PostgresRules.address("url: ") { () throws(PostgresAddress.Mistake) in try PostgresAddress(url) }
        }
        guard let uri = context.secret([PostgresSettings.urlVariable]) else {
            throw Failure(
                .failedPrecondition, .notSupported,
                "url is missing, and DATABASE_URL is not set; expected for instance postgresql://user@host:5432/database")
        }
        let address = try PostgresRules.address("DATABASE_URL: ") { () throws(PostgresAddress.Mistake) in
            try PostgresAddress(uri)
        }
        if let mistake = PostgresRules.mistake(inModeOf: address, vault) {
            throw Failure(.failedPrecondition, .notSupported, "DATABASE_URL: \(mistake)")
        }
        return address
    }

    package let advice = VaultAdvice(
        unreachable:
            "Check that PostgreSQL runs at the host and port of the url, that listen_addresses and firewalls let this host in, and that ca_file fits the server's certificate.",
        login:
            "Check the role and the password, and that a line of pg_hba.conf admits this role from this host to this database.",
        setUp:
            "Check that the database and the schema exist, that create_tables or the manual's SQL has made the tables, and that no pooler in transaction mode is in between.",
        permission:
            "Check that the role has USAGE on the schema and SELECT, INSERT, UPDATE and DELETE on its table credential.",
        broken:
            "Look at PostgreSQL's own log: it answers, but not as it should. Check that it is the primary, and that its disk has room.")
}
