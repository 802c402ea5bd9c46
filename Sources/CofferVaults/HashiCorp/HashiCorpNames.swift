internal import CofferCore

/// The paths of records in the KV engine, and back.
///
/// An id of `[A-Za-z0-9_-]`, with single periods inside, stays as it is: so the
/// names that Coffer's predecessor wrote are the same.
struct HashiCorpNames: Sendable {
    private static let escape = NameEscape(plain: "-_.")
    private let mount: String
    private let folder: String

    init(mount: String, prefix: String) {
        self.mount = PercentEncoding.path(mount)
        folder = PercentEncoding.path(prefix)
    }

    /// What to do with a record's path.
    enum Face: String {
        case data, metadata, delete, destroy
    }

    /// `{prefix}/{user}/{connection}`, percent-encoded: one for each key.
    func record(_ key: RecordKey) -> String {
        "\(folder)/\(Self.segment(key.user))/\(Self.segment(key.connection))"
    }

    /// Behind `/v1/`.
    func path(_ face: Face, _ record: String) -> String { "\(mount)/\(face.rawValue)/\(record)" }

    /// The listing of all users' folders, or of one user's records.
    func listing(user: String?) -> String {
        let user = user.map { Self.segment($0) + "/" } ?? ""
        return "\(mount)/metadata/\(folder)/\(user)?list=true"
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

/// Text in URLs (RFC 3986).
enum PercentEncoding {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// A path without its outer slashes; slashes inside stay.
    static func path(_ text: String) -> String {
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"), UInt8(ascii: "/"):
                encoded.append(byte)
            default:
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}
