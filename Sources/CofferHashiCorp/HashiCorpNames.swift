internal import CofferCore
internal import CofferVaultKit

/// The paths of records in the KV engine, and back.
///
/// An id of `[A-Za-z0-9_-]`, with single periods inside, stays as it is: so the
/// names that Coffer's predecessor wrote are the same.
struct HashiCorpNames: Sendable {
    private static let escape = NameEscape(plain: "-_.")
    private let mount: String
    private let folder: String
    /// The literal name is the one that is written.
    let prefersLiteral: Bool

    init(mount: String, prefix: String, prefersLiteral: Bool = false) {
        self.mount = PercentEncoding.path(mount)
        folder = PercentEncoding.path(prefix)
        self.prefersLiteral = prefersLiteral
    }

    /// What to do with a record's path.
    enum Face: String {
        case data, metadata, delete, destroy
    }

    /// `{prefix}/{user}/{connection}`, percent-encoded: one for each key.
    func record(_ key: RecordKey) -> String {
        "\(folder)/\(Self.segment(key.user))/\(Self.segment(key.connection))"
    }

    /// The name of a program that puts ids into the path as they are, percent-encoded;
    /// nil if it is that of `record` too, or may be another record's.
    func literalRecord(_ key: RecordKey) -> String? {
        guard Self.isLiteral(key.user), Self.isLiteral(key.connection) else { return nil }
        let literal = "\(folder)/\(PercentEncoding.path(key.user))/\(PercentEncoding.path(key.connection))"
        return literal == record(key) ? nil : literal
    }

    /// Every name that the record may have, the one that is written first.
    func all(_ key: RecordKey) -> [String] {
        guard let literal = literalRecord(key) else { return [record(key)] }
        return prefersLiteral ? [literal, record(key)] : [record(key), literal]
    }

    /// Whether `id` is a legal part of a path as it is, and means no other id there.
    ///
    /// Left out is what URLs give a meaning of their own to: `/ \ ? # %`, control
    /// characters, periods that the server refuses or takes for ways out, and a blank at
    /// the end, which clients strip. A part that looks escaped belongs to another id.
    static func isLiteral(_ id: String) -> Bool {
        id.utf8.allSatisfy { $0 > 0x1F && $0 != 0x7F && !"/\\?#%".utf8.contains($0) }
            && id.utf8.first != UInt8(ascii: ".") && id.utf8.last != UInt8(ascii: ".")
            && id.utf8.last != UInt8(ascii: " ") && !id.utf8.hasTwoPeriods
            && (segment(id) == id || self.id(ofSegment: id) == nil)
    }

    /// The id that a part of a listed name stands for, however it is written; nil for
    /// what no record of ours has.
    static func id(ofListed part: String) -> String? {
        if let id = id(ofSegment: part) { return id }
        guard isLiteral(part), (try? RecordKey.check(part, field: "id")) != nil else { return nil }
        return part
    }

    /// Behind `/v1/`.
    func path(_ face: Face, _ record: String) -> String { "\(mount)/\(face.rawValue)/\(record)" }

    /// The listing of the folder itself, or of one below it.
    ///
    /// - Parameter part: a part of names, as it stands there.
    func listing(of part: String?) -> String {
        let part = part.map { PercentEncoding.path($0) + "/" } ?? ""
        return "\(mount)/metadata/\(folder)/\(part)?list=true"
    }

    /// The folders that may have records of this user.
    static func folders(of user: String) -> [String] {
        let escaped = segment(user)
        return escaped != user && isLiteral(user) ? [escaped, user] : [escaped]
    }

    /// `id` as a part of a path. The server refuses two periods in a row and one
    /// at the end; one at the start would make a hidden file of it.
    static func segment(_ id: String) -> String {
        let period = UInt8(ascii: ".")
        if escape.keeps(id), !id.utf8.contains(period) { return id }
        let bytes = Array(id.utf8)
        let always = bytes.indices.filter {
            bytes[$0] == period && ($0 == 0 || $0 == bytes.count - 1 || bytes[$0 - 1] == period)
        }
        return escape.escape(id, always: Set(always))
    }

    /// The id that `segment` was made from; nil if we did not make it.
    static func id(ofSegment segment: String) -> String? {
        guard let id = escape.unescape(segment), Self.segment(id) == segment,
            (try? RecordKey.check(id, field: "id")) != nil
        else { return nil }
        return id
    }
}

extension Sequence<UInt8> {
    /// The server takes two periods in a row for a way out of the folder.
    var hasTwoPeriods: Bool {
        var last: UInt8 = 0
        for byte in self {
            if byte == UInt8(ascii: "."), last == byte { return true }
            last = byte
        }
        return false
    }
}
