import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferFly

@Suite struct FlyDriverTests {
    private let driver = FlyDriver()
    private let notices = Notices()

    private final class Notices: Sendable {
        let all = Mutex<[String]>([])
    }

    private func vault(_ settings: [String: String] = [:]) throws -> VaultConfiguration {
        var vault = VaultConfiguration(name: "machines", driver: driver)
        for (name, text) in settings {
            let setting = try #require(vault.setting(name))
            #expect(setting.apply([text], &vault), "\(name)")
        }
        return vault
    }

    /// The values of all records, as the daemon has them at its start.
    private final class Records: Sendable {
        let all: [String: String]
        init(_ all: [String: String]) { self.all = all }
    }

    /// Whatever the daemon holds on to for its reloads.
    private final class Reloads: Sendable {
        let all = Mutex<[@Sendable (BootInstant) async throws(Failure) -> Bool]>([])
    }

    private func open(
        _ settings: [String: String] = [:], secrets: [String: String] = [:], records: [String: String] = [:],
        variables: [String: String] = [:]
    ) throws -> FlyVault {
        try open(settings, secrets, Records(records), variables, Reloads())
    }

    private func open(
        _ settings: [String: String], _ secrets: [String: String], _ records: Records, _ variables: [String: String],
        _ reloads: Reloads
    ) throws -> FlyVault {
        let notices = notices
        let context = VaultContext(
            clock: SystemClock(), random: SystemRandom(), dataFolder: "/nonexistent", patience: .seconds(1),
            secret: { names in names.lazy.compactMap { secrets[$0] }.first.map { Secret($0) } },
            secrets: { prefix in records.all.filter { $0.key.hasPrefix(prefix) }.mapValues { Secret($0) } },
            variable: { variables[$0].map { Secret($0) } },
            readFile: { path, _ throws(Failure) in path == "/token" ? Secret("fm2_from-file\n") : nil },
            readFileLater: { _, _, _ async throws(Failure) in nil }, tlsFiles: { _ throws(Failure) in nil },
            connect: { _ throws(Failure) in FakeFly(clock: SystemClock()) }, whenReloaded: { _, reload in reloads.all.withLock { $0.append(reload) } },
            keyCheck: { _, _ throws(Failure) in [] }, notice: { _, text in notices.all.withLock { $0.append(text) } })
        return try #require(try driver.open(try vault(settings), context) as? FlyVault)
    }

    @Test func withoutATokenItOpensAndSaysThatItOnlyReads() throws {
        let vault = try open(records: ["CONNECTOR_a_b": "{}"], variables: ["FLY_APP_NAME": "my-app"])
        #expect(vault.client == nil && vault.state.withLock { $0.environment.count } == 1)
        #expect(notices.all.withLock { $0 } == [
            "there is no API token: set FLY_API_TOKEN, or api_token_file to a file with one, to write; Store and Delete are refused"
        ])
    }

    @Test func theMachineTellsTheApp() throws {
        let machine = ["FLY_APP_NAME": "my-app", "FLY_MACHINE_ID": "m1", "FLY_MACHINE_VERSION": "01A"]
        let vault = try open(secrets: ["FLY_API_TOKEN": "fm2_x"], variables: machine)
        #expect(vault.client?.app == "my-app" && vault.machine == "01A" && vault.deployment == nil)
        #expect(vault.client?.token.authorization.text == "FlyV1 fm2_x" && notices.all.withLock { $0 } == [])
        let other = try open(["app": "my-app", "api_token_file": "/token", "deployment": "deployed"], variables: machine)
        #expect(other.client?.app == "my-app" && other.client?.token.authorization.text == "FlyV1 fm2_from-file")
        #expect(other.deployment != nil)
    }

    /// A Store or a Delete lets go of the value that it has taken the place of: nothing else may hold on to it.
    @Test(arguments: [["api_token_file": "/token"], ["api_token_file": "/token", "deployment": "deployed"]])
    func theValuesOfTheStartAreTheVaultsAlone(settings: [String: String]) throws {
        let reloads = Reloads()
        weak var held: Records?
        let vault = try {
            let records = Records(["CONNECTOR_a_b": "{}"])
            held = records
            return try open(settings, [:], records, ["FLY_APP_NAME": "my-app"], reloads)
        }()
        #expect(held == nil)
        #expect(reloads.all.withLock { $0.count } == 1 && (vault.deployment != nil) == (settings["deployment"] != nil))
    }

    @Test func saysWhyItDoesNotOpen() {
        func message(_ settings: [String: String], _ secrets: [String: String] = [:], app: String = "my-app") -> String {
            do {
                _ = try open(settings, secrets: secrets, variables: ["FLY_APP_NAME": app])
                return ""
            } catch {
                return (error as? Failure)?.message ?? "\(error)"
            }
        }
        #expect(message([:], ["FLY_API_TOKEN": "t"], app: "").hasPrefix("app: expected an app's name, as there is an API token"))
        #expect(message([:], ["FLY_API_TOKEN": "t"], app: "../x").hasPrefix("app: expected an app's name"))
        let another = message(["app": "other", "api_token_file": "/token"])
        #expect(another.hasPrefix("app: is other, and this Machine is of the app my-app (FLY_APP_NAME)"))
        #expect(message(["app": "other"]) == another)
        #expect(message(["app": "my-app"]) == "" && message(["app": "other"], app: "") == "")
        #expect(message([:], ["FLY_API_TOKEN": "two words"]).hasPrefix("FLY_ACCESS_TOKEN or FLY_API_TOKEN: expected one API token"))
        #expect(message(["api_token_file": "/absent"]) == "/absent cannot be read: it does not exist")
    }

    @Test func thePayloadsLimitFitsTheFormat() throws {
        #expect(try open().capabilities.maximumPayloadBytes == FlyVault.maximumSealedBytes)
        #expect(try open(["format": "json"]).capabilities.maximumPayloadBytes == 65_536)
        let capabilities = try open().capabilities
        #expect(capabilities.localReads && capabilities.repeatableWrites && !capabilities.conditionalWrites)
    }

    @Test(arguments: [("http://api.example", false), ("http://127.0.0.1:1", true), ("https://api.example/base/", true)])
    func theAPIIsReachedByTLS(_ address: String, _ isRight: Bool) throws {
        #expect(driver.mistakes(in: try vault(["api_url": address])).isEmpty == isRight)
    }

    /// Names of records have one prefix, and need no literal form.
    @Test func hasNoSettingThatMeansNothing() {
        let names = driver.settings.map(\.name)
        #expect(!names.contains("prefix") && !names.contains("literal_names") && names.contains("keep"))
        #expect(driver.secretPrefixes == ["CONNECTOR_"] && driver.secretVariables == ["FLY_ACCESS_TOKEN", "FLY_API_TOKEN"])
    }
}
