import CofferDaemon
import CofferHTTP
import CofferVault
import CofferVaultCatalogue
import CofferVaultKit
import Testing

/// The sections `vaults` and `routes` of the file.
@Suite struct VaultsSectionTests {
    private func read(_ text: String) throws(ConfigurationErrors) -> Configuration {
        var configuration = Configuration()
        try ConfigurationFile.apply(text, name: "c.yaml", to: &configuration)
        return configuration
    }

    private func mistakes(_ text: String) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try read(text)
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    /// The mistakes of one vault of type `vault` with these settings more.
    private func mistakesOfVault(_ settings: String) -> [String] {
        mistakes("vaults:\n  a:\n    type: vault\n    address: https://h\n\(settings)")
    }

    // MARK: What is read

    @Test func aLocalVaultHasItsDefaults() throws {
        let vault = try #require(read("vaults: {main: {type: embedded}}").vaults.first)
        #expect(vault.name == "main")
        #expect(vault.driver.dataFile(of: vault) == "vault-main.db")
        #expect(vault.format == .sealed)
        #expect(vault.accept == [.sealed])
        #expect(vault.timeoutMilliseconds == 5_000)
        #expect(vault.concurrency == 1_024)
        #expect(vault.queue == 8_192)
    }

    @Test func aRemoteVaultHasItsDefaults() throws {
        let text = "vaults: {main: {type: vault, address: 'https://h:8200', auth: token}}"
        let vault = try #require(read(text).vaults.first)
        #expect(vault["address"] == ["https://h:8200"])
        #expect(vault["auth"] == ["token"])
        #expect(vault["mount"] == ["secret"])
        #expect(vault["prefix"] == ["ai2-connectors"])
        #expect(vault["allow_http"] == ["false"])
        #expect(vault.accept == [.sealed])
        #expect(vault.concurrency == 64)
        #expect(vault.queue == 8_192)
    }

