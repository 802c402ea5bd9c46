import CofferCore
import Foundation
import Testing

@testable import CofferCrypto

/// Runs `Tests/Vectors/vectors.json`, which was made without this module.
@Suite struct VectorTests {
    static let file = VectorFile.load()

    @Test func hasEnoughVectors() {
        let vectors = Self.file.vectors
        #expect(vectors.count >= 100)
        #expect(vectors.count { $0.expect == nil } >= 50)
        #expect(Set(vectors.map(\.id)).count == vectors.count)
        #expect(Set(vectors.map(\.kind)) == Set(Vector.Kind.allCases))
    }

    @Test(arguments: file.vectors.filter { $0.kind == .envelope })
    func envelope(_ vector: Vector) throws {
        let sealed = try vector.bytes("sealed")
        try check(sealed, vector)
        guard let plaintext = vector.expect?.plaintext, let generation = vector.expect?.generation.flatMap(UInt64.init)
        else { return }
        // The other way round too: the same bytes come out.
        let resealed = try ring(active: try EnvelopeHeader(reading: sealed).term).seal(
            Secret(try #require(Hex.bytes(plaintext.utf8))), type: vector.recordType, generation: generation,
            context: vector.context, random: FixedRandom(pattern: try vector.bytes("salt")))
        #expect(resealed == sealed)
    }

    @Test(arguments: file.vectors.filter { $0.kind == .text })
    func text(_ vector: Vector) throws {
        let text = try #require(vector.text)
        guard vector.expect != nil else {
            #expect(throws: CryptoError.doesNotOpen) {
                let sealed = try Envelope.bytes(ofText: Array(text.utf8))
                _ = try ring(active: 1).open(sealed, type: vector.recordType, context: vector.context)
            }
            return
        }
        let sealed = try Envelope.bytes(ofText: Array(text.utf8))
        #expect(Envelope.text(sealed) == text)
        try check(sealed, vector)
    }

