import CofferDaemon
import CofferServer
import CofferVaultCatalogue
import CofferVaultKit
import Synchronization
import CofferVaultCatalogue
import CofferVaultKit
import Testing

@Suite struct ConfigurationLoaderTests {
    private func load(
        _ environment: [String: String] = [:], flags: ConfigurationLoader.Flags = .init(), isRoot: Bool = true,
        files: [String: String] = [:]
    ) throws(ConfigurationErrors) -> Configuration {
        let rule = SocketRule(userID: isRoot ? 0 : 7) { _ in false }
        return try ConfigurationLoader(environment: environment, isRoot: isRoot, socketRule: rule) { files[$0] }
            .load(flags)
    }

    private func mistakes(
        _ environment: [String: String] = [:], flags: ConfigurationLoader.Flags = .init(), isRoot: Bool = true,
        files: [String: String] = [:]
    ) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try load(environment, flags: flags, isRoot: isRoot, files: files)
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    // MARK: Order

    @Test func flagsWinOverEnvironmentOverFile() throws {
        let files = ["/etc/coffer/coffer.yaml": "socket: /file\ndata: /file\nenvironment: file\n"]
        let environment = ["COFFER_SOCKET": "/variable", "COFFER_DATA": "/variable"]
        let configuration = try load(environment, flags: .init(socket: "/flag"), files: files)
        #expect(configuration.socket == "/flag")
        #expect(configuration.data == "/variable")
        #expect(configuration.environment == "file")
    }

    @Test func anotherFileTakesThePlaceOfTheSystems() throws {
        let files = ["/etc/coffer/coffer.yaml": "environment: system\n", "/mine": "reactors: 3\n"]
        let configuration = try load(flags: .init(config: "/mine"), files: files)
        #expect(configuration.environment == "development")
        #expect(configuration.reactors == 3)
    }

    @Test func anEmptyVariableIsUnset() throws {
        #expect(try load(["COFFER_ENV": "", "XDG_RUNTIME_DIR": ""]).environment == "development")
    }

    @Test func ourVariableWinsOverThePredecessors() throws {
        #expect(try load(["NODE_ENV": "test", "COFFER_ENV": "staging"]).environment == "staging")
        #expect(try load(["NODE_ENV": "test"]).environment == "test")
    }

    @Test(arguments: [
        ("COFFER_SOCKET", "/s", "socket"), ("COFFER_DATA", "/d", "data"), ("VAULT_TYPE", "memory", "vault.type"),
        ("COFFER_KEY_FILE", "/k", "key.file"), ("CREDENTIAL_ENCRYPTION_KEY_FILE", "/p", "key.passphrase_file"),
        ("COFFER_FORMER_ENV", "prod", "former_environment"), ("COFFER_LOG_LEVEL", "debug", "log.level"), ("COFFER_LOG_FORMAT", "json", "log.format"),
    ])
    func variablesStandForSettings(name: String, value: String, path: String) throws {
        let setting = try #require(Setting.named(path))
        #expect(setting.show(try load([name: value])) == value)
    }

    // MARK: Default paths

    @Test func pathsOfRoot() throws {
        let configuration = try load()
        #expect(configuration.socket == "/run/coffer/coffer.sock")
        #expect(configuration.data == "/var/lib/coffer")
    }

    @Test func pathsOfAUser() throws {
        let environment = ["XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/h"]
        let configuration = try load(environment, isRoot: false)
        #expect(configuration.socket == "/run/user/7/coffer/coffer.sock")
        #expect(configuration.data == "/h/.local/share/coffer")
        #expect(try load(environment.merging(["XDG_DATA_HOME": "/x"]) { $1 }, isRoot: false).data == "/x/coffer")
    }

