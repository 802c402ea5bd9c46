import CofferDaemon
import CofferVault
import CofferVaultKit
import Testing

/// Which formats a vault is written in and read in, by the file and by the variables.
@Suite struct VaultFormatTests {
    private func vault(_ environment: [String: String] = [:], _ text: String? = nil) throws -> VaultConfiguration {
        try #require(
            ConfigurationLoader(environment: environment, isRoot: true) {
                $0 == "/etc/coffer/coffer.yaml" ? text : nil
            }.load(.init()).vaults.first)
    }

    private func mistakes(_ environment: [String: String], _ text: String? = nil) -> [String] {
        do {
            _ = try vault(environment, text)
            return []
        } catch {
            return (error as? ConfigurationErrors)?.errors.map(\.description) ?? ["\(error)"]
        }
    }

    private let bao = ["VAULT_TYPE": "vault", "VAULT_ADDR": "https://h", "VAULT_TOKEN": "set"]
    private let aws = ["VAULT_TYPE": "aws"]

    @Test(
        arguments: [
            ("", [.sealed]), (", format: sealed", [.sealed]), (", format: legacy-aes", [.sealed, .legacyAES]),
            (", format: json", [.sealed, .json, .legacyAES]), (", accept: [json, sealed]", [.sealed, .json]),
        ] as [(String, [RecordFormat])])
    func aFileTakesNothingThatIsLessProtectedThanItWrites(settings: String, accepted: [RecordFormat]) throws {
        let variables = ["CREDENTIAL_ENCRYPTION_KEY": "set"]
        #expect(try vault(variables, "vaults: {a: {type: aws\(settings)}}").accept == accepted)
        #expect(try vault(variables, "vaults: {a: {type: aws\(settings)}}").keep == [])
    }

    @Test func theGuidesVariablesTakeTheGuidesFormatAndKeepIt() throws {
        #expect(try vault(bao).format == .sealed)
        #expect(try vault(bao).accept == [.sealed, .json])
        #expect(try vault(bao).keep == [.json])
        #expect(try vault(aws).accept == [.sealed, .legacyAES])
        #expect(try vault(aws).keep == [.legacyAES])
        #expect(try vault(["VAULT_TYPE": "memory"]).accept == [.sealed])
        #expect(try vault().accept == [.sealed] && vault().keep == [])
    }

    @Test(
        arguments: [
            ("sealed", .sealed, [.sealed, .json]), ("json", .json, [.sealed, .json, .legacyAES]),
            (" JSON\n", .json, [.sealed, .json, .legacyAES]),
        ] as [(String, RecordFormat, [RecordFormat])])
    func aVariableChoosesTheFormat(word: String, format: RecordFormat, accepted: [RecordFormat]) throws {
        let vault = try vault(bao.merging(["COFFER_FORMAT": word]) { $1 })
        #expect(vault.format == format)
        #expect(vault.accept == accepted)
        #expect(vault.keep == [])
    }

    @Test func theVariableIsCheckedLikeTheSetting() {
        #expect(
            mistakes(bao.merging(["COFFER_FORMAT": "yaml"]) { $1 })
                == ["COFFER_FORMAT: expected one of sealed, json, legacy-aes"])
        #expect(
            mistakes(aws.merging(["COFFER_FORMAT": "legacy-aes"]) { $1 })
                == [
                    "COFFER_FORMAT: legacy-aes needs the passphrase that the other program has: set key.passphrase_file or CREDENTIAL_ENCRYPTION_KEY"
                ])
        #expect(
            mistakes(["COFFER_FORMAT": "json"])
                == ["COFFER_FORMAT: a vault of type embedded is shared with no other program; expected sealed"])
        #expect(
            mistakes(["COFFER_FORMAT": "json"], "vaults: {a: {type: aws}}")
                == [
                    "COFFER_FORMAT: the vaults at /etc/coffer/coffer.yaml:1:1 have their own settings; unset it"
                ])
    }

    @Test func onlyWhatIsReadCanBeKept() throws {
        #expect(try vault([:], "vaults: {a: {type: aws, accept: [sealed, json], keep: [json]}}").keep == [.json])
        #expect(
            mistakes([:], "vaults: {a: {type: aws, keep: [json]}}")
                == [
                    "/etc/coffer/coffer.yaml:1:31: vaults.a.keep: json is not among the formats of accept, so none of its records can be read"
                ])
    }

    @Test func everyMistakeInTheFormatsIsSaidAtOnce() {
        let found = mistakes([:], "vaults: {a: {type: aws, format: json, accept: [sealed], keep: [json, legacy-aes]}}")
        #expect(found.count == 3, "\(found)")
        #expect(found.filter { $0.contains("vaults.a.keep") }.count == 2)
        #expect(found.contains { $0.hasSuffix("vaults.a.accept: expected json in this list: it is what this vault writes") })
    }
}
