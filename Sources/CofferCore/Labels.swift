/// A record's labels: not secret, yet sealed with it.
///
/// Names are told apart by their bytes, as everywhere on the wire. A Dictionary would take two
/// names for one that Unicode holds equivalent. In the order of those bytes.
package struct Labels: Sendable {
    package static let maximumCount = 16
    package static let maximumNameBytes = 64
    package static let maximumValueBytes = 256

    private var pairs: [(key: String, value: String)] = []

    package init() {}

    /// Adds a label; false, and nothing is added, if its name is there already.
    package mutating func insert(_ name: String, _ value: String) -> Bool {
        let place = pairs.firstIndex { !$0.key.utf8.lexicographicallyPrecedes(name.utf8) } ?? pairs.count
        if place < pairs.count, pairs[place].key.hasSameBytes(as: name) { return false }
        pairs.insert((name, value), at: place)
        return true
    }

    /// - Throws: INVALID_ARGUMENT naming what breaks which rule.
    package func check() throws(Failure) {
        guard count <= Self.maximumCount else {
            throw .badField("labels", "expected at most \(Self.maximumCount), got \(count)")
        }
        for (name, value) in pairs {
            guard (1...Self.maximumNameBytes).contains(name.utf8.count) else {
                throw .badField(
                    "labels", "a name has \(name.utf8.count) bytes, expected 1 to \(Self.maximumNameBytes)")
            }
            guard value.utf8.count <= Self.maximumValueBytes else {
                throw .badField(
                    "labels", "a value has \(value.utf8.count) bytes, expected at most \(Self.maximumValueBytes)")
            }
            guard !name.utf8.containsControlCharacter, !value.utf8.containsControlCharacter else {
                throw .badField("labels", "names and values must not hold control characters")
            }
        }
    }
}

extension Labels: RandomAccessCollection {
    package var startIndex: Int { pairs.startIndex }
    package var endIndex: Int { pairs.endIndex }
    package subscript(place: Int) -> (key: String, value: String) { pairs[place] }
}

extension Labels: Equatable {
    package static func == (a: Self, b: Self) -> Bool {
        a.elementsEqual(b) { $0.key.hasSameBytes(as: $1.key) && $0.value.hasSameBytes(as: $1.value) }
    }
}

extension Labels: ExpressibleByDictionaryLiteral {
    /// Of a name that comes twice the first value stays.
    package init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { _ = insert(name, value) }
    }
}

extension String {
    /// Whether both are the same UTF-8. `==` also takes texts for the same that Unicode holds
    /// equivalent, such as é in one scalar and in two, or the sign for kelvin and the letter K.
    package func hasSameBytes(as other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }
}
