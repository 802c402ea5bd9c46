package import CofferCore

/// The keys of a daemon: terms that seal and open records, and keys for other
/// purposes that never change.
///
/// A value: a change gives another ring, and ``KeyRingFile`` makes it durable.
package struct KeyRing: Sendable {
    static let maximumTerms = 256

    /// In ascending order of id; exactly one is active.
    package private(set) var terms: [KeyTerm]
    /// The root of the keys by purpose. Terms come and go; it stays, so names do too.
    let base: Secret
    private let indexKey: HMACKey

    /// - Parameters:
    ///   - base: 32 bytes.
    ///   - terms: ascending ids, one of them active.
    init(base: Secret, terms: [KeyTerm]) {
        precondition(terms.count { $0.state == .active } == 1, "one active term")
        self.base = base
        self.terms = terms
        indexKey = HMACKey(Self.derive(Purpose.index.rawValue, from: base))
    }

    /// A ring with one term, which the root key alone gives: whoever derives it from the
    /// same root key, on any host at any time, has the same keys.
    ///
    /// - Parameter now: when its term was created.
    /// - Throws: `.system` if there is no memory to derive from a passphrase.
    static func derived(from root: RootKey, now: WallMilliseconds) throws(KeyError) -> KeyRing {
        let seed = try seed(of: root)
        let term = KeyTerm(
            id: 1, name: "first", state: .active, createdAt: now, key: derive("ring.term", from: seed))
        return KeyRing(base: derive("ring.base", from: seed), terms: [term])
    }

    /// The cost and the salt never change: another one would give other keys.
    private static func seed(of root: RootKey) throws(KeyError) -> Secret {
        switch root {
        case .key(let key): return key
        case .passphrase(let passphrase):
            do {
                return try KeyDerivation.scrypt(
                    passphrase, salt: Array("coffer.key.ring.seed.v1".utf8), costLog2: 17, blockSize: 8,
                    parallelism: 1)
            } catch {
                throw KeyError(.system, "deriving the keys from the passphrase needs 128 MiB of memory", isOfHost: true)
            }
        }
    }

    /// What new records are sealed under.
    package var active: KeyTerm { terms.first { $0.state == .active }! }

    // MARK: Records

    /// Seals `plaintext` under the active term.
    ///
    /// - Parameters:
    ///   - generation: a number that grows with every write to the vault.
    ///   - random: gives the salt, 32 bytes.
    /// - Throws: `.plaintextTooLarge`.
    package func seal(
        _ plaintext: Secret, type: RecordType, generation: UInt64, context: EnvelopeContext,
        random: some RandomSource = SystemRandom()
    ) throws(CryptoError) -> [UInt8] {
        try seal(
            count: plaintext.count, { $0.append(plaintext) }, type: type, generation: generation, context: context,
            random: random)
    }

    /// The same for a plaintext of `count` bytes that is written only now.
    package func seal(
        count: Int, _ plaintext: (inout SecretWriter) -> Void, type: RecordType, generation: UInt64,
        context: EnvelopeContext, random: some RandomSource = SystemRandom()
    ) throws(CryptoError) -> [UInt8] {
        let term = active
        return try Envelope.seal(
            count: count, plaintext, key: term.key,
            header: EnvelopeHeader(type: type, term: term.id, generation: generation),
            salt: random.bytes(EnvelopeHeader.saltByteCount), context: context)
    }

    /// Opens what was sealed under any term of this ring, as this type and for
    /// this context.
    ///
    /// - Throws: `.doesNotOpen`, whatever the cause.
    package func open(
        _ sealed: [UInt8], type: RecordType, context: EnvelopeContext
    ) throws(CryptoError) -> Secret {
        do throws(OpenFailure) {
            return try opened(sealed, type: type, context: context)
        } catch {
            throw .doesNotOpen
        }
    }

    /// The same, with the cause: nobody outside of this module is to learn it.
    func opened(
        _ sealed: [UInt8], type: RecordType, context: EnvelopeContext
    ) throws(OpenFailure) -> Secret {
        let header = try Envelope.header(of: sealed)
        guard header.type == type else { throw .type }
        guard let term = terms.first(where: { $0.id == header.term }) else { throw .term }
        return try Envelope.open(sealed, header: header, key: term.key, context: context)
    }

    // MARK: Names

    /// The name of a record where names are hidden: 32 bytes, the same as long as
    /// the ring lives.
    package func tag(user: String, connection: String) -> [UInt8] {
        sum(Self.recordTagLabel, user, connection)
    }

    /// Finds the records of a user where names are hidden; 32 bytes.
    package func userTag(_ user: String) -> [UInt8] {
        sum(Self.userTagLabel, user, nil)
    }

    /// Of the list of these.
    private func sum(_ label: [UInt8], _ user: String, _ connection: String?) -> [UInt8] {
        let parts = label.count + user.utf8.count + (connection?.utf8.count ?? 0)
        let size = parts + 3 * ByteWriter.partOverheadBytes
        return withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { memory in
            var writer = ByteWriter(memory)
            writer.append(part: label)
            writer.append(part: user)
            if let connection { writer.append(part: connection) }
            return indexKey.sum(writer.written)
        }
    }

    private static let recordTagLabel = Array("coffer.tag.record.v1".utf8)
    private static let userTagLabel = Array("coffer.tag.user.v1".utf8)

    // MARK: Keys by purpose

    /// What a key other than a term's is for. Each has a label of its own, which
    /// is never used again for anything else.
    package enum Purpose: String, Sendable, CaseIterable {
        case index, audit, manifest
    }

    /// The 32-byte key for a purpose.
    package func key(for purpose: Purpose) -> Secret { Self.derive(purpose.rawValue, from: base) }

    private static func derive(_ label: String, from key: Secret) -> Secret {
        KeyDerivation.hkdf(key, salt: [], info: Array("coffer.key.\(label).v1".utf8), count: 32)
    }
}

extension KeyRing {
    /// Adds a term with a new random key, decrypt-only: every process that reads
    /// the vault must know it before one seals under it.
    ///
    /// - Returns: its id.
    /// - Throws: `.limit` for a name or a number of terms that is not allowed.
    mutating func addTerm(name: String, now: WallMilliseconds) throws(KeyError) -> UInt32 {
        guard KeyTerm.isName(name) else {
            throw KeyError(.limit, "a term's name must have 1 to 64 bytes and no control characters")
        }
        guard terms.count < Self.maximumTerms, let last = terms.last, last.id < .max else {
            throw KeyError(.limit, "the key ring has \(terms.count) terms; the limit is \(Self.maximumTerms)")
        }
        terms.append(
            KeyTerm(
                id: last.id + 1, name: name, state: .decryptOnly, createdAt: now,
                key: .random(count: KeyTerm.keyBytes)))
        return last.id + 1
    }

    /// Makes a term the active one; the one before becomes decrypt-only.
    ///
    /// - Throws: `.unknownTerm`.
    mutating func promote(_ id: UInt32) throws(KeyError) {
        guard terms.contains(where: { $0.id == id }) else {
            throw KeyError(.unknownTerm, "the key ring has no term \(id)")
        }
        for index in terms.indices {
            terms[index].state = terms[index].id == id ? .active : .decryptOnly
        }
    }
}
