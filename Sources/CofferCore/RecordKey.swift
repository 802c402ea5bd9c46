/// Names one credential: a user's connection.
package struct RecordKey: Hashable, Sendable {
    /// The longest id, in bytes of UTF-8.
    package static let maximumIDBytes = 256

    package let user: String
    package let connection: String

    /// - Throws: INVALID_ARGUMENT naming the field that is empty, too long or
    ///   has a control character.
    package init(user: String, connection: String) throws(Failure) {
        try Self.check(user, field: "user_id")
        try Self.check(connection, field: "connection_id")
        self.user = user
        self.connection = connection
    }

    /// Of ids for which ``check(bytes:field:hasControl:)`` was called.
    package init(checkedUser user: String, connection: String) {
        self.user = user
        self.connection = connection
    }

    // By bytes: to String, texts that Unicode holds equivalent are the same text,
    // but they name different records.

    package static func == (a: Self, b: Self) -> Bool {
        a.user.utf8.elementsEqual(b.user.utf8) && a.connection.utf8.elementsEqual(b.connection.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for id in [user, connection] {
            hasher.combine(id.utf8.count)
            id.utf8.forEach { hasher.combine($0) }
        }
    }

    /// Lends both ids as UTF-8.
    package func withBytes<R>(_ body: (_ user: RawSpan, _ connection: RawSpan) -> R) -> R {
        var user = user
        var connection = connection
        return user.withUTF8 { user in
            connection.withUTF8 { connection in
                body(UnsafeRawBufferPointer(user).bytes, UnsafeRawBufferPointer(connection).bytes)
            }
        }
    }

    /// The rule for a user or connection id.
    package static func check(_ id: String, field: String) throws(Failure) {
        try check(
            bytes: id.utf8.count, field: field, hasControl: id.utf8.containsControlCharacter)
    }

    /// The same rule for ids that are not strings yet.
    package static func check(bytes: Int, field: String, hasControl: Bool) throws(Failure) {
        guard (1...maximumIDBytes).contains(bytes) else {
            throw .badField(field, "expected 1 to \(maximumIDBytes) bytes, got \(bytes)")
        }
        guard !hasControl else {
            throw .badField(field, "must not hold control characters (U+0000 to U+001F, U+007F to U+009F)")
        }
    }
}

extension Sequence where Element == UInt8 {
    /// Whether this UTF-8 text holds a C0 or C1 control character or DEL.
    package var containsControlCharacter: Bool {
        var previous: UInt8 = 0
        for byte in self {
            if byte < 0x20 || byte == 0x7F { return true }
            if previous == 0xC2 && (0x80...0x9F).contains(byte) { return true }
            previous = byte
        }
        return false
    }
}
