package import CofferCore

/// A key ring on disk: preamble and envelope, in a file of ours with mode 0600
/// that is replaced as a whole.
///
/// It remembers the key derived at the start, so only opening costs a passphrase
/// derivation. Keep it to change the ring; records need ``ring`` alone.
package struct KeyRingFile: Sendable {
    static let maximumBytes = 64 << 10

    package let path: String
    package private(set) var ring: KeyRing
    private let preamble: RingPreamble
    private let wrappingKey: Secret

    // MARK: Opening

    /// The ring that the root key alone gives, of which there is no file yet.
    ///
    /// - Parameters:
    ///   - now: when its term was created.
    ///   - random: gives a new file's salts.
    /// - Throws: `.system` if there is no memory to derive from a passphrase.
    package static func derive(
        path: String, root: RootKey, now: WallMilliseconds, random: some RandomSource = SystemRandom()
    ) throws(KeyError) -> KeyRingFile {
        try derive(path: path, root: root, now: now, random: random, costLog2: RingPreamble.standardCostLog2)
    }

    static func derive(
        path: String, root: RootKey, now: WallMilliseconds, random: some RandomSource, costLog2: UInt8
    ) throws(KeyError) -> KeyRingFile {
        let preamble = RingPreamble(for: root, costLog2: costLog2, random: random)
        return KeyRingFile(
            path: path, ring: try .derived(from: root, now: now), preamble: preamble,
            wrappingKey: try preamble.wrappingKey(from: root, path: path))
    }

    /// Makes the file of a derived ring, durably.
    ///
    /// - Throws: `.exists` if there is one, whatever is in it; `.permissions`, `.system`.
    package func create(random: some RandomSource = SystemRandom()) throws(KeyError) {
        let bytes = encode(ring, revision: 1, random: random)
        let folder = try ProtectedFolder(of: path)
        try folder.create(bytes.span.bytes)
    }

    /// Opens the ring at `path`.
    ///
    /// - Throws: `.wrongKey`, `.damaged`, `.permissions`, `.limit`, `.system`; `.absent` if the file does not exist.
    package static func open(path: String, root: RootKey) throws(KeyError) -> KeyRingFile {
        let (preamble, sealed) = try read(path)
        let wrappingKey = try preamble.wrappingKey(from: root, path: path)
        let (ring, _) = try decode(sealed, preamble, wrappingKey, path)
        return KeyRingFile(path: path, ring: ring, preamble: preamble, wrappingKey: wrappingKey)
    }

    private init(path: String, ring: KeyRing, preamble: RingPreamble, wrappingKey: Secret) {
        self.path = path
        self.ring = ring
        self.preamble = preamble
        self.wrappingKey = wrappingKey
    }

    // MARK: Changing

    /// Adds a term with a new random key, decrypt-only, and makes that durable.
    /// Promote it when every process that reads the vault has opened the ring again.
    ///
    /// - Parameter name: 1 to 64 bytes without control characters.
    /// - Returns: the term's id.
    /// - Throws: `.limit`, and as `open`; `ring` is unchanged then, and the file
    ///   is whole, with or without the change.
    package mutating func addTerm(
        name: String, now: WallMilliseconds, random: some RandomSource = SystemRandom()
    ) throws(KeyError) -> UInt32 {
        try update(random) { ring throws(KeyError) in try ring.addTerm(name: name, now: now) }
    }

    /// Seals new records under this term from now on, and makes that durable.
    ///
    /// - Throws: `.unknownTerm`, and as `open`; unchanged then as above.
    package mutating func promote(_ term: UInt32, random: some RandomSource = SystemRandom()) throws(KeyError) {
        try update(random) { ring throws(KeyError) in try ring.promote(term) }
    }

    /// Changes what the file holds now, which may be newer than `ring`, while no
    /// other process does; then reads it again.
    private mutating func update<R>(
        _ random: some RandomSource, _ change: (inout KeyRing) throws(KeyError) -> R
    ) throws(KeyError) -> R {
        let folder = try ProtectedFolder(of: path)
        var (changed, revision) = try current()
        let result = try change(&changed)
        let bytes = encode(changed, revision: revision + 1, random: random)
        try folder.replace(bytes.span.bytes)
        ring = try current().ring
        return result
    }

    private func current() throws(KeyError) -> (ring: KeyRing, revision: UInt64) {
        let (preamble, sealed) = try Self.read(path)
        guard preamble == self.preamble else {
            throw KeyError(.wrongKey, "\(path): another process replaced this key ring; restart to open it")
        }
        return try Self.decode(sealed, preamble, wrappingKey, path)
    }

    // MARK: The bytes

    private static func context(_ preamble: RingPreamble) -> EnvelopeContext {
        do {
            return try EnvelopeContext(
                vaultIdentity: Array(repeating: 0, count: 16), environment: "", name: preamble.encoded,
                contentType: KeyRing.contentType)
        } catch {
            fatalError("the preamble is within an envelope's limits: \(error)")
        }
    }

    private func encode(_ ring: KeyRing, revision: UInt64, random: some RandomSource) -> [UInt8] {
        let header = EnvelopeHeader(type: .keyRing, term: 0, generation: revision)
        let salt = random.bytes(EnvelopeHeader.saltByteCount)
        let encoded = ring.encoded()
        do {
            return try preamble.encoded
                + Envelope.seal(
                    count: encoded.count, { $0.append(encoded) }, key: wrappingKey, header: header, salt: salt,
                    context: Self.context(preamble))
        } catch {
            fatalError("at most \(KeyRing.maximumTerms) terms are within an envelope's limits: \(error)")
        }
    }

    private static func read(_ path: String) throws(KeyError) -> (RingPreamble, sealed: [UInt8]) {
        // Ciphertext: it may lie in an array.
        let contents = try ProtectedFile.read(path, what: "key ring", limit: maximumBytes)
        let file = contents.withUnsafeBytes { [UInt8]($0) }
        guard let preamble = try RingPreamble(reading: file, path: path) else { throw damaged(path) }
        return (preamble, Array(file[RingPreamble.byteCount...]))
    }

    private static func decode(
        _ sealed: [UInt8], _ preamble: RingPreamble, _ wrappingKey: Secret, _ path: String
    ) throws(KeyError) -> (ring: KeyRing, revision: UInt64) {
        do throws(OpenFailure) {
            let header = try Envelope.header(of: sealed)
            guard header.type == .keyRing, header.term == 0 else { throw .type }
            let plaintext = try Envelope.open(sealed, header: header, key: wrappingKey, context: context(preamble))
            guard let ring = KeyRing(decoding: plaintext) else { throw .padding }
            return (ring, header.generation)
        } catch {
            throw error == .commitment ? wrongKey(path) : damaged(path)
        }
    }

    private static func wrongKey(_ path: String) -> KeyError {
        KeyError(
            .wrongKey,
            "\(path): the key ring does not open with this key; give the key or passphrase that it was made with")
    }

    private static func damaged(_ path: String) -> KeyError {
        KeyError(.damaged, "\(path): this is not an intact key ring of a known version; restore it from a backup")
    }
}