    @Test func aUserWithoutFoldersIsAskedForThem() {
        #expect(
            mistakes(isRoot: false) == [
                "data: neither XDG_DATA_HOME nor HOME is set; say --data FOLDER"
            ])
    }

    @Test(arguments: [
        (0, [:], [], "/run/coffer/coffer.sock"),
        (0, [:], ["/run/user/0"], "/run/coffer/coffer.sock"),
        (7, [:], ["/run/user/7"], "/run/user/7/coffer/coffer.sock"),
        (7, [:], ["/run/user/8"], "/tmp/coffer-7/coffer.sock"),
        (7, ["XDG_RUNTIME_DIR": "/x"], ["/run/user/7"], "/x/coffer/coffer.sock"),
        (7, ["XDG_RUNTIME_DIR": "x"], [], "/tmp/coffer-7/coffer.sock"),
        (7, ["XDG_RUNTIME_DIR": "", "COFFER_SOCKET": ""], ["/run/user/7"], "/run/user/7/coffer/coffer.sock"),
        (0, ["XDG_RUNTIME_DIR": "/x", "COFFER_SOCKET": "s"], [], "s"),
    ] as [(UInt32, [String: String], [String], String)])
    func socketOfTheRule(user: UInt32, environment: [String: String], folders: [String], expected: String) {
        #expect(SocketRule(userID: user) { folders.contains($0) }.path(environment) == expected)
    }

    @Test func aPathThatTheKernelDoesNotTakeIsRefused() throws {
        let folder = "/" + String(repeating: "r", count: 87)
        #expect(try load(["XDG_RUNTIME_DIR": folder]).socket.utf8.count == 107)
        #expect(
            mistakes(["XDG_RUNTIME_DIR": folder + "r"]) == [
                "socket: the path has 108 bytes, the kernel accepts at most 107; choose a shorter one"
            ])
    }

    @Test func reactorsAreCounted() throws {
        #expect((1...4).contains(try load().reactors))
        #expect(try load(flags: .init(reactors: 9)).reactors == 9)
    }

    // MARK: Mistakes

    /// Of the file, the variables, the flags and the rules between them.
    @Test func everyMistakeIsSaidAtOnce() {
        let text = "reactors: 99\nlimits:\n  call_ms: 9s\n  maximum_call_ms: 8s\nenviroment: x\n"
        let found = mistakes(
            ["COFFER_LOG_LEVEL": "loud", "VAULT_TYPE": "vault", "COFFER_KEY_FILE": "/k", "CREDENTIAL_ENCRYPTION_KEY_FILE": "/p"],
            flags: .init(socket: ""), files: ["/etc/coffer/coffer.yaml": text])
        let begins = [
            "/etc/coffer/coffer.yaml:1:11: reactors:", "/etc/coffer/coffer.yaml:5:1: unknown setting enviroment",
            "COFFER_LOG_LEVEL: expected", "--socket: expected", "VAULT_ADDR", "exclude each other", "/etc/coffer/coffer.yaml:3:12: limits.call_ms",
        ]
        for begin in begins { #expect(found.contains { $0.contains(begin) }, "\(begin) in \(found)") }
    }

    /// What one mistake has brought about is no other.
    @Test func aMistakeIsSaidOnce() {
        let text = "limits:\n  maximum_call_ms: soon\n  call_ms: 599s\n"
        #expect(mistakes(files: ["/etc/coffer/coffer.yaml": text]).count == 1)
        #expect(mistakes(["VAULT_TYPE": "floppy", "COFFER_FORMAT": "json"]).count == 1)
        #expect(mistakes(files: ["/etc/coffer/coffer.yaml": "{"]).count == 1)
    }

    @Test func aSettingMayNotBeSetTwiceInOneFile() {
        #expect(
            mistakes(files: ["/etc/coffer/coffer.yaml": "log.level: info\nlog:\n  level: debug\n"])
                == ["/etc/coffer/coffer.yaml:3:10: log.level is set at /etc/coffer/coffer.yaml:1:12 too; keep one of the two"])
    }

    @Test func anAddressThatNobodyAsksIsNoticed() throws {
        for name in ["VAULT_ADDR", "BAO_ADDR"] {
            let notices = try load([name: "https://h"]).notices
            #expect(notices.count == 1 && notices[0].hasPrefix("\(name) is set and VAULT_TYPE is not"))
        }
        #expect(try load(["VAULT_ADDR": "https://h", "VAULT_TYPE": "memory"]).notices == [])
        #expect(try load(["VAULT_ADDR": "https://h", "VAULT_TYPE": "vault", "VAULT_TOKEN": "set"]).notices == [])
        #expect(try load(["AWS_REGION": "eu-central-1"]).notices == [])
    }

    @Test func saysWhichVariableOrFlagIsWrong() {
        #expect(mistakes(["VAULT_TYPE": "floppy"]) == ["VAULT_TYPE: expected \(VaultCatalogue.standard.expects)"])
        #expect(mistakes(flags: .init(reactors: 99)) == ["--reactors: expected a whole number from 0 to 64"])
        #expect(mistakes(flags: .init(socket: "")) == ["--socket: expected a path of 1 to 107 bytes"])
    }

    @Test func aRelativeFolderForTheDataIsRefused() throws {
        let rest = "expected the absolute path of a folder, where data has its default; correct it, or say --data FOLDER"
        #expect(mistakes(["XDG_DATA_HOME": "relx"]) == ["XDG_DATA_HOME: \(rest)"])
        #expect(mistakes(["HOME": "rel"], isRoot: false) == ["HOME: \(rest)"])
        #expect(try load(["XDG_DATA_HOME": "relx"], flags: .init(data: "/d")).data == "/d")
        #expect(try load(["HOME": "rel"]).data == "/var/lib/coffer")
    }

    /// What is left of a comment in a file of variables would turn production's rules off.
    @Test(arguments: ["production # live", "production live", "a#b", "my\u{a0}name"])
    func anEnvironmentIsOneWord(name: String) {
        #expect(
            mistakes(["COFFER_ENV": name]) == [
                "COFFER_ENV: expected a name of 1 to 64 bytes without white space, # and control characters, for instance production"
            ])
    }

    @Test func aLowMaximumCapsTheDefaultTimeOfACall() throws {
        func file(_ rest: String) -> [String: String] {
            ["/etc/coffer/coffer.yaml": "limits: {maximum_call_ms: 2s\(rest)}\n"]
        }
        #expect(try load(files: file("")).limits.callMilliseconds == 2_000)
        #expect(try load(files: file(", call_ms: 1s")).limits.callMilliseconds == 1_000)
        #expect(
            mistakes(files: file(", call_ms: 3s")) == [
                "/etc/coffer/coffer.yaml:1:40: limits.call_ms: expected at most limits.maximum_call_ms = 2s, got 3s"
            ])
    }

    @Test func aNamedFileMustBeThere() {
        #expect(
            mistakes(flags: .init(config: "/no.yaml")) == [
                "--config: there is no file /no.yaml"
            ])
    }

    @Test func mistakesInTheFileHaveItsName() {
        #expect(
            mistakes(flags: .init(config: "/c.yaml"), files: ["/c.yaml": "reactors: x\n"]) == [
                "/c.yaml:1:11: reactors: expected a whole number from 0 to 64"
            ])
    }

    @Test(arguments: ["COFFER_ENV", "NODE_ENV"])
    func productionRefusesTheMemoryVault(variable: String) {
        #expect(
            mistakes([variable: "production", "VAULT_TYPE": "memory"]) == [
                "VAULT_TYPE: the memory vault loses everything at a restart and is refused in production; use embedded"
            ])
        #expect(
            mistakes([variable: "production"], files: ["/etc/coffer/coffer.yaml": "vault: {type: memory}\n"]) == [
                "/etc/coffer/coffer.yaml:1:15: vault.type: the memory vault loses everything at a restart and is refused in production; use embedded"
            ])
        #expect(mistakes([variable: "production"]) == [])
    }

    @Test func twoKeysAndAFrameTooSmallAreToldTogether() {
        #expect(
            mistakes(
                ["COFFER_KEY_FILE": "/k", "CREDENTIAL_ENCRYPTION_KEY_FILE": "/p"],
                files: ["/etc/coffer/coffer.yaml": "limits: {frame_bytes: 81919}\n"]) == [
                    "CREDENTIAL_ENCRYPTION_KEY_FILE: key.file and key.passphrase_file exclude each other; keep one",
                    "/etc/coffer/coffer.yaml:1:23: limits.frame_bytes: expected at least limits.credential_bytes + 16KiB = 80KiB, got 81919B",
                ])
        #expect(mistakes(files: ["/etc/coffer/coffer.yaml": "limits: {frame_bytes: 81920}\n"]) == [])
    }
}

