/// What the strict scan knows of a message: generated from the .proto files,
/// kept for the life of the process.
package final class MessageSchema: @unchecked Sendable {
    // Immutable after init, hence Sendable.

    /// The types that fields of our messages have.
    package indirect enum Kind: Sendable {
        case string, bytes, uint32, uint64, bool
        case message(MessageSchema)
        case mapStringString
    }

    /// One field, as the .proto file declares it.
    package struct Field: Sendable {
        package let number: UInt32
        package let name: String
        package let kind: Kind
        package let repeated: Bool
        /// 0 = in no oneof; else the number of the oneof in its message.
        package let oneof: UInt8

        package init(number: UInt32, name: String, kind: Kind, repeated: Bool, oneof: UInt8) {
            self.number = number
            self.name = name
            self.kind = kind
            self.repeated = repeated
            self.oneof = oneof
        }
    }

    /// A field as the scan's inner loop wants it: no references.
    struct Rule {
        enum Shape: UInt8 {
            case string, bytes, uint32, uint64, bool, message, map
        }
        var shape: Shape
        var repeated: Bool
        var oneof: UInt8
        var nested: Unmanaged<MessageSchema>?
    }

    /// Numbers above this are not used by our messages; the scan's set of seen
    /// fields is one word.
    package static let maximumFieldNumber: UInt32 = 31

    package let name: String
    package let fields: [Field]
    /// By field number; nil = unknown.
    let rules: UnsafePointer<Rule?>

    package init(name: String, fields: [Field]) {
        self.name = name
        self.fields = fields
        let count = Int(Self.maximumFieldNumber) + 1
        let rules = UnsafeMutablePointer<Rule?>.allocate(capacity: count)
        rules.initialize(repeating: nil, count: count)
        for field in fields {
            precondition((1...Self.maximumFieldNumber).contains(field.number), "field number")
            rules[Int(field.number)] = Self.rule(for: field)
        }
        self.rules = UnsafePointer(rules)
    }

    deinit { rules.deallocate() }

    private static func rule(for field: Field) -> Rule {
        var nested: Unmanaged<MessageSchema>?
        let shape: Rule.Shape
        switch field.kind {
        case .string: shape = .string
        case .bytes: shape = .bytes
        case .uint32: shape = .uint32
        case .uint64: shape = .uint64
        case .bool: shape = .bool
        case .mapStringString: shape = .map
        case .message(let schema):
            shape = .message
            // `fields` keeps it alive.
            nested = .passUnretained(schema)
        }
        return Rule(shape: shape, repeated: field.repeated, oneof: field.oneof, nested: nested)
    }

    func fieldName(_ number: UInt32) -> String {
        fields.first { $0.number == number }?.name ?? "field \(number)"
    }
}
