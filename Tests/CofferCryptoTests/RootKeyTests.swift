import CofferCore
import Foundation
import Testing

@testable import CofferCrypto

@Suite struct RootKeyTests {
    private let folder: TemporaryFolder
    private let bytes = [UInt8](100..<132)

    init() throws { folder = try TemporaryFolder() }

    private func key(_ root: RootKey) -> [UInt8]? {
        if case .key(let secret) = root { secret.array } else { nil }
    }

    @Test func readsRawAndHexFiles() throws {
        let hex = Hex.digits(bytes)
        let forms = [bytes, hex, hex + Array("\n".utf8), hex + Array("\r\n".utf8), Array(Hex.text(bytes).uppercased().utf8)]
        for form in forms {
            #expect(try key(.file(folder.write(form, to: "key"))) == bytes)
        }
    }

    @Test(arguments: [0, 31, 33, 63, 65, 66, 4096])
    func refusesOtherSizes(size: Int) throws {
        let path = try folder.write((0..<size).map { UInt8(ascii: $0 % 2 == 0 ? "a" : "b") }, to: "key")
        let expected = KeyError(
            .badKey, "\(path): expected 32 bytes, or 64 hex digits and a line end; the file has \(size) bytes")
        #expect(throws: expected) { try RootKey.file(path) }
    }

    @Test(arguments: ["g", " ", "\u{0}", ":"])
    func refusesWhatIsNotHex(digit: String) throws {
        let path = try folder.write(Array((String(repeating: "a", count: 63) + digit).utf8), to: "key")
        #expect(throws: KeyError.self) { try RootKey.file(path) }
    }

    @Test func refusesAKeyThatNobodyDrew() throws {
        let path = try folder.write(Array(repeating: 0, count: 32), to: "key")
        #expect(throws: KeyError.self) { try RootKey.file(path) }
        #expect(throws: KeyError.self) { try Passphrase(inVariable: Secret("\n")) }
    }

    /// The rule of versions before left out a newline only, and in a variable not even that.
    @Test(
        arguments: [
            ("hunter 2", nil, nil), ("hunter 2\n", nil, "hunter 2\n"), ("hunter 2\r\n", "hunter 2\r", "hunter 2\r\n"),
        ] as [(String, String?, String?)])
    func aLineEndAtTheEndOfAPassphraseDoesNotCount(text: String, formerInFile: String?, formerInVariable: String?) throws {
        let file = try RootKey.passphraseFile(folder.write(Array(text.utf8), to: "p"))
        let variable = try Passphrase(inVariable: Secret(text))
        #expect(file.text.array == Array("hunter 2".utf8))
        #expect(variable.text.array == Array("hunter 2".utf8))
        #expect(file.former?.array == formerInFile.map { Array($0.utf8) })
        #expect(variable.former?.array == formerInVariable.map { Array($0.utf8) })
    }

    @Test(arguments: ["hunter 2\n\n", "hunter 2\r", " hunter 2 ", "\nhunter 2"])
    func nothingElseIsLeftOutOfAPassphrase(text: String) throws {
        let expected = text.hasSuffix("\n") ? String(text.dropLast()) : text
        #expect(try RootKey.passphraseFile(folder.write(Array(text.utf8), to: "p")).text.array == Array(expected.utf8))
        #expect(try Passphrase(inVariable: Secret(text)).text.array == Array(expected.utf8))
    }

    @Test(arguments: ["", "\n", "\r\n"])
    func refusesAnEmptyPassphraseFile(text: String) throws {
        let path = try folder.write(Array(text.utf8), to: "p")
        #expect(throws: KeyError.self) { try RootKey.passphraseFile(path) }
    }

    @Test func refusesAnOpenFile() throws {
        let path = try folder.write(bytes, to: "key", mode: 0o644)
        let expected = KeyError(
            .permissions,
            "\(path): the key file has mode 0644, open to others; chmod 0600 it, and consider who has read it")
        #expect(throws: expected) { try RootKey.file(path) }
        #expect(throws: expected) { try RootKey.fileOrGenerated(path) }
    }

    @Test func neverTellsWhatTheFileHolds() throws {
        let text = "hunter2hunter2"
        let path = try folder.write(Array(text.utf8), to: "key")
        let error = #expect(throws: KeyError.self) { try RootKey.file(path) }
        #expect(error?.description.contains("hunter") == false)
    }

