import CofferDaemon
import CofferVaultCatalogue
import CofferVaultKit
import Testing

/// The vaults of a configuration put together: from the variables, and with what
/// the file says.
@Suite struct VaultVariablesTests {
    private func load(
        _ environment: [String: String] = [:], _ text: String? = nil
    ) throws(ConfigurationErrors) -> Configuration {
        try ConfigurationLoader(environment: environment, isRoot: true) {
            $0 == "/etc/coffer/coffer.yaml" ? text : nil
        }.load(.init())
    }

    private func mistakes(_ environment: [String: String] = [:], _ text: String? = nil) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try load(environment, text)
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    private func hashiCorp(_ environment: [String: String]) throws -> VaultConfiguration {
        try #require(load(environment.merging(["VAULT_TYPE": "vault"]) { $1 }).vaults.first)
    }

    @Test func withoutAnythingThereIsOneEmbeddedVault() throws {
        let configuration = try load()
        #expect(configuration.vaults.map(\.name) == ["embedded"])
        #expect(configuration.vaults.map { $0.driver.dataFile(of: $0) } == ["vault.db"])
        #expect(configuration.routes == [VaultRoute(vault: "embedded")])
    }

    @Test(
        arguments: [
            ("{type: embedded}", "/data/vault-a.db"), ("{type: memory}", "in memory only"),
            ("{type: vault, address: \"https://h:8200\", auth: token}", "https://h:8200"),
            ("{type: aws}", "AWS Secrets Manager"),
            ("{type: aws, region: eu-central-1}", "AWS Secrets Manager in eu-central-1"),
            ("{type: aws, endpoint: \"https://h\"}", "https://h"),
        ])
    func aVaultSaysWhereItsRecordsAre(vault: String, place: String) throws {
        #expect(try load([:], "vaults: {a: \(vault)}").vaults.map { $0.driver.location(of: $0, dataFolder: "/data") } == [place])
    }

    @Test func theOneVaultHasTheTimeOfItsSetting() throws {
        let vault = try #require(load([:], "vault: {type: memory, timeout_ms: 7}").vaults.first)
        #expect(vault.driver.type == "memory")
        #expect(vault.timeoutMilliseconds == 7)
    }

    @Test func vaultsOwnVariablesAreObeyed() throws {
        let vault = try hashiCorp([
            "VAULT_ADDR": "https://h:8200", "VAULT_TOKEN": "set", "VAULT_NAMESPACE": "n", "VAULT_CACERT": "/ca",
            "VAULT_CLIENT_CERT": "/crt", "VAULT_CLIENT_KEY": "/key", "VAULT_TLS_SERVER_NAME": "s",
        ])
        let values: KeyValuePairs = [
            "address": "https://h:8200", "namespace": "n", "auth": "token", "ca_file": "/ca",
            "client_certificate_file": "/crt", "client_key_file": "/key", "server_name": "s",
        ]
        for (name, value) in values { #expect(vault[name] == [value], "\(name)") }
    }

    @Test(
        arguments: [
            (["VAULT_TOKEN_FILE": "/t"], "token-file", "/t", ""), (["VAULT_ROLE_ID": "r"], "approle", "", ""),
            (["VAULT_ROLE_ID": "r", "VAULT_SECRET_ID": "set"], "approle", "", ""),
            (["VAULT_ROLE_ID": "r", "VAULT_SECRET_ID_FILE": "/s"], "approle", "", "/s"),
            (["VAULT_TOKEN": "", "VAULT_TOKEN_FILE": "/t"], "token-file", "/t", ""),
            (["VAULT_TOKEN": "set", "BAO_TOKEN": "", "VAULT_TOKEN_FILE": "/t"], "token-file", "/t", ""),
        ] as [([String: String], String, String, String)])
    func theWayToLogInIsTheOneThatIsThere(
        environment: [String: String], auth: String, tokenFile: String, secretIDFile: String
    ) throws {
        let vault = try hashiCorp(environment.merging(["VAULT_ADDR": "https://h"]) { $1 })
        #expect(vault["auth"] == [auth])
        #expect(vault["token_file"] == [tokenFile])
        #expect(vault["secret_id_file"] == [secretIDFile])
    }

    @Test func openBaosVariablesWinEvenWhenEmpty() throws {
        let vault = try hashiCorp([
            "VAULT_ADDR": "https://vault", "BAO_ADDR": "https://bao", "VAULT_TOKEN": "set", "VAULT_NAMESPACE": "n",
            "BAO_NAMESPACE": "", "BAO_CACERT": "/bao",
        ])
        #expect(vault["address"] == ["https://bao"])
        #expect(vault["namespace"] == [""])
        #expect(vault["ca_file"] == ["/bao"])
        #expect(
            mistakes(["VAULT_TYPE": "vault", "VAULT_ADDR": "https://h", "VAULT_TOKEN": "set", "BAO_TOKEN": ""]) == [
                "VAULT_TOKEN_FILE: is not set; set it, VAULT_TOKEN or VAULT_ROLE_ID, to log in"
            ])
    }