@Suite struct ConfigurationSourceTests {
    private static let file = ConfigurationLoader.systemFile

    /// A daemon whose file is away for a moment is not to fall back to the defaults.
    @Test func aFileThatIsGoneIsAMistakeOnceItWasThere() throws {
        let text = Mutex<String?>(nil)
        let source = ConfigurationSource(.init(data: "/d"), environment: [:], isRoot: true) { path throws(ConfigurationError) in
            path == Self.file ? text.withLock { $0 } : nil
        }
        let usual = try source.load().limits.calls
        #expect(try source.load().limits.calls == usual, "there never was a file")
        text.withLock { $0 = "limits: {calls: 100}\n" }
        #expect(try source.load().limits.calls == 100)
        text.withLock { $0 = nil }
        for _ in 0..<2 {
            let error = #expect(throws: ConfigurationErrors.self) { try source.load() }
            #expect(
                error?.errors.map(\.description) == [
                    "\(Self.file): is gone; bring it back, or start the daemon again without it"
                ])
        }
        // As a pipe that was read before, or a file that is being written.
        text.withLock { $0 = "\n" }
        let error = #expect(throws: ConfigurationErrors.self) { try source.load() }
        #expect(error?.errors.map(\.description).first?.hasPrefix("\(Self.file): is empty; expected a regular file") == true)
        text.withLock { $0 = "limits: {calls: 200}\n" }
        #expect(try source.load().limits.calls == 200)
    }
}
