import CofferDaemon
import CofferVault
import CofferVaultKit
import Logging
import Testing

@Suite struct EnumeratedTests {
    private func load(_ environment: [String: String], _ text: String? = nil) throws(ConfigurationErrors) -> Configuration {
        try ConfigurationLoader(environment: environment, isRoot: true) {
            $0 == "/etc/coffer/coffer.yaml" ? text : nil
        }.load(.init())
    }

    private func mistakes(_ environment: [String: String], _ text: String? = nil) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try load(environment, text)
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    @Test(arguments: ["production", "Production", "PRODUCTION", "production ", " production", "production\r", "production\n", "production\r\n", "\tProduction \r\n"])
    func productionIsProductionHoweverItIsWritten(word: String) throws {
        for variable in ["NODE_ENV", "COFFER_ENV"] {
            let configuration = try load([variable: word])
            #expect(configuration.environment == "production")
            #expect(configuration.isProduction)
            #expect(mistakes([variable: word, "VAULT_TYPE": "memory"]).count == 1, "no memory vault there")
        }
    }

    @Test(arguments: ["prod", "PROD", "prd", "prodution", "productions", "produktion", "produccion", "production.", "\"production\""])
    func whatIsNearlyProductionIsRefused(word: String) {
        #expect(
            mistakes(["NODE_ENV": word])
                == ["NODE_ENV: this is nearly production; write production, or choose a name that nobody can confuse with it"])
    }

    @Test(arguments: ["development", "test", "staging", "pre-production", "production-eu", "Testing", "ü"])
    func otherNamesAreTakenAsTheyAre(word: String) throws {
        #expect(try load(["NODE_ENV": " \(word)\r\n"]).environment == word)
        #expect(try !load(["NODE_ENV": word]).isProduction)
    }

    @Test(arguments: ["a\u{0}b", "a\tb", "a\u{200b}", "\u{202e}a", " ", "\r\n"])
    func namesThatNobodySeesAreRefused(word: String) {
        #expect(
            mistakes(["COFFER_ENV": word])
                == ["COFFER_ENV: expected a name of 1 to 64 bytes without white space, # and control characters, for instance production"])
    }

    @Test func everyEnumeratedValueIsReadSo() throws {
        let variables = ["VAULT_TYPE": "Memory\r", "COFFER_LOG_LEVEL": " DEBUG", "COFFER_LOG_FORMAT": "Json\n"]
        let configuration = try load(variables)
        #expect(configuration.vaults.map(\.driver.type) == ["memory"])
        #expect(configuration.logLevel == .debug)
        #expect(configuration.logFormat == .json)
        let file = """
            vaults:
              a: {type: " VAULT", address: "https://h", auth: "Token-File ", token_file: /t, format: JSON, accept: [Sealed, "json "], soft_delete: "TRUE"}
            """
        let vault = try #require(load([:], file).vaults.first)
        #expect(vault.driver.type == "vault" && vault.format == .json && vault.accept == [.sealed, .json])
        #expect(vault["auth"] == ["token-file"] && vault["soft_delete"] == ["true"])
    }
}