    @Test(arguments: file.vectors.filter { $0.kind == .ring })
    func ring(_ vector: Vector) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(vector.bytes("file"), to: "ring")
        let root: RootKey =
            if let passphrase = vector.passphrase {
                .passphrase(Secret(passphrase))
            } else {
                .key(Secret(try vector.bytes("root")))
            }
        guard let expect = vector.expect else {
            #expect(throws: KeyError.self) { try KeyRingFile.open(path: path, root: root) }
            return
        }
        let ring = try KeyRingFile.open(path: path, root: root).ring
        #expect(Hex.text(ring.base.array) == expect.base)
        let envelope = try Array(vector.bytes("file")[RingPreamble.byteCount...])
        #expect(Envelope.generation(of: envelope) == expect.generation.flatMap(UInt64.init))
        let terms = ring.terms.map {
            Vector.Term(
                id: $0.id, state: $0.state.rawValue, created: $0.createdAt, name: $0.name, key: Hex.text($0.key.array))
        }
        #expect(terms == expect.terms)
    }

    @Test(arguments: file.vectors.filter { $0.kind == .derived })
    func derived(_ vector: Vector) throws {
        let root: RootKey =
            if let passphrase = vector.passphrase {
                .passphrase(Secret(passphrase))
            } else {
                .key(Secret(try vector.bytes("root")))
            }
        let ring = try KeyRing.derived(from: root, now: 1)
        #expect(Hex.text(ring.base.array) == vector.expect?.base)
        #expect(ring.terms.map { Hex.text($0.key.array) } == [vector.expect?.key])
    }

    @Test(arguments: file.vectors.filter { $0.kind == .tags })
    func tags(_ vector: Vector) throws {
        let ring = ring(active: 1, base: try vector.bytes("base"))
        let (user, connection) = (try #require(vector.user), try #require(vector.connection))
        #expect(Hex.text(ring.tag(user: user, connection: connection)) == vector.expect?.record)
        #expect(Hex.text(ring.userTag(user)) == vector.expect?.user)
    }

    @Test(arguments: file.vectors.filter { $0.kind == .purpose })
    func purpose(_ vector: Vector) throws {
        let purpose = try #require(vector.purpose.flatMap(KeyRing.Purpose.init))
        let ring = ring(active: 1, base: try vector.bytes("base"))
        #expect(Hex.text(ring.key(for: purpose).array) == vector.expect?.key)
    }

    @Test(arguments: file.vectors.filter { $0.kind == .legacy })
    func legacy(_ vector: Vector) throws {
        let format = try LegacyFormat(passphrase: Secret(try #require(vector.passphrase)))
        let text = Array(try #require(vector.text).utf8)
        guard let expect = vector.expect else {
            #expect(throws: CryptoError.doesNotOpen) { try format.open(text) }
            return
        }
        #expect(LegacyFormat.recognises(text))
        let plaintext = try format.open(text)
        #expect(Hex.text(plaintext.array) == expect.plaintext)
        let iv = FixedRandom(pattern: try #require(Hex.bytes(text[..<32])))
        #expect(try format.seal(plaintext, random: iv) == text)
    }

    private func check(_ sealed: [UInt8], _ vector: Vector) throws {
        let ring = ring(active: 1)
        guard let expect = vector.expect else {
            #expect(throws: CryptoError.doesNotOpen) {
                try ring.open(sealed, type: vector.recordType, context: vector.context)
            }
            return
        }
        let plaintext = try ring.open(sealed, type: vector.recordType, context: vector.context)
        #expect(Hex.text(plaintext.array) == expect.plaintext)
        #expect(Envelope.version(of: sealed) == expect.version)
        #expect(Envelope.generation(of: sealed) == expect.generation.flatMap(UInt64.init))
    }

    private func ring(active: UInt32, base: [UInt8] = Array(repeating: 0, count: 32)) -> KeyRing {
        let terms = Self.file.keys.map { id, key in
            KeyTerm(
                id: UInt32(id)!, name: id, state: UInt32(id) == active ? .active : .decryptOnly, createdAt: 0,
                key: Secret(Hex.bytes(key.utf8)!))
        }
        return KeyRing(base: Secret(base), terms: terms.sorted { $0.id < $1.id })
    }
}

struct VectorFile: Decodable {
    let keys: [String: String]
    let vectors: [Vector]

    static func load() -> VectorFile {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        do {
            let data = try Data(contentsOf: tests.appending(path: "Vectors/vectors.json"))
            return try JSONDecoder().decode(VectorFile.self, from: data)
        } catch {
            fatalError("Tests/Vectors/vectors.json: \(error)")
        }
    }
}

struct Vector: Decodable, Sendable, CustomTestStringConvertible {
    enum Kind: String, Decodable, CaseIterable { case envelope, text, ring, derived, tags, purpose, legacy }

    struct Term: Decodable, Equatable {
        let id: UInt32
        let state: UInt8
        let created: UInt64
        let name: String
        let key: String
    }

    struct Expectation: Decodable {
        let plaintext, version, base, record, user, key: String?
        /// In text: it may not fit into a double.
        let generation: String?
        let terms: [Term]?
    }

    let id: String
    let kind: Kind
    let hex: [String: String]
    let type, environment, contentType, text, passphrase, user, connection, purpose: String?
    let expect: Expectation?

    var testDescription: String { id }

    func bytes(_ name: String) throws -> [UInt8] {
        try #require(hex[name].flatMap { Hex.bytes($0.utf8) }, "\(id): hex field \(name)")
    }

    var recordType: RecordType {
        get throws {
            let types: [String: RecordType] = [
                "value": .value, "keyRing": .keyRing, "manifest": .manifest, "auditSeal": .auditSeal,
                "cachedCopy": .cachedCopy,
            ]
            return try #require(type.flatMap { types[$0] })
        }
    }

    var context: EnvelopeContext {
        get throws {
            try EnvelopeContext(
                vaultIdentity: bytes("vault"), environment: #require(environment), name: bytes("name"),
                contentType: #require(contentType))
        }
    }
}
