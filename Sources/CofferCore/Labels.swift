/// A record's labels: not secret, yet sealed with it.
package enum Labels {
    package static let maximumCount = 16
    package static let maximumNameBytes = 64
    package static let maximumValueBytes = 256

    /// - Throws: INVALID_ARGUMENT naming what breaks which rule.
    package static func check(_ labels: [String: String]) throws(Failure) {
        guard labels.count <= maximumCount else {
            throw .badField("labels", "expected at most \(maximumCount), got \(labels.count)")
        }
        for (name, value) in labels {
            guard (1...maximumNameBytes).contains(name.utf8.count) else {
                throw .badField(
                    "labels", "a name has \(name.utf8.count) bytes, expected 1 to \(maximumNameBytes)")
            }
            guard value.utf8.count <= maximumValueBytes else {
                throw .badField(
                    "labels", "a value has \(value.utf8.count) bytes, expected at most \(maximumValueBytes)")
            }
            guard !name.utf8.containsControlCharacter, !value.utf8.containsControlCharacter else {
                throw .badField("labels", "names and values must not hold control characters")
            }
        }
    }
}
