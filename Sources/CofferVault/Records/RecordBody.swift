package import CofferCore

/// What is sealed: the credential and all that must not be changed apart from it.
///
/// Layout, big-endian: format (1 byte, = 1) · updated (8) · expires (8) ·
/// user length (2), user · connection length (2), connection · label count (1),
/// then for each label name length (1), name, value length (2), value ·
/// credential length (4), credential. Nothing follows.
package struct RecordBody: Sendable {
    package var key: RecordKey
    package var credential: Secret
    package var labels: Labels
    package var updatedAt: WallMilliseconds
    /// 0 = never.
    package var expiresAt: WallMilliseconds

    package init(
        key: RecordKey, credential: Secret, labels: Labels,
        updatedAt: WallMilliseconds, expiresAt: WallMilliseconds
    ) {
        self.key = key
        self.credential = credential
        self.labels = labels
        self.updatedAt = updatedAt
        self.expiresAt = expiresAt
    }

    private static let format: UInt8 = 1

    /// How many bytes `encode` writes.
    package var encodedByteCount: Int {
        let labelBytes = labels.reduce(0) { $0 + 3 + $1.key.utf8.count + $1.value.utf8.count }
        return 1 + 8 + 8 + 2 + key.user.utf8.count + 2 + key.connection.utf8.count + 1 + labelBytes + 4
            + credential.count
    }

    package func encode(to writer: inout SecretWriter) {
        writer.append(Self.format)
        writer.append(updatedAt)
        writer.append(expiresAt)
        writer.append(UInt16(key.user.utf8.count))
        writer.append(key.user)
        writer.append(UInt16(key.connection.utf8.count))
        writer.append(key.connection)
        writer.append(UInt8(labels.count))
        for (name, value) in labels {
            writer.append(UInt8(name.utf8.count))
            writer.append(name)
            writer.append(UInt16(value.utf8.count))
            writer.append(value)
        }
        writer.append(UInt32(credential.count))
        writer.append(credential)
    }

    /// Nil if these are not the bytes of a record.
    package init?(decoding encoded: Secret) {
        guard let body = encoded.withBytes({ Self.decode($0) }) else { return nil }
        self = body
    }

    private static func decode(_ bytes: RawSpan) -> RecordBody? {
        var cursor = ByteCursor()
        guard cursor.integer(UInt8.self, in: bytes) == format,
            let updated = cursor.integer(UInt64.self, in: bytes),
            let expires = cursor.integer(UInt64.self, in: bytes),
            let user = text(UInt16.self, &cursor, bytes),
            let connection = text(UInt16.self, &cursor, bytes),
            let key = try? RecordKey(user: user, connection: connection),
            let labels = labels(&cursor, bytes),
            let count = cursor.integer(UInt32.self, in: bytes),
            let credential = cursor.secret(count: Int(count), in: bytes),
            cursor.remaining(in: bytes) == 0
        else { return nil }
        return RecordBody(
            key: key, credential: credential, labels: labels, updatedAt: updated, expiresAt: expires)
    }

    private static func text<Length: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ length: Length.Type, _ cursor: inout ByteCursor, _ bytes: RawSpan
    ) -> String? {
        guard let count = cursor.integer(length, in: bytes) else { return nil }
        return cursor.text(count: Int(count), in: bytes)
    }

    private static func labels(_ cursor: inout ByteCursor, _ bytes: RawSpan) -> Labels? {
        guard let count = cursor.integer(UInt8.self, in: bytes) else { return nil }
        var labels = Labels()
        for _ in 0..<count {
            guard let name = text(UInt8.self, &cursor, bytes),
                let value = text(UInt16.self, &cursor, bytes),
                labels.insert(name, value)
            else { return nil }
        }
        return labels
    }
}