    @Test func everythingOfAVaultIsRead() throws {
        let text = """
            vaults:
              a:
                type: vault
                format: json
                accept: [legacy-aes, json]
                prefix: x/y
                timeout_ms: 1
                concurrency: 2
                queue: 0
                ca_file: /ca
                client_certificate_file: /crt
                client_key_file: /key
                server_name: other
                proxy: http://proxy:3128
                allow_http: true
                allow_addresses: [link-local, loopback]
                address: http://h:8200
                mount: kv
                namespace: team/a
                auth: approle
                auth_mount: roles
                role_id: r
                secret_id_file: /s
                soft_delete: true
            """
        let vault = try #require(read(text).vaults.first)
        let values: KeyValuePairs = [
            "format": ["json"], "accept": ["json", "legacy-aes"], "prefix": ["x/y"], "timeout_ms": ["1ms"],
            "concurrency": ["2"], "queue": ["0"], "ca_file": ["/ca"], "client_certificate_file": ["/crt"],
            "client_key_file": ["/key"], "server_name": ["other"], "proxy": ["http://proxy:3128"],
            "allow_http": ["true"], "allow_addresses": ["loopback", "link-local"], "address": ["http://h:8200"],
            "mount": ["kv"], "namespace": ["team/a"], "auth": ["approle"], "auth_mount": ["roles"], "role_id": ["r"],
            "secret_id_file": ["/s"], "soft_delete": ["true"],
        ]
        for (name, value) in values { #expect(vault[name] == value, "\(name)") }
        #expect(vault.format == .json)
        #expect(vault.accept == [.json, .legacyAES])
        #expect([vault.timeoutMilliseconds, vault.concurrency, vault.queue] == [1, 2, 0])
    }

    @Test func everythingOfAnAWSVaultIsRead() throws {
        let text = """
            vaults:
              a: {type: aws, region: eu-central-1, endpoint: "http://127.0.0.1:4566", recovery_window_days: 7,
                  kms_key: alias/coffer, profile: ops}
            """
        let vault = try #require(read(text).vaults.first)
        let values: KeyValuePairs = [
            "region": "eu-central-1", "endpoint": "http://127.0.0.1:4566", "recovery_window_days": "7d",
            "kms_key": "alias/coffer", "profile": "ops",
        ]
        for (name, value) in values { #expect(vault[name] == [value], "\(name)") }
    }

    @Test func vaultsAndRoutesKeepTheirOrder() throws {
        let configuration = try read(
            """
            vaults: {b: {type: memory}, a: {type: embedded}}
            routes:
            - {user: crm-*, connection: "mail", vault: b}
            - {connection: s3, vault: a}
            - {vault: b}
            """)
        #expect(configuration.vaults.map(\.name) == ["b", "a"])
        #expect(
            configuration.routes == [
                VaultRoute(user: "crm-*", connection: "mail", vault: "b"), VaultRoute(connection: "s3", vault: "a"),
                VaultRoute(vault: "b"),
            ])
    }

    @Test func oneVaultNeedsNoRoutes() throws {
        #expect(try read("vaults: {a: {type: memory}}").routes == [VaultRoute(vault: "a")])
    }

    // MARK: Mistakes in vaults

    @Test(arguments: [
        ("vaults: 5\n", "c.yaml:1:9: vaults: expected a mapping of names to vaults"),
        ("vaults: {}\n", "c.yaml:1:9: vaults: expected a mapping of names to vaults"),
        (
            "vaults:\n  A: {type: memory}\n",
            "c.yaml:2:3: vaults: expected a name of 1 to 32 lower-case letters, digits and -"
        ),
        (
            "vaults: {\(String(repeating: "n", count: 33)): {type: memory}}\n",
            "c.yaml:1:10: vaults: expected a name of 1 to 32 lower-case letters, digits and -"
        ),
        ("vaults:\n  a: memory\n", "c.yaml:2:6: vaults.a: expected a mapping with the vault's type and settings"),
        (
            "vaults:\n  a: {queue: 1}\n",
            "c.yaml:2:3: vaults.a: type is missing; expected \(VaultCatalogue.standard.expects)"
        ),
        (
            "vaults:\n  a: {type: floppy}\n",
            "c.yaml:2:13: vaults.a.type: expected \(VaultCatalogue.standard.expects)"
        ),
        (
            "vaults:\n  a: {type: memory, concurency: 5}\n",
            "c.yaml:2:21: unknown setting vaults.a.concurency; did you mean concurrency?"
        ),
        (
            "vaults:\n  a: {type: memory, flux: 5}\n",
            "c.yaml:2:21: unknown setting vaults.a.flux; cofferd --print-settings has all settings of each type"
        ),
        (
            "vaults:\n  a: {type: memory, queue: 65537}\n",
            "c.yaml:2:28: vaults.a.queue: expected a whole number from 0 to 65536"
        ),
        (
            "vaults:\n  a: {type: memory, queue: [1]}\n",
            "c.yaml:2:28: vaults.a.queue: expected a whole number from 0 to 65536"
        ),
        (
            "vaults:\n  a: {type: aws, accept: json}\n",
            "c.yaml:2:26: vaults.a.accept: expected a list of sealed, json, legacy-aes"
        ),
        (
            "vaults:\n  a: {type: aws, accept: []}\n",
            "c.yaml:2:26: vaults.a.accept: expected a list of sealed, json, legacy-aes"
        ),
        (
            "vaults:\n  a: {type: aws, accept: [[json]]}\n",
            "c.yaml:2:26: vaults.a.accept: expected a list of sealed, json, legacy-aes"
        ),
        (
            "vaults:\n  a: {type: aws, accept: [json]}\n",
            "c.yaml:2:26: vaults.a.accept: expected sealed in this list: it is what this vault writes"
        ),
        (
            "vaults:\n  a: {type: memory, mount: kv}\n",
            "c.yaml:2:28: vaults.a.mount: only vaults of type vault have this setting; this one is of type memory"
        ),
        (
            "vaults:\n  a: {type: embedded, proxy: 'http://p:1'}\n",
            "c.yaml:2:30: vaults.a.proxy: only vaults of type \(VaultCatalogue.standard.types(having: "proxy").joined(separator: ", ")) have this setting; this one is of type embedded"
        ),
        (
            "vaults:\n  a: {type: embedded, format: json}\n",
            "c.yaml:2:31: vaults.a.format: a vault of type embedded is shared with no other program; expected sealed"
        ),
        (
            "vaults:\n  a: {type: memory, accept: [sealed, json]}\n",
            "c.yaml:2:29: vaults.a.accept: a vault of type memory is shared with no other program; expected [sealed]"
        ),
        (
            "vaults:\n  a: {type: aws, endpoint: 'http://h:1'}\n",
            "c.yaml:2:28: vaults.a.endpoint: expected https://: without TLS anyone on the network path can read the secrets; allow_http: true permits it"
        ),
        (
            "vaults:\n  a: {type: aws, recovery_window_days: 6}\n",
            "c.yaml:2:40: vaults.a.recovery_window_days: expected 0, or a duration from 7d to 30d in whole days; written without a space, in us, ms, s, m, h or d"
        ),
        ("routes: [{vault: a}]\n", "c.yaml:1:1: routes: there is no vaults section whose vaults they could name"),
        ("vautls: {}\n", "c.yaml:1:1: unknown setting vautls; did you mean vaults?"),
    ])
    func saysWhereAndWhatWouldBeRight(text: String, mistake: String) {
        #expect(mistakes(text) == [mistake])
    }

    @Test(arguments: [
        ("", "c.yaml:2:3: vaults.a: auth is missing; expected one of token, approle, kubernetes, jwt, token-file"),
        (
            "    auth: token-file\n",
            "c.yaml:5:11: vaults.a.auth: token_file is missing; token-file reads the token there"
        ),
        ("    auth: jwt\n", "c.yaml:5:11: vaults.a.auth: token_file is missing; jwt logs in with the token in it"),
        ("    auth: approle\n", "c.yaml:5:11: vaults.a.auth: role_id is missing; approle logs in with it"),
        ("    auth: kubernetes\n", "c.yaml:5:11: vaults.a.auth: role is missing; kubernetes logs in to it"),
        (
            "    auth: token\n    role: r\n",
            "c.yaml:6:11: vaults.a.role: belongs to auth: kubernetes, jwt; this vault has auth: token"
        ),
        (
            "    auth: token\n    token_file: /t\n",
            "c.yaml:6:17: vaults.a.token_file: belongs to auth: token-file, kubernetes, jwt; this vault has auth: token"
        ),
        (
            "    auth: token\n    client_key_file: /k\n",
            "c.yaml:6:22: vaults.a.client_key_file: client_certificate_file is missing; a key needs its certificate"
        ),
        (
            "    auth: token\n    client_certificate_file: /c\n",
            "c.yaml:6:30: vaults.a.client_certificate_file: client_key_file is missing; a certificate needs its key"
        ),
        (
            "    auth: token\n    token: hunter2\n",
            "c.yaml:6:5: unknown setting vaults.a.token; cofferd --print-settings has all settings of each type"
        ),
    ])
    func saysWhatALoginNeeds(settings: String, mistake: String) {
        #expect(mistakesOfVault(settings) == [mistake])
    }

    @Test func anAddressIsRequired() {
        #expect(
            mistakes("vaults: {a: {type: vault, auth: token}}\n") == [
                "c.yaml:1:10: vaults.a: address is missing; expected for instance https://vault.example:8200"
            ])
    }