    @Test func readsCredentialsOfTheUnit() throws {
        // systemd shows the mask of its ACL as the group's bits.
        try folder.write(bytes, to: "root.key", mode: 0o440)
        #expect(try key(.credential("root.key", folder: folder.path)) == bytes)
        try folder.write(bytes, to: "other.key", mode: 0o640)
        #expect(throws: KeyError.self) { try RootKey.file(folder.file("other.key")) }
        try folder.write(bytes, to: "open", mode: 0o444)
        #expect(throws: KeyError.self) { try RootKey.credential("open", folder: folder.path) }
        #expect(throws: KeyError.self) { try RootKey.credential("../root.key", folder: folder.path) }
        #expect(throws: KeyError.self) { try RootKey.credential("", folder: folder.path) }
    }

    @Test func makesAKeyFileOnce() throws {
        let path = folder.file("key")
        let made = try RootKey.fileOrGenerated(path)
        #expect(made.isNew)
        #expect(key(made.key) == (try folder.read("key")))
        #expect(try folder.mode(of: "key") == 0o600)
        #expect(try folder.names == ["key"])

        let found = try RootKey.fileOrGenerated(path)
        #expect(!found.isNew)
        #expect(key(found.key) == key(made.key))
        #expect(key(try RootKey.fileOrGenerated(folder.file("other")).key) != key(made.key))
    }

    @Test func isMadeOnceByManyAtATime() async throws {
        let path = folder.file("key")
        let keys = try await withThrowingTaskGroup { group in
            for _ in 0..<16 {
                group.addTask { () -> ([UInt8], Bool) in
                    let (root, isNew) = try RootKey.fileOrGenerated(path)
                    guard case .key(let secret) = root else { return ([], isNew) }
                    return (secret.array, isNew)
                }
            }
            return try await group.reduce(into: [([UInt8], Bool)]()) { $0.append($1) }
        }
        #expect(Set(keys.map(\.0)).count == 1)
        #expect(keys.count { $0.1 } == 1)
    }

    // MARK: Who may read a file that the operator lays out

    /// A volume of Kubernetes' Secrets: links, and files of root's that a group may read.
    @Test func followsTheLinksOfASecretVolume() throws {
        let file = try folder.write(bytes, to: "key-1", mode: 0o440)
        let link = folder.file("key")
        try #require(symlink(file, link) == 0)
        // Ours, but for root: nobody can write to it, and the group is ours.
        if geteuid() == 0 { #expect(try key(.file(link)) == bytes) }
        try #require(chmod(file, 0o400) == 0)
        #expect(try key(.file(link)) == bytes)
    }

    @Test(arguments: [0o640, 0o444, 0o604, 0o660, 0o644, 0o442] as [mode_t])
    func refusesSecretsThatOthersCanReach(mode: mode_t) throws {
        let path = try folder.write(Array("a passphrase".utf8), to: "secret", mode: mode)
        for isPassphrase in [true, false] {
            let error = #expect(throws: KeyError.self) {
                if isPassphrase { _ = try RootKey.passphraseFile(path) } else { _ = try RootKey.file(path) }
            }
            #expect(error?.reason == .permissions)
            #expect(error?.description.contains("mode 0\(String(mode, radix: 8))") == true)
        }
    }

    @Test func aPlatformsFileMayBeReadByOthersButNotWritten() throws {
        for (mode, isFine) in [(0o644, true), (0o440, true), (0o600, true), (0o664, false), (0o646, false)] {
            let path = try folder.write(bytes, to: "token", mode: mode_t(mode))
            func read() throws(KeyError) { _ = try ProtectedFile.read(path, what: "token", limit: 64, rule: .platform) }
            if isFine { try read() } else { #expect(throws: KeyError.self) { try read() } }
        }
    }

    @Test func aFIFOIsRefusedAtOnce() throws {
        let path = folder.file("fifo")
        try #require(mkfifo(path, 0o600) == 0)
        for rule in [ProtectedFile.Rule.own, .secret, .platform, .open] {
            let error = #expect(throws: KeyError.self) { try ProtectedFile.read(path, what: "file", limit: 64, rule: rule) }
            #expect(error?.reason == .permissions)
        }
    }
}
