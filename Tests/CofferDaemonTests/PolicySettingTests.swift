import CofferAccess
import CofferCore
import CofferPolicy
import Foundation
import Glibc
import Logging
import Testing

@testable import CofferDaemon

/// The settings `policy_file` and `socket_group`.
@Suite struct PolicySettingTests {
    private let folder: String

    init() throws {
        var name = Array("/tmp/coffer-policy-XXXXXX".utf8CString)
        try #require(mkdtemp(&name) != nil)
        folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static let source = PolicySource(
        HostNames(uid: { $0 == "ann" ? 7 : nil }, gid: { _ in nil }), owner: 1_000)

    private static let text = "allow: [{name: a, who: {user: ann}, verbs: health}]\n"

    /// - Returns: the configuration that names it.
    private func configuration(_ text: String, mode: mode_t = 0o644, named name: String = "policy.yaml") throws -> Configuration {
        var configuration = Configuration()
        configuration.policyFile = "\(folder)/\(name)"
        try text.write(toFile: configuration.policyFile, atomically: true, encoding: .utf8)
        try #require(chmod(configuration.policyFile, mode) == 0)
        return configuration
    }

    private func refused(_ configuration: Configuration) -> [String] {
        do throws(PolicyRefused) {
            _ = try Self.source.policy(configuration)
            return []
        } catch {
            return error.lines
        }
    }

    @Test func theOwnerHasEverythingWithoutAFile() throws {
        #expect(try Self.source.policy(Configuration()) == .owner(1_000))
    }

    @Test func aFileIsReadWhole() throws {
        let policy = try Self.source.policy(configuration(Self.text))
        #expect(policy.allow.map(\.name) == ["a"] && policy.deny.isEmpty)
        #expect(policy.allow[0].who == [Selector(users: [.init(id: 7, name: "ann")])])
    }

    @Test func mistakesHaveTheirPlaces() throws {
        let found = refused(try configuration("allow:\n- {name: a, who: {user: bob}, verbs: gte}\n"))
        #expect(found.count == 2)
        #expect(found.allSatisfy { $0.hasPrefix("\(folder)/policy.yaml:2:") })
    }

    @Test(arguments: [0o664, 0o646, 0o666] as [mode_t])
    func aFileThatOthersCanWriteIsRefused(_ mode: mode_t) throws {
        let found = refused(try configuration(Self.text, mode: mode))
        #expect(found.count == 1 && found[0].contains("others can write to it"), "\(found)")
    }

    @Test func aFileOfAnotherUserIsRefused() throws {
        try #require(geteuid() == 0, "run the tests as root: this one gives a file to another user")
        let configuration = try configuration(Self.text)
        try #require(chown(configuration.policyFile, 54_321, 0) == 0)
        let found = refused(configuration)
        #expect(found.count == 1 && found[0].contains("belongs to uid 54321"), "\(found)")
    }

    @Test func whatIsNoFileIsRefused() throws {
        var configuration = Configuration()
        for path in ["\(folder)/none", folder] {
            configuration.policyFile = path
            #expect(refused(configuration).first?.contains(path) == true)
        }
        #expect(refused(try self.configuration("", named: "empty")).count == 1)
    }

    // MARK: Reloads

    @Test func aReloadReplacesThePolicyAndAMistakeKeepsIt() throws {
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let first = try configuration(Self.text)
        let component = PolicyComponent(try Self.source.policy(first), Self.source, overflow: OverflowIDs(), log: log)
        let current = try component.start()
        #expect(component.reload(first) == ReloadOutcome())
        let second = try configuration("allow: []\n")
        #expect(component.reload(second) == ReloadOutcome(reread: ["policy_file"]))
        #expect(current.compiled.policy == Policy() && current.compiled.generation == 2)
        let outcome = component.reload(try configuration("allow: [{}]\n"))
        #expect(outcome.reread.isEmpty && !outcome.failures.isEmpty)
        #expect(outcome.failures.allSatisfy { $0.hasPrefix("policy_file: \(folder)/policy.yaml:1:") })
        #expect(current.compiled.policy == Policy() && current.compiled.generation == 2)
        // Without the setting, it is as if there had never been a policy.
        #expect(component.reload(Configuration()).reread == ["policy_file"])
        #expect(current.compiled.policy == .owner(1_000))
    }

    // MARK: The socket's group

    private func load(_ text: String, _ environment: [String: String] = [:]) throws -> Configuration {
        let loader = ConfigurationLoader(environment: environment.merging(["HOME": "/h"]) { $1 }, isRoot: true) { _ in text }
        return try loader.load(ConfigurationLoader.Flags())
    }

    @Test func aGroupMayConnectUnlessTheModeSaysOtherwise() throws {
        #expect(try load("").socketMode == 0o600)
        #expect(try load("socket_group: workers\n").socketMode == 0o660)
        #expect(try load("socket_group: workers\nsocket_mode: 0600\n").socketMode == 0o600)
        #expect(try load("", ["COFFER_SOCKET_GROUP": "7"]).socketGroup == "7")
        #expect(try load("", ["COFFER_POLICY_FILE": "/p"]).policyFile == "/p")
        #expect(throws: ConfigurationErrors.self) { try load("policy_file: p.yaml\n") }
    }

    @Test func theSocketAndAFolderThatIsMadeAreTheGroups() throws {
        try #require(geteuid() == 0, "run the tests as root: this one gives files to another group")
        for (path, folderGroup) in [("\(folder)/new/s", 54_321), ("\(folder)/s", getegid())] as [(String, gid_t)] {
            let socket = try SocketFile(path: path, mode: 0o660, group: try SocketGroup.number("54321"))
            defer { socket.close() }
            var status = stat()
            try #require(lstat(path, &status) == 0)
            #expect(status.st_gid == 54_321 && status.st_mode & 0o7777 == 0o660 && status.st_uid == 0)
            try #require(lstat((path as NSString).deletingLastPathComponent, &status) == 0)
            #expect(status.st_gid == folderGroup && status.st_mode & 0o027 == 0)
        }
    }

    @Test func aGroupThatIsNotThereIsAMistake() throws {
        #expect(try SocketGroup.number("") == nil)
        #expect(try SocketGroup.number("root") == 0)
        let error = #expect(throws: StartupError.self) { try SocketGroup.number("no-such-group") }
        #expect(error?.exitCode == 78)
    }
}
