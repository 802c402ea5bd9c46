internal import CofferCore

/// The plaintext of a key ring's envelope. Layout: ENVELOPE.md.
extension KeyRing {
    static let contentType = "coffer.key-ring.v1"
    private static let fixedTermBytes = 4 + 1 + 8 + 1 + KeyTerm.keyBytes

    func encoded() -> Secret {
        let count = terms.reduce(32 + 2) { $0 + Self.fixedTermBytes + $1.name.utf8.count }
        return SecretWriter.build(count: count) {
            $0.append(base)
            $0.append(UInt16(terms.count))
            for term in terms {
                $0.append(term.id)
                $0.append(term.state.rawValue)
                $0.append(term.createdAt)
                $0.append(UInt8(term.name.utf8.count))
                $0.append(term.name)
                $0.append(term.key)
            }
        }
    }

    /// Reads what ``encoded()`` writes; nil for anything else.
    init?(decoding plaintext: Secret) {
        let parts = plaintext.withBytes { bytes -> (base: Secret, terms: [KeyTerm])? in
            var cursor = ByteCursor()
            guard let base = cursor.secret(count: 32, in: bytes),
                let count = cursor.integer(UInt16.self, in: bytes), (1...Self.maximumTerms).contains(Int(count))
            else { return nil }
            var terms: [KeyTerm] = []
            for _ in 0..<count {
                guard let term = Self.term(&cursor, bytes), term.id > terms.last?.id ?? 0 else { return nil }
                terms.append(term)
            }
            guard cursor.remaining(in: bytes) == 0, terms.count(where: { $0.state == .active }) == 1 else { return nil }
            return (base, terms)
        }
        guard let parts else { return nil }
        self.init(base: parts.base, terms: parts.terms)
    }

    private static func term(_ cursor: inout ByteCursor, _ bytes: RawSpan) -> KeyTerm? {
        guard let id = cursor.integer(UInt32.self, in: bytes),
            let state = cursor.integer(UInt8.self, in: bytes).flatMap(KeyTerm.State.init),
            let createdAt = cursor.integer(UInt64.self, in: bytes),
            let nameBytes = cursor.integer(UInt8.self, in: bytes),
            let name = cursor.text(count: Int(nameBytes), in: bytes), KeyTerm.isName(name),
            let key = cursor.secret(count: KeyTerm.keyBytes, in: bytes)
        else { return nil }
        return KeyTerm(id: id, name: name, state: state, createdAt: createdAt, key: key)
    }
}
