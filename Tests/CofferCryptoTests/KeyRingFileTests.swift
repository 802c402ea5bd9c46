import CofferCore
import Foundation
import Synchronization
import Testing

@testable import CofferCrypto

@Suite struct KeyRingFileTests {
    private let folder: TemporaryFolder
    private let path: String
    private let root = RootKey.key(Secret([UInt8](0..<32)))

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("ring")
    }

    /// As a start does: the ring that is there, or a new one.
    private func openOrCreate() throws -> KeyRingFile {
        do throws(KeyError) {
            return try .open(path: path, root: root)
        } catch where error.reason == .absent {
            let file = try KeyRingFile.derive(path: path, root: root, now: 1)
            try file.create()
            return file
        }
    }

    private func failure(_ body: () throws -> Void) -> KeyError? {
        #expect(throws: KeyError.self) { try body() }
    }

    // MARK: Making and opening

    @Test func makesARingOnceAndOpensIt() throws {
        let made = try openOrCreate()
        let bytes = try folder.read("ring")
        let opened = try KeyRingFile.open(path: path, root: root).ring
        #expect(opened.encoded().isEqual(to: made.ring.encoded()))
        #expect(opened.active.createdAt == 1)
        #expect(try folder.read("ring") == bytes)
        #expect(try folder.mode(of: "ring") == 0o600)
        #expect(try folder.names == ["ring"])
    }

    @Test func opensWithThePassphraseOnly() throws {
        let right = RootKey.passphrase(Secret("correct horse"))
        let made = try KeyRingFile.derive(path: path, root: right, now: 1, random: SystemRandom(), costLog2: 15)
        try made.create()
        #expect(try KeyRingFile.open(path: path, root: right).ring.encoded().isEqual(to: made.ring.encoded()))

        let error = failure { _ = try KeyRingFile.open(path: path, root: .passphrase(Secret("wrong"))) }
        #expect(
            error
                == KeyError(
                    .wrongKey,
                    "\(path): the key ring does not open with this key; give the key or passphrase that it was made with"))
    }

    /// Who has the key or the passphrase has the records, on any host with any disk.
    @Test func theRootKeyAloneGivesTheSameKeysEverywhere() throws {
        for root in [root, .passphrase(Secret("correct horse"))] {
            let other = try TemporaryFolder()
            let here = try KeyRingFile.derive(path: path, root: root, now: 1).ring
            let there = try KeyRingFile.derive(path: other.file("ring"), root: root, now: 2).ring
            let sealed = try here.seal(Secret("x"), type: .value, generation: 1, context: .sample())
            #expect(try there.open(sealed, type: .value, context: .sample()).array == Array("x".utf8))
            #expect(there.tag(user: "u", connection: "c") == here.tag(user: "u", connection: "c"))
            let another = try KeyRingFile.derive(path: path, root: .key(.random(count: 32)), now: 1).ring
            #expect(throws: CryptoError.self) { try another.open(sealed, type: .value, context: .sample()) }
            #expect(another.tag(user: "u", connection: "c") != here.tag(user: "u", connection: "c"))
        }
        #expect(try folder.names == [], "only a ring that is created has a file")
    }

    /// By ENVELOPE.md alone.
    @Test func derivesTheKeysOfThePage() throws {
        let ring = try KeyRingFile.derive(path: path, root: root, now: 1).ring
        guard case .key(let seed) = root else { return }
        func hkdf(_ info: String) -> [UInt8] {
            KeyDerivation.hkdf(seed, salt: [], info: Array(info.utf8), count: 32).array
        }
        #expect(ring.base.array == hkdf("coffer.key.ring.base.v1"))
        #expect(ring.terms.map(\.key.array) == [hkdf("coffer.key.ring.term.v1")])
        #expect(ring.terms.map(\.id) == [1])
    }

    /// Rings that were made before have random keys.
    @Test func opensARingThatWasNotDerived() throws {
        let random = KeyRing.sample()
        let preamble = RingPreamble(for: root, random: SystemRandom())
        let sealed = try Envelope.seal(
            count: random.encoded().count, { $0.append(random.encoded()) },
            key: preamble.wrappingKey(from: root, path: path), header: EnvelopeHeader(type: .keyRing, term: 0, generation: 1),
            salt: [UInt8](repeating: 1, count: 32),
            context: EnvelopeContext(
                vaultIdentity: Array(repeating: 0, count: 16), environment: "", name: preamble.encoded,
                contentType: "coffer.key-ring.v1"))
        try folder.write(preamble.encoded + sealed, to: "ring")
        #expect(try openOrCreate().ring.encoded().isEqual(to: random.encoded()))
        #expect(throws: KeyError.self) { try openOrCreate().create() }
    }

    @Test func newRingsGetTheStandardCost() throws {
        let ring = RingPreamble(for: .passphrase(Secret("x")), random: SystemRandom())
        #expect(ring.costLog2 == 17)
        #expect(RingPreamble(for: root, random: SystemRandom()).costLog2 == 0)
    }

    @Test func refusesAnotherKeyAndLeavesTheFile() throws {
        _ = try openOrCreate()
        let bytes = try folder.read("ring")
        let other = RootKey.key(.random(count: 32))
        #expect(failure { _ = try KeyRingFile.open(path: path, root: other) }?.reason == .wrongKey)
        #expect(try folder.read("ring") == bytes)
    }

    @Test func saysThatTheKindOfKeyIsWrong() throws {
        _ = try openOrCreate()
        let error = failure { _ = try KeyRingFile.open(path: path, root: .passphrase(Secret("x"))) }
        #expect(error?.reason == .wrongKey)
        #expect(error?.description == "\(path): the key ring was made with a 32-byte key, and a passphrase was given; unset the passphrase, and set key.file (COFFER_KEY_FILE) if that key is not root.key beside the ring")
    }

    // MARK: What is refused

    @Test func refusesEverySingleFlippedBit() throws {
        _ = try openOrCreate()
        let bytes = try folder.read("ring")
        for bit in 0..<bytes.count * 8 {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << (bit % 8)
            try folder.write(damaged, to: "ring")
            let reason = failure { _ = try KeyRingFile.open(path: path, root: root) }?.reason
            #expect([.damaged, .wrongKey, .limit].contains(reason), "bit \(bit)")
        }
    }

    @Test func refusesACutFile() throws {
        _ = try openOrCreate()
        let bytes = try folder.read("ring")
        for length in 0..<bytes.count {
            try folder.write(Array(bytes[..<length]), to: "ring")
            #expect(failure { _ = try openOrCreate() }?.reason == .damaged)
        }
    }

    @Test(arguments: [0, 14, 21, 30, 255] as [UInt8])
    func refusesACostOutOfRangeBeforeItDerives(costLog2: UInt8) throws {
        let passphrase = RootKey.passphrase(Secret("x"))
        let preamble = RingPreamble(for: passphrase, costLog2: costLog2, random: SystemRandom())
        try folder.write(preamble.encoded + Array(repeating: 0, count: 300), to: "ring")
        let error = failure { _ = try KeyRingFile.open(path: path, root: passphrase) }
        #expect(
            error
                == KeyError(
                    .limit, "\(path): the key ring asks for scrypt with N = 2^\(costLog2); allowed are 2^15 to 2^20"))
    }

    @Test(arguments: [0o640, 0o604, 0o644, 0o620, 0o602, 0o601, 0o610, 0o666] as [mode_t])
    func refusesAModeThatLetsOthersIn(mode: mode_t) throws {
        _ = try openOrCreate()
        try #require(chmod(path, mode) == 0)
        let error = failure { _ = try openOrCreate() }
        #expect(error?.reason == .permissions)
        #expect(error?.description.contains("mode 0\(String(mode, radix: 8))") == true)
    }

    @Test(arguments: [0o600, 0o400] as [mode_t])
    func acceptsAModeForTheOwnerAlone(mode: mode_t) throws {
        _ = try openOrCreate()
        try #require(chmod(path, mode) == 0)
        _ = try openOrCreate()
    }

    @Test func refusesWhatIsNoRegularFile() throws {
        _ = try openOrCreate()
        let link = folder.file("link")
        try #require(symlink(path, link) == 0)
        let pipe = folder.file("pipe")
        try #require(mkfifo(pipe, 0o600) == 0)
        for path in [link, pipe, folder.path] {
            #expect(failure { _ = try KeyRingFile.open(path: path, root: root) }?.reason == .permissions, "\(path)")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give a file away"))
    func refusesAnotherOwnersFile() throws {
        _ = try openOrCreate()
        try #require(chown(path, 12345, 0) == 0)
        let error = failure { _ = try openOrCreate() }
        #expect(error?.description == "\(path): the key ring belongs to uid 12345; expected 0: chown 0 it")
    }

    @Test func refusesAFileLargerThanAnyRing() throws {
        try folder.write(Array(repeating: 0, count: KeyRingFile.maximumBytes + 1), to: "ring")
        #expect(failure { _ = try openOrCreate() }?.reason == .damaged)
    }

    @Test func saysWhenTheFolderIsMissing() throws {
        let error = failure {
            try KeyRingFile.derive(path: folder.file("none/ring"), root: root, now: 1).create()
        }
        #expect(error?.reason == .absent)
        #expect(error?.description == "cannot open the folder \(folder.file("none")): No such file or directory")
    }

    // MARK: Changing

    @Test func addsAndPromotesATermDurably() throws {
        var file = try openOrCreate()
        let id = try file.addTerm(name: "2027", now: 5)
        #expect(file.ring.active.id == 1)
        #expect(try KeyRingFile.open(path: path, root: root).ring.terms.map(\.name) == ["first", "2027"])
        try file.promote(id)
        let reopened = try KeyRingFile.open(path: path, root: root).ring
        #expect(reopened.active.id == 2)
        #expect(reopened.active.createdAt == 5)
        #expect(reopened.encoded().isEqual(to: file.ring.encoded()))
        #expect(try folder.names == ["ring"])
        #expect(try folder.mode(of: "ring") == 0o600)
    }

    @Test func keepsWhatAnotherProcessAdded() throws {
        var one = try openOrCreate()
        var other = try openOrCreate()
        _ = try one.addTerm(name: "one's", now: 1)
        #expect(try other.addTerm(name: "other's", now: 1) == 3)
        #expect(other.ring.terms.map(\.name) == ["first", "one's", "other's"])
    }

    @Test func losesNoTermOfManyAddedAtATime() async throws {
        let file = try openOrCreate()
        let ids = try await withThrowingTaskGroup(of: [UInt32].self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var own = file
                    var ids: [UInt32] = []
                    for _ in 0..<20 { ids.append(try own.addTerm(name: "x", now: 1)) }
                    return ids
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(ids.sorted() == Array(2...81))
        #expect(try KeyRingFile.open(path: path, root: root).ring.terms.count == 81)
    }

    @Test func keepsTheRingWhenAChangeFails() throws {
        var file = try openOrCreate()
        let before = try folder.read("ring")
        #expect(failure { try file.promote(9) }?.reason == .unknownTerm)
        #expect(try folder.read("ring") == before)
        #expect(file.ring.active.id == 1)
    }

    @Test func doesNotChangeARingMadeAnew() throws {
        var file = try openOrCreate()
        try #require(unlink(path) == 0)
        _ = try openOrCreate()
        #expect(failure { _ = try file.addTerm(name: "x", now: 1) }?.reason == .wrongKey)
    }

    // MARK: Kills

    /// What a kill can leave: nothing of the new file, a part of it, or all.
    @Test(arguments: [0, 1, 44, 200, 1000])
    func survivesAKillBeforeTheRename(written: Int) throws {
        var file = try openOrCreate()
        let old = try folder.read("ring")
        var killed = file
        _ = try killed.addTerm(name: "lost", now: 1)
        let new = try folder.read("ring")
        try folder.write(old, to: "ring")
        try folder.write(Array(new.prefix(written)), to: ".ring.new")

        #expect(try KeyRingFile.open(path: path, root: root).ring.terms.count == 1)
        _ = try file.addTerm(name: "kept", now: 1)
        #expect(try KeyRingFile.open(path: path, root: root).ring.terms.map(\.name) == ["first", "kept"])
        #expect(try folder.names == ["ring"])
    }

    @Test func survivesAKillBetweenLinkAndUnlink() throws {
        var file = try openOrCreate()
        try #require(link(path, folder.file(".ring.new")) == 0)
        _ = try file.addTerm(name: "second", now: 1)
        #expect(try KeyRingFile.open(path: path, root: root).ring.terms.count == 2)
        #expect(try folder.names == ["ring"])
    }

    @Test func neverWritesIntoTheFileThatIsThere() throws {
        var file = try openOrCreate()
        let old = try folder.read("ring")
        try #require(link(path, folder.file("old")) == 0)
        _ = try file.addTerm(name: "second", now: 1)
        #expect(try folder.read("old") == old)
        #expect(try folder.read("ring") != old)
    }

    @Test func readersNeverSeeAPartialFile() async throws {
        var file = try openOrCreate()
        let (path, root) = (path, root)
        let done = Atomic(false)
        async let reads: Void = {
            defer { done.store(true, ordering: .relaxed) }
            for _ in 0..<300 { _ = try KeyRingFile.open(path: path, root: root) }
        }()
        repeat {
            try file.promote(1)
            await Task.yield()
        } while !done.load(ordering: .relaxed)
        try await reads
    }
}
