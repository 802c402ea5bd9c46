internal import CofferCore

/// A JSON value whose texts are secrets until proven otherwise: they stay in
/// memory that is wiped, and no value has a description.
enum JSON: Sendable {
    case null
    case bool(Bool)
    /// As it was written: "1", "-0.5e3".
    case number(String)
    case string(JSONString)
    case array([JSON])
    /// In the order in which they came; names are not secret, and come once each.
    case object([Member])
    /// In an answer only: a value that is there and cannot be given back, because it nests too
    /// deep, has a member twice, or is text that is not Unicode. See `parse(answer:)`.
    case unreadable

    struct Member: Sendable {
        let name: String
        let value: JSON
    }

    static func string(_ secret: Secret) -> JSON { .string(JSONString(secret)) }

    static func string(_ text: String) -> JSON {
        .string(SecretWriter.build(count: text.utf8.count) { $0.append(text) })
    }

    static func object(_ members: [(name: String, value: JSON)]) -> JSON {
        .object(members.map { Member(name: $0.name, value: $0.value) })
    }

    static func integer(_ value: some BinaryInteger) -> JSON { .number(String(value)) }

    // MARK: Looking at untrusted values: nil for any other kind

    subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name.hasSameBytes(as: name) }?.value
    }

    /// Nothing in it is `unreadable`.
    var isReadable: Bool {
        switch self {
        case .unreadable: false
        case .array(let elements): elements.allSatisfy(\.isReadable)
        case .object(let members): members.allSatisfy(\.value.isReadable)
        case .null, .bool, .number, .string: true
        }
    }

    var members: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }

    var elements: [JSON]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    var string: JSONString? {
        if case .string(let string) = self { string } else { nil }
    }

    var secret: Secret? { string?.secret }

    /// A string as ordinary text: for what is not secret.
    var text: String? { string?.string }

    /// A whole number; nil if it has a fraction, an exponent or too many digits.
    var integer: Int64? {
        if case .number(let text) = self { Int64(text) } else { nil }
    }

    /// Any number.
    var double: Double? {
        if case .number(let text) = self { Double(text) } else { nil }
    }

    var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    var isNull: Bool {
        if case .null = self { true } else { false }
    }
}
