import CofferCore
import Glibc

/// Fields of protobuf-c messages as the rest of the daemon wants them. The scan
/// has seen to it that text is UTF-8 and has no NUL inside.
enum RequestFields {
    /// An id's bytes, checked by the rule for ids; lent until the arena is reset.
    @inline(__always)
    static func id(
        _ text: UnsafeMutablePointer<CChar>?, _ field: StaticString
    ) throws(Failure) -> UnsafeRawBufferPointer {
        let bytes = UnsafeRawBufferPointer(start: text, count: text.map { strlen($0) } ?? 0)
        if isPlain(bytes) { return bytes }
        try RecordKey.check(
            bytes: bytes.count, field: field.description,
            hasControl: bytes.containsControlCharacter)
        return bytes
    }

    static func string(_ text: UnsafeMutablePointer<CChar>?) -> String {
        text.map { String(cString: $0) } ?? ""
    }

    static func string(_ bytes: UnsafeRawBufferPointer) -> String {
        String(decoding: bytes, as: UTF8.self)
    }

    /// `if_version`: 1 to 128 bytes.
    static func version(_ text: UnsafeMutablePointer<CChar>?) throws(Failure) -> String {
        let version = string(text)
        guard (1...128).contains(version.utf8.count) else {
            throw .badField("if_version", "expected 1 to 128 bytes, got \(version.utf8.count)")
        }
        return version
    }

    /// Of legal length and printable ASCII throughout: nearly every id.
    @inline(__always)
    private static func isPlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count > 0, bytes.count <= RecordKey.maximumIDBytes else { return false }
        for byte in bytes where byte &- 0x20 >= 0x5F { return false }
        return true
    }
}

extension RequestFields {
    static func key(
        _ user: UnsafeMutablePointer<CChar>?, _ connection: UnsafeMutablePointer<CChar>?
    ) throws(Failure) -> RecordKey {
        let user = try id(user, "user_id")
        let connection = try id(connection, "connection_id")
        return RecordKey(checkedUser: string(user), connection: string(connection))
    }
}