    @Test func anEmptyAddressOfOpenBaosIsNamed() {
        #expect(
            mistakes(["VAULT_TYPE": "vault", "VAULT_ADDR": "https://a:8200", "BAO_ADDR": "", "VAULT_TOKEN": "set"]) == [
                "BAO_ADDR: is set, and empty; unset it so that VAULT_ADDR counts, or set it to an address, for instance https://vault.example:8200"
            ])
        #expect(
            mistakes(["VAULT_TYPE": "vault", "VAULT_ADDR": "", "VAULT_TOKEN": "set"]) == [
                "VAULT_ADDR: is not set; expected for instance https://vault.example:8200"
            ])
    }

    @Test func awsNeedsNoVariablesOfOurs() throws {
        #expect(try load(["VAULT_TYPE": "aws"]).vaults.map(\.driver.type) == ["aws"])
    }

    /// Every setting of every type: by the variable that has its name.
    @Test func aVariableSetsEverySettingOfEveryType() throws {
        for driver in VaultCatalogue.standard.drivers {
            for setting in driver.settings {
                let variable = "COFFER_VAULT_\(setting.name.uppercased())"
                let bad = mistakes(["VAULT_TYPE": driver.type, variable: "\u{7f}"])
                #expect(bad.contains("\(variable): \(setting.mistake(["\u{7f}"]))"), "\(driver.type) \(setting.name)")
            }
        }
        let vault = try #require(
            load([
                "VAULT_TYPE": "aws", "COFFER_VAULT_KMS_KEY": "alias/k", "COFFER_VAULT_ALLOW_ADDRESSES": "loopback, link-local",
                "COFFER_VAULT_TIMEOUT_MS": "7",
            ]).vaults.first)
        #expect(vault["kms_key"] == ["alias/k"])
        #expect(vault["allow_addresses"] == ["loopback", "link-local"])
        #expect(vault.timeoutMilliseconds == 7)
    }

    @Test func theVariablesOfSettingsCountAsALogin() throws {
        let byFile = try hashiCorp(["VAULT_ADDR": "https://h", "COFFER_VAULT_TOKEN_FILE": "/t"])
        #expect(byFile["auth"] == ["token-file"] && byFile["token_file"] == ["/t"])
        let byRole = try hashiCorp(["VAULT_ADDR": "https://h", "COFFER_VAULT_ROLE_ID": "r"])
        #expect(byRole["auth"] == ["approle"] && byRole["role_id"] == ["r"])
    }

    @Test func theGuidesFormatIsNotKeptWhereItIsNotAccepted() throws {
        let aws = try load(["VAULT_TYPE": "aws", "COFFER_VAULT_ACCEPT": "sealed"]).vaults[0]
        #expect(aws["accept"] == ["sealed"] && aws["keep"] == [])
        let vault = try hashiCorp(["VAULT_ADDR": "https://h", "VAULT_TOKEN": "set", "COFFER_VAULT_ACCEPT": "sealed"])
        #expect(vault["accept"] == ["sealed"] && vault["keep"] == [])
    }

    /// What people guess who know that all variables of a vault's settings begin with COFFER_VAULT_.
    @Test(
        arguments: [
            ("embedded", "TYPE", "VAULT_TYPE"), ("embedded", "DATA", "COFFER_DATA"), ("embedded", "KEY_FILE", "COFFER_KEY_FILE"),
            ("vault", "TOKEN", "VAULT_TOKEN"), ("vault", "ADDR", "VAULT_ADDR"), ("vault", "TIMEOUT", "COFFER_VAULT_TIMEOUT_MS"),
            ("postgres", "PASSWORD", "COFFER_VAULT_PASSWORD_FILE"), ("etcd", "USER_PASSWORD", "COFFER_VAULT_USER_PASSWORD_FILE"),
        ])
    func aGuessedVariableIsToldTheRightOne(type: String, guess: String, right: String) {
        let found = mistakes(["VAULT_TYPE": type, "COFFER_VAULT_\(guess)": "x"])
        #expect(
            found.contains("COFFER_VAULT_\(guess): vaults of type \(type) have no such setting; did you mean \(right)?"), "\(found)")
    }

    @Test func aTypeInAVariableThatNobodyReadsIsNamedBesideItsSettings() {
        #expect(
            Set(mistakes(["COFFER_VAULT_TYPE": "set", "COFFER_VAULT_ENDPOINTS": "https://h:2379"])) == [
                "COFFER_VAULT_TYPE: vaults of type embedded have no such setting; did you mean VAULT_TYPE?",
                "COFFER_VAULT_ENDPOINTS: vaults of type embedded have no such setting; unset it",
            ])
    }

    @Test func theVariablesOfOtherTypesSettingsAreRefused() {
        #expect(
            mistakes(["VAULT_TYPE": "aws", "COFFER_VAULT_ADDRESS": "https://h"]) == [
                "COFFER_VAULT_ADDRESS: vaults of type aws have no such setting; unset it"
            ])
        #expect(
            mistakes(["COFFER_VAULT_MOUNT": "x"]) == [
                "COFFER_VAULT_MOUNT: vaults of type embedded have no such setting; unset it"
            ])
        #expect(
            mistakes(["COFFER_VAULT_QUEU": "set"]) == [
                "COFFER_VAULT_QUEU: vaults of type embedded have no such setting; did you mean COFFER_VAULT_QUEUE?"
            ])
        let typed = ["VAULT_TYPE": "vault", "VAULT_ADDR": "https://h", "VAULT_TOKEN": "set", "COFFER_VAULT_MUONT": "x"]
        #expect(
            mistakes(typed) == [
                "COFFER_VAULT_MUONT: vaults of type vault have no such setting; did you mean COFFER_VAULT_MOUNT?"
            ])
    }

    @Test func theVariableOfASettingsNameComesBeforeVaultsOwn() throws {
        let vault = try hashiCorp([
            "VAULT_ADDR": "https://h", "COFFER_VAULT_ADDRESS": "https://ours", "COFFER_VAULT_AUTH": "kubernetes",
            "COFFER_VAULT_ROLE": "r",
        ])
        #expect(vault["address"] == ["https://ours"])
        #expect(vault["auth"] == ["kubernetes"])
        #expect(
            mistakes(["COFFER_VAULT_QUEUE": "1"], "vaults: {a: {type: memory}}") == [
                "COFFER_VAULT_QUEUE: the vaults at /etc/coffer/coffer.yaml:1:1 have their own settings; unset it"
            ])
    }

    // MARK: Mistakes

    @Test func howATypeIsWrittenMakesNoDifference() {
        let plain = mistakes(["VAULT_TYPE": "azure"])
        #expect(plain.first?.hasPrefix("AZURE_KEYVAULT_URL: is not set") == true)
        #expect(mistakes(["VAULT_TYPE": " Azure "]) == plain)
    }

    @Test func saysWhichVariableIsMissingOrWrong() {
        #expect(
            mistakes(["VAULT_TYPE": "vault"]) == [
                "VAULT_ADDR: is not set; expected for instance https://vault.example:8200",
                "VAULT_TOKEN_FILE: is not set; set it, VAULT_TOKEN or VAULT_ROLE_ID, to log in",
            ])
        #expect(
            mistakes(["VAULT_TYPE": "vault", "BAO_ADDR": "h:8200", "VAULT_TOKEN": "set", "VAULT_CLIENT_KEY": "/k"]) == [
                "BAO_ADDR: expected https:// with a host and perhaps a port, without user, path or query; it does not begin with https://"
            ])
        #expect(
            mistakes(["VAULT_TYPE": "vault", "VAULT_ADDR": "http://h", "VAULT_TOKEN": "set", "VAULT_CLIENT_KEY": "/k"])
                == [
                    "VAULT_CLIENT_KEY: client_certificate_file is missing; a key needs its certificate",
                    "VAULT_ADDR: expected https://: without TLS anyone on the network path can read the secrets; COFFER_VAULT_ALLOW_HTTP=true permits it",
                ])
    }

    @Test func rejectsTwoLoginMethods() {
        #expect(
            mistakes([
                "VAULT_TYPE": "vault", "VAULT_ADDR": "https://h", "BAO_TOKEN": "set", "VAULT_TOKEN_FILE": "/t",
            ]) == ["VAULT_TOKEN_FILE: BAO_TOKEN is also set; choose one login method"])
        #expect(
            mistakes([
                "VAULT_TYPE": "vault", "VAULT_ADDR": "https://h", "VAULT_ROLE_ID": "r", "VAULT_SECRET_ID": "set",
                "VAULT_SECRET_ID_FILE": "/s",
            ]) == ["VAULT_SECRET_ID_FILE: VAULT_SECRET_ID is also set; unset one of them"])
    }

    @Test func aSecretIDWithoutItsRoleIsRefused() {
        #expect(
            mistakes([
                "VAULT_TYPE": "vault", "VAULT_ADDR": "https://h", "VAULT_TOKEN": "set", "VAULT_SECRET_ID_FILE": "/s",
            ]) == ["VAULT_SECRET_ID_FILE: belongs to auth: approle; this vault has auth: token"])
    }

    // MARK: Cloudflare

    private static let cloudflare = ["VAULT_TYPE": "cloudflare", "CLOUDFLARE_SECRETS_STORE": "your_kv_namespace"]

    /// The guide's file for it as it stands, with the token that Workers need none of.
    @Test func theGuidesVariablesOfCloudflareAreEnough() throws {
        let vault = try load(Self.cloudflare.merging(["CLOUDFLARE_API_TOKEN": "set"]) { $1 }).vaults[0]
        #expect(vault["kv_namespace"] == ["your_kv_namespace"] && vault["prefix"] == ["connectors"])
        #expect(vault["accept"] == ["sealed", "json"] && vault["keep"] == ["json"])
        #expect(vault["api_url"] == ["https://api.cloudflare.com/client/v4"])
    }

    @Test func eachVariableOfCloudflareThatIsMissingIsOneError() {
        #expect(
            mistakes(["VAULT_TYPE": "cloudflare", "CLOUDFLARE_API_TOKEN": "set"]) == [
                "CLOUDFLARE_SECRETS_STORE: is not set; expected the id or the title of a KV namespace"
            ])
        let noToken =
            "CLOUDFLARE_API_TOKEN: is not set; create an API token for the account and set it, or CLOUDFLARE_API_TOKEN_FILE"
        #expect(mistakes(Self.cloudflare) == [noToken])
        #expect(mistakes(["VAULT_TYPE": "cloudflare-secrets-store"]) == [noToken])
        let both = Self.cloudflare.merging(["CLOUDFLARE_API_TOKEN": "set", "CLOUDFLARE_API_TOKEN_FILE": "/t"]) { $1 }
        #expect(
            mistakes(both) == ["CLOUDFLARE_API_TOKEN_FILE: CLOUDFLARE_API_TOKEN is also set; unset one of them"])
    }

    @Test func theAPIOfCloudflareIsReachedByTLS() {
        let variables = Self.cloudflare.merging(["CLOUDFLARE_API_TOKEN": "set"]) { $1 }
        func mistakes(at url: String) -> [String] {
            self.mistakes(variables.merging(["CLOUDFLARE_API_BASE_URL": url]) { $1 })
        }
        #expect(mistakes(at: "http://127.0.0.1:1/client/v4") == [])
        #expect(mistakes(at: "http://proxy.example/client/v4").first?.contains("expected https://") == true)
        #expect(mistakes(at: "proxy.example").first?.hasPrefix("CLOUDFLARE_API_BASE_URL: expected https://") == true)
    }

    @Test func aStoreOfSecretsHasNoSlashInItsPrefix() {
        #expect(
            mistakes(["VAULT_TYPE": "cloudflare-secrets-store", "CLOUDFLARE_API_TOKEN": "set", "COFFER_VAULT_PREFIX": "a/b"])
                == ["COFFER_VAULT_PREFIX: expected 1 to 32 letters, digits, - and _, which the names of secrets may have"])
    }

    // MARK: Fly.io

    /// The guide's file for it as it stands: with no more the vault reads what `fly secrets set` has set.
    @Test func theGuidesVariablesOfFlyAreEnough() throws {
        let vault = try load(["VAULT_TYPE": "fly"]).vaults[0]
        #expect(vault["format"] == ["sealed"] && vault["accept"] == ["sealed", "json"] && vault["keep"] == ["json"])
        #expect(vault["api_url"] == ["https://api.machines.dev"] && vault["deployment"] == ["staged"])
        let machine = ["VAULT_TYPE": "fly", "FLY_APP_NAME": "my-app", "FLY_API_TOKEN": "set"]
        #expect(try load(machine).vaults[0]["app"] == ["my-app"])
    }

    @Test func whatFlyLacksForWritingIsOneError() {
        #expect(
            mistakes(["VAULT_TYPE": "fly", "FLY_API_TOKEN": "set"]) == [
                "FLY_APP_NAME: is not set, and FLY_API_TOKEN is; expected the name of the app whose secrets are written. Fly sets it in each Machine"
            ])
        let both = ["VAULT_TYPE": "fly", "FLY_APP_NAME": "a", "FLY_ACCESS_TOKEN": "set", "FLY_API_TOKEN_FILE": "/t"]
        #expect(mistakes(both) == ["FLY_API_TOKEN_FILE: FLY_ACCESS_TOKEN is also set; unset one of them"])
        let plain = ["VAULT_TYPE": "fly", "FLY_FLAPS_BASE_URL": "http://_api.internal:4280"]
        #expect(mistakes(plain).first?.hasPrefix("FLY_FLAPS_BASE_URL: expected https://") == true)
    }

    /// Fly's Postgres with encryption by the application, the guide's other way there: `fly postgres attach` sets this.
    @Test func theGuidesPostgresAtFlyIsTheDriverForPostgreSQL() throws {
        let vault = try load(["VAULT_TYPE": "postgres", "DATABASE_URL": "set"]).vaults[0]
        #expect(vault["format"] == ["sealed"] && vault["accept"] == ["sealed"])
    }

    // MARK: With a vaults section

    @Test func aSectionStandsForItself() throws {
        let text = "vaults: {a: {type: memory}}\n"
        let configuration = try load(["VAULT_ADDR": "nonsense", "VAULT_TYPE": "memory"], text)
        #expect(configuration.vaults.map(\.name) == ["a"])
        #expect(
            mistakes(["VAULT_TYPE": "vault"], text) == [
                "VAULT_TYPE: says vault, and none of the vaults at /etc/coffer/coffer.yaml:1:1 is of that type; unset it"
            ])
        #expect(
            mistakes(["VAULT_TYPE": "vault"], "vaults:\n  a: {type: floppy}\n") == [
                "/etc/coffer/coffer.yaml:2:13: vaults.a.type: expected \(VaultCatalogue.standard.expects)"
            ], "what a vault with a mistake is, nobody knows")
        #expect(
            mistakes([:], text + "vault:\n  type: memory\n  timeout_ms: 7\n") == [
                "/etc/coffer/coffer.yaml:3:9: vault.type: the vaults at /etc/coffer/coffer.yaml:1:1 set it for each vault; remove one of the two",
                "/etc/coffer/coffer.yaml:4:15: vault.timeout_ms: the vaults at /etc/coffer/coffer.yaml:1:1 set it for each vault; remove one of the two",
            ])
    }

    @Test func productionRefusesEveryMemoryVault() {
        let text = "vaults:\n  a: {type: memory}\n  b: {type: embedded}\n  c: {type: memory}\nroutes: [{vault: b}]\n"
        let why = "the memory vault loses everything at a restart and is refused in production; use embedded"
        #expect(
            mistakes(["COFFER_ENV": "production"], text) == [
                "/etc/coffer/coffer.yaml:2:13: vaults.a.type: \(why)",
                "/etc/coffer/coffer.yaml:4:13: vaults.c.type: \(why)",
            ])
        #expect(mistakes([:], text) == [])
    }

    @Test func legacyRecordsNeedTheirPassphrase() {
        let text = "vaults: {a: {type: aws, format: legacy-aes}}\n"
        #expect(
            mistakes([:], text) == [
                "/etc/coffer/coffer.yaml:1:33: vaults.a.format: legacy-aes needs the passphrase that the other program has: set key.passphrase_file or CREDENTIAL_ENCRYPTION_KEY"
            ])
        #expect(mistakes(["CREDENTIAL_ENCRYPTION_KEY": "set"], text) == [])
        #expect(mistakes(["CREDENTIAL_ENCRYPTION_KEY_FILE": "/p"], text) == [])
    }

    /// Both would serve the same variables, and each what was stored in it.
    @Test func theEnvironmentsRecordsGoToOneVault() {
        let text = "vaults:\n  a: {type: fly, app: x}\n  b: {type: fly, app: x, api_token_file: /t}\nroutes: [{vault: b}]\n"
        #expect(
            mistakes([:], text) == [
                "/etc/coffer/coffer.yaml:3:13: vaults.b.type: vaults.a already serves the variables CONNECTOR_… of the environment, which belong to one vault; leave one of the two out"
            ])
    }

    @Test func oneSecretGoesToOneVault() {
        func text(_ auth: String) -> String {
            "vaults:\n  a: {type: vault, address: https://h, \(auth)}\n  b: {type: vault, address: https://i, \(auth)}\nroutes: [{vault: b}]\n"
        }
        #expect(
            mistakes([:], text("auth: token")) == [
                "/etc/coffer/coffer.yaml:3:46: vaults.b.auth: vaults.a already uses VAULT_TOKEN, and a secret belongs to one vault; give this one a file"
            ])
        #expect(
            mistakes([:], text("auth: approle, role_id: r")) == [
                "/etc/coffer/coffer.yaml:3:46: vaults.b.auth: vaults.a already uses VAULT_SECRET_ID, and a secret belongs to one vault; give this one a file"
            ])
        #expect(mistakes([:], text("auth: token-file, token_file: /t")) == [])
    }

    // MARK: What --check prints

    @Test(arguments: [
        ["VAULT_TYPE": "vault", "VAULT_ADDR": "https://h", "VAULT_TOKEN": "hvs.secret"], ["VAULT_TYPE": "aws"],
        ["VAULT_TYPE": "memory"], [:],
    ])
    func whatIsPrintedStartsTheSameDaemon(environment: [String: String]) throws {
        let configuration = try load(environment)
        let text = Setting.yaml(configuration)
        #expect(!text.contains("hvs.secret"))
        let again = try load(environment, text)
        #expect(again.vaults.map(values) == configuration.vaults.map(values))
        #expect(again.routes == configuration.routes)
        #expect(Setting.yaml(again) == text)
    }

    private func values(_ vault: VaultConfiguration) -> [[String]] { vault.driver.settings.map { $0.show(vault) } }
}

extension VaultConfiguration {
    /// The texts of a setting, by its name.
    subscript(name: String) -> [String] { setting(name)?.show(self) ?? [] }
}