    @Test func plainHTTPIsForThisHostOrForThoseWhoSaySo() {
        func mistakes(_ address: String, _ more: String = "") -> Int {
            self.mistakes("vaults: {a: {type: vault, auth: token, address: '\(address)'\(more)}}").count
        }
        #expect(mistakes("http://127.0.0.1:8200") == 0)
        #expect(mistakes("http://[::1]:8200") == 0)
        #expect(mistakes("http://localhost") == 0)
        #expect(mistakes("http://127.0.0.1.example") == 1)
        #expect(mistakes("http://h") == 1)
        #expect(mistakes("http://h", ", allow_http: true") == 0)
    }

    @Test func tellsTheMistakesOfEveryVaultAtOnce() {
        #expect(
            mistakes("vaults:\n  a: {type: memory, queue: x, timeout_ms: 0}\n  b: {type: tape}\n") == [
                "c.yaml:2:28: vaults.a.queue: expected a whole number from 0 to 65536",
                "c.yaml:2:43: vaults.a.timeout_ms: expected a duration from 1ms to 10m in whole milliseconds; written without a space, in us, ms, s, m, h or d",
                "c.yaml:3:13: vaults.b.type: expected \(VaultCatalogue.standard.expects)",
                "c.yaml:1:1: routes are missing: 2 vaults need routes that say where records go",
            ])
    }

    // MARK: Mistakes in routes

    @Test(arguments: [
        ("routes: a\n", "3:9: routes: expected a list of {user: PATTERN, connection: PATTERN, vault: NAME}"),
        ("routes: []\n", "3:9: routes: expected a list of {user: PATTERN, connection: PATTERN, vault: NAME}"),
        ("routes: [a]\n", "3:10: routes: expected a mapping {user: PATTERN, connection: PATTERN, vault: NAME}"),
        ("routes: [{vault: mian}]\n", "3:18: routes.vault: expected the name of a vault in vaults; did you mean main?"),
        ("routes: [{vault: elsewhere}]\n", "3:18: routes.vault: expected the name of a vault in vaults, got another"),
        ("routes: [{vault: [main]}]\n", "3:18: routes.vault: expected the name of a vault in vaults, got another"),
        ("routes: [{user: a}]\n", "3:10: routes: vault is missing: the name of the vault that has these records"),
        ("routes: [{usr: a, vault: main}]\n", "3:11: unknown setting routes.usr; did you mean user?"),
        (
            "routes: [{colour: a, vault: main}]\n",
            "3:11: unknown setting routes.colour; there are user, connection, vault"
        ),
        (
            "routes: [{user: '', vault: main}]\n",
            "3:17: routes.user: expected a pattern of 1 to 256 bytes without control characters; * stands for any text"
        ),
        (
            "routes: [{user: a*, vault: main}]\n",
            "3:9: routes: no catch-all route: add a last route that names only a vault"
        ),
        (
            "routes: [{vault: main}, {user: a, vault: other}]\n",
            "3:25: routes: unreachable: the route at c.yaml:3:10 matches everything"
        ),
    ])
    func saysWhatIsWrongWithARoute(text: String, mistake: String) {
        let vaults = "vaults: {main: {type: memory},\n  other: {type: memory}}\n"
        #expect(mistakes(vaults + text) == ["c.yaml:" + mistake])
    }

    @Test func severalVaultsNeedRoutes() {
        #expect(
            mistakes("vaults: {a: {type: memory}, b: {type: memory}}\n") == [
                "c.yaml:1:1: routes are missing: 2 vaults need routes that say where records go"
            ])
    }

    @Test func aPatternOfStarsCatchesEverything() {
        #expect(VaultRoute(user: "**", connection: "*", vault: "a").catchesEverything)
        #expect(!VaultRoute(user: "*a", connection: "*", vault: "a").catchesEverything)
    }

    // MARK: Null

    @Test(arguments: ["", "~", "null", "Null"])
    func whatIsNullIsNotSet(null: String) throws {
        let vault = try #require(
            read(
                """
                socket: \(null)
                limits:
                  connections: \(null)
                vaults:
                  a:
                    type: vault
                    address: https://h
                    auth: token
                    mount: \(null)
                    accept: \(null)
                    token_file: \(null)
                    soft_delete: \(null)
                    concurrency: \(null)
                routes: \(null)
                """
            ).vaults.first)
        #expect(vault["mount"] == ["secret"])
        #expect(vault["token_file"] == [""])
        #expect(vault["soft_delete"] == ["false"])
        #expect(vault.accept == [.sealed])
        #expect(vault.concurrency == 64)
    }

    @Test func sectionsThatAreNullAreNotThere() throws {
        #expect(try read("vaults:\nroutes:\nlimits:\n") == Configuration())
        #expect(
            mistakes("vaults:\n  a:\n") == ["c.yaml:2:3: vaults.a: type is missing; expected \(VaultCatalogue.standard.expects)"])
        let routes = try read("vaults: {a: {type: embedded}}\nroutes: [{user: ~, connection: , vault: a}]").routes
        #expect(routes == [VaultRoute(vault: "a")])
    }

    // MARK: As Vault's own tools write it

    @Test(arguments: ["admin/", "/admin", "/admin/", "admin"])
    func slashesAtTheEndsOfPathsDoNotCount(namespace: String) throws {
        let text = "vaults: {a: {type: vault, address: 'HTTPS://H:8200', auth: token, namespace: \(namespace), mount: kv/}}"
        let vault = try #require(read(text).vaults.first)
        #expect(vault["namespace"] == ["admin"])
        #expect(vault["mount"] == ["kv"])
        #expect(HTTPOrigin(address: vault["address"][0]) == HTTPOrigin(address: "https://h:8200"))
    }

    // MARK: What the start refuses

    @Test(arguments: ["a..b", "a.", "x/y..z", "x./y"])
    func pathsThatVaultRefusesAreRefusedHere(path: String) {
        for setting in ["prefix", "mount", "namespace"] {
            let found = mistakesOfVault("    auth: token\n    \(setting): \(path)\n")
            #expect(found.count == 1 && found[0].hasPrefix("c.yaml:6:\(7 + setting.count): vaults.a.\(setting): "), "\(found)")
        }
    }

    @Test(arguments: ["my-app-x", "app-1", "x-"])
    func prefixesThatAWSRefusesAreRefusedHere(prefix: String) {
        #expect(
            mistakes("vaults:\n  a:\n    type: aws\n    prefix: \(prefix)\n") == [
                "c.yaml:4:13: vaults.a.prefix: must not have a hyphen among its last three characters"
            ])
    }
}
