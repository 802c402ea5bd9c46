package import CofferCore

/// A JSON value whose texts are secrets until proven otherwise: they stay in
/// memory that is wiped, and no value has a description.
package enum JSON: Sendable {
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

    /// A name of an object, and its value.
    package struct Member: Sendable {
        package let name: String
        package let value: JSON
    }

    package static func string(_ secret: Secret) -> JSON { .string(JSONString(secret)) }

    package static func string(_ text: String) -> JSON {
        .string(SecretWriter.build(count: text.utf8.count) { $0.append(text) })
    }

    package static func object(_ members: [(name: String, value: JSON)]) -> JSON {
        .object(members.map { Member(name: $0.name, value: $0.value) })
    }

    package static func integer(_ value: some BinaryInteger) -> JSON { .number(String(value)) }

    // MARK: Looking at untrusted values: nil for any other kind

    package subscript(name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name.hasSameBytes(as: name) }?.value
    }

    /// Nothing in it is `unreadable`.
    package var isReadable: Bool {
        switch self {
        case .unreadable: false
        case .array(let elements): elements.allSatisfy(\.isReadable)
        case .object(let members): members.allSatisfy(\.value.isReadable)
        case .null, .bool, .number, .string: true
        }
    }

    package var members: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }

    package var elements: [JSON]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    package var string: JSONString? {
        if case .string(let string) = self { string } else { nil }
    }

    package var secret: Secret? { string?.secret }

    /// A string as ordinary text: for what is not secret.
    package var text: String? { string?.string }

    /// A whole number; nil if it has a fraction, an exponent or too many digits.
    package var integer: Int64? {
        if case .number(let text) = self { Int64(text) } else { nil }
    }

    /// Any number.
    package var double: Double? {
        if case .number(let text) = self { Double(text) } else { nil }
    }

    package var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    package var isNull: Bool {
        if case .null = self { true } else { false }
    }
}
