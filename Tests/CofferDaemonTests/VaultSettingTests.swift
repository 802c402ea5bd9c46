import CofferDaemon
import CofferHTTP
import CofferVaultCatalogue
import CofferVaultKit
import Testing

@Suite struct VaultSettingTests {
    @Test func namesAreUnique() {
        for driver in VaultCatalogue.standard.drivers {
            let names = driver.settings.map(\.name)
            #expect(Set(names).count == names.count, "\(driver.type)")
            #expect(!names.contains("type"), "\(driver.type)")
        }
    }

    /// Together they set every setting, each to something else than its default.
    private static let text = """
        vaults:
          "-a-":
            type: vault
            format: json
            accept: [json]
            keep: [json]
            prefix: x/y
            literal_names: true
            timeout_ms: 1
            concurrency: 2
            queue: 3
            ca_file: "/a \\"b\\\\ ü #"
            client_certificate_file: /c
            client_key_file: /k
            server_name: other.example
            proxy: http://p:1
            allow_http: true
            allow_addresses: [loopback, link-local]
            address: http://h:8200
            nodes: ["http://h2:8200", "https://[::1]:1"]
            mount: kv
            namespace: n/m
            auth: approle
            auth_mount: m
            role_id: r
            secret_id_file: /s
            soft_delete: true
          "1":
            type: vault
            address: https://[::1]:8200/
            auth: jwt
            token_file: /t
            role: "null"
          c:
            type: aws
            region: eu-central-1
            endpoint: https://e
            recovery_window_days: 720h
            kms_key: alias/x
            profile: "- p: [q]"
          d:
            type: cloudflare
            account_id: 0123456789abcdef0123456789abcdef
            api_token_file: /t
            api_url: https://c/v4
            kv_namespace: credentials
          e:
            type: cloudflare-secrets-store
            store: default
            scopes: [workers, ai_gateway]
          f:
            type: fly
            app: my-app
            deployment: deployed
            deploy_delay_ms: 1m
          p:
            type: postgres
            url: postgresql://u@h:1/d
            password_file: /w
            tls: verify-ca
            schema: s
            create_tables: false
            connections: 9
          z:
            type: etcd
            endpoints: [https://e1:2379, https://e2:2379]
            user: "u # v"
            user_password_file: /p
          g:
            type: gcp
            project: "example.com:p"
            replicas: [a-1, b2]
            versions_kept: 0
            credentials_file: /g
            quota_project: q
            token_endpoint: http://127.0.0.1:1
          h:
            type: gcp
            location: a-1
          i:
            type: azure
            vault_url: https://v.vault.azure.net
            deleted: purge
            tenant_id: t.example
            client_id: c
            certificate_file: /c
            authority_host: https://login.microsoftonline.us
            resource: https://vault.azure.net
          j:
            type: azure
            vault_url: https://v.vault.azure.net
            client_secret_file: /s
          k:
            type: azure
            vault_url: https://v.vault.azure.net
            client_id: c
            federated_token_file: /t
        routes:
        - {user: "c*: ", connection: "- 漢", vault: "-a-"}
        - {vault: "1"}

        """

    private func read(_ text: String) throws(ConfigurationErrors) -> Configuration {
        var configuration = Configuration()
        try ConfigurationFile.apply(text, name: "c.yaml", to: &configuration)
        return configuration
    }

    /// What `--check` prints of vaults and routes, the file takes, and it means the same.
    @Test func whatIsPrintedReadsBack() throws {
        let configuration = try read(Self.text)
        let again = try read(Setting.vaultsYAML(configuration))
        #expect(again == configuration)
        #expect(again.routes == configuration.routes)
    }

    @Test func theTextAboveChangesEverySetting() throws {
        for name in VaultCatalogue.standard.settingNames {
            let line = "\n    \(name): "
            #expect(Self.text.contains(line), "\(name)")
            let without = Self.text.split(separator: "\n").filter { !$0.hasPrefix(line.dropFirst()) }
            let changed = try? read(without.joined(separator: "\n"))
            #expect(try changed != read(Self.text), "\(name) has its default above")
        }
    }

    @Test func printsEverySettingOfItsTypeAndNoOther() throws {
        let text = Setting.yaml(try read("vaults: {a: {type: aws}}"))
        #expect(
            text.hasSuffix(
                """
                vaults:
                  a:
                    type: aws
                    format: sealed
                    accept: [sealed]
                    timeout_ms: 5s
                    concurrency: 64
                    queue: 8192
                    keep: []
                    prefix: "ai2-connectors"
                    literal_names: false
                    # ca_file: not set
                    # client_certificate_file: not set
                    # client_key_file: not set
                    # server_name: not set
                    # proxy: not set
                    allow_http: false
                    allow_addresses: []
                    # region: not set
                    # endpoint: not set
                    recovery_window_days: 0d
                    # kms_key: not set
                    # profile: not set
                routes:
                  - user: "*"
                    connection: "*"
                    vault: a

                """))
        #expect(!text.contains("\nvault:\n"), "with vaults named, vault.type has no say")
    }

    @Test(arguments: [
        ("prefix", "a/b.c-D_1", "/"), ("prefix", "a", "a."), ("prefix", "a.b", "a..b"), ("prefix", "a", "a//b"), ("prefix", "a", "../b"),
        ("mount", "kv", "k v"), ("mount", "kv", ""), ("namespace", "a", "a\u{e9}"), ("timeout_ms", "600000", "600001"),
        ("concurrency", "4096", "0"), ("queue", "65536", "-1"), ("ca_file", "/ü", "/\n"), ("ca_file", "/", ""),
        ("ca_file", "/a/b.pem", "b.pem"),
        ("kms_key", "k", "\u{85}"), ("kms_key", "k", "\u{2028}"), ("kms_key", "k", "\u{feff}"),
        ("server_name", "a.example", "a:1"), ("server_name", "a", "a/"), ("proxy", "http://p:3128", "p:3128"),
        ("proxy", "https://p", "socks5://p"), ("allow_http", "true", "yes"), ("soft_delete", "false", "no"),
        ("literal_names", "true", "yes"),
        ("address", "https://h:65535", "https://h:65536"), ("address", "https://h", "https://h:0"),
        ("address", "https://h/", "https://h/v1"), ("address", "https://[::1]:1", "https://[::1"),
        ("address", "https://h", "https://u@h"), ("address", "https://h", "https://h?a"),
        ("address", "https://h", "https://"), ("address", "https://h", "h:8200"),
        ("address", "https://h", "https://h:+1"),
        ("address", "HTTPS://h".lowercased(), "ftp://h"), ("region", "us-east-1", "US"), ("auth", "jwt", "ldap"),
        ("recovery_window_days", "30", "31"), ("recovery_window_days", "7d", "169h"), ("recovery_window_days", "0s", "1d"),
        ("timeout_ms", "10m", "601s"), ("timeout_ms", "0.25s", "1500us"), ("concurrency", "1", "+1"), ("queue", "0", "1s"), ("recovery_window_days", "0", "1"), ("type", "aws", "amazon"),
    ])
    func hasItsRange(name: String, good: String, bad: String) throws {
        let type = ["region", "recovery_window_days", "kms_key"].contains(name) ? "aws" : "vault"
        func isRefused(_ value: String) -> Bool {
            let quoted = value.unicodeScalars.map { $0.isASCII ? "\($0)" : "\\U\(hex($0.value))" }.joined()
                .replacing("\n", with: "\\n")
            let settings = name == "type" ? "" : "type: \(type), "
            do throws(ConfigurationErrors) {
                _ = try read("vaults: {a: {\(settings)\(name): \"\(quoted)\"}}")
                return false
            } catch {
                return error.errors.contains { $0.message.hasPrefix("vaults.a.\(name): expected ") }
            }
        }
        #expect(!isRefused(good))
        #expect(isRefused(bad))
    }

    @Test func nodesAreAddressesByTheRuleOfTheAddress() throws {
        func messages(_ nodes: String, _ more: String = "") -> [String] {
            do throws(ConfigurationErrors) {
                _ = try read(
                    "vaults: {a: {type: vault, address: 'https://h:1', auth: token, nodes: \(nodes)\(more)}}\nroutes: [{vault: a}]"
                )
                return []
            } catch {
                return error.errors.map(\.message)
            }
        }
        let expected =
            "vaults.a.nodes: expected a list of at most 16 addresses, each https:// with a host and perhaps a port, 443 without one"
        #expect(messages("[]") == [])
        #expect(messages("['https://a:1', 'https://b']") == [])
        #expect(messages("'https://a:1'") == [expected])
        #expect(messages("['https://a:1', b]") == [expected + "; number 2 does not begin with https://"])
        #expect(
            messages("[\(Array(repeating: "'https://a'", count: 17).joined(separator: ", "))]") == [expected + "; got 17"])
        #expect(messages("['http://a:1']").count == 1, "without TLS only where it is allowed")
        #expect(messages("['http://a:1']", ", allow_http: true") == [])
    }

    /// Which of them, and why, without a word of it: it may hold a password.
    @Test(
        arguments: [
            ("etcd:2379", "does not begin with https://"), ("https://u:s3cret@h:1", "has a user in it"),
            ("https://h:2379/v3", "has a path or query behind the host"), ("https://h?s3cret", "has a path or query behind the host"),
            ("https://h:", "has no port from 1 to 65535 behind its colon"), ("https://h:0", "has no port from 1 to 65535 behind its colon"),
            ("https://h:65536", "has no port from 1 to 65535 behind its colon"), ("https://h:s3cret", "has no port from 1 to 65535 behind its colon"),
            ("https://[::1]:x", "has no port from 1 to 65535 behind its colon"), ("https://", "has no host, or one that no host's name or address is"),
            ("https://h ost", "has no host, or one that no host's name or address is"), ("https://[h]", "has no host, or one that no host's name or address is"),
        ])
    func aWrongAddressInAListIsNamedByItsNumber(text: String, fault: String) throws {
        for type in ["etcd", "vault"] {
            let list = try #require(VaultCatalogue.standard[type: type]?.settings.first { $0.isList && $0.expects.contains("addresses, each") })
            #expect(list.mistake(["https://a:1", "https://b", text]).hasSuffix(", 443 without one; number 3 \(fault)"))
            #expect(!list.mistake([text]).contains("s3cret"))
        }
        let address = try #require(VaultCatalogue.standard[type: "vault"]?.settings.first { $0.name == "address" })
        #expect(address.mistake([text]).hasSuffix("path or query; it \(fault)"))
    }

    private func hex(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }

    @Test(
        arguments: [
            ("adress", "address"), ("timeout_m", "timeout_ms"), ("secret_id", nil), ("concurrent", "concurrency"),
            ("tokenfile", "token_file"), ("allow_adresses", "allow_addresses"), ("x", nil),
        ] as [(String, String?)])
    func suggestsWhatIsNear(typed: String, suggestion: String?) {
        let expected =
            suggestion.map { "; did you mean \($0)?" } ?? "; cofferd --print-settings has all settings of each type"
        do throws(ConfigurationErrors) {
            _ = try read("vaults: {a: {type: vault, \(typed): 1}}")
            Issue.record("there is no setting \(typed)")
        } catch {
            #expect(error.errors.map(\.message) == ["unknown setting vaults.a.\(typed)\(expected)"])
        }
    }

    @Test(
        arguments: [
            ("https://H.example:8200", true, "h.example", 8_200), ("http://h", false, "h", 80),
            ("https://h/", true, "h", 443),
            ("https://[FE80::1]", true, "fe80::1", 443),
        ] as [(String, Bool, String, UInt16)])
    func anAddressIsTakenApart(text: String, isSecure: Bool, host: String, port: UInt16) throws {
        let address = try #require(HTTPOrigin(address: text))
        #expect(address.isSecure == isSecure)
        #expect(address.host == host)
        #expect(address.port == port)
    }
}
