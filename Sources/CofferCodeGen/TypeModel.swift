/// The types of a .proto file, for a language whose messages we generate ourselves.
package struct TypeFileModel: Equatable {
    /// The path that protoc knows the file by, for instance `coffer/v1/admin.proto`.
    package let path: String
    /// Nested ones too, in the order of the file.
    package let enums: [EnumModel]
    /// Nested ones too, in the order of the file.
    package let messages: [MessageTypeModel]
    /// Types of other files that are used here.
    package let imports: [ImportModel]
}

/// The types that a file takes from another one.
package struct ImportModel: Equatable {
    /// The file's base name, for instance `credentials`.
    package let file: String
    /// Local names of messages, sorted.
    package let messages: [String]
    /// Local names of enums, sorted.
    package let enums: [String]
}

/// An enum and its values.
package struct EnumModel: Equatable {
    /// Within the package, nested names joined by `_`: `Failure_Reason`.
    package let name: String
    package let documentation: [String]
    package let values: [Value]

    /// A value of an enum.
    package struct Value: Equatable {
        /// Without the enum's own name in front: `MEMORY` of `SOURCE_MEMORY`.
        package let name: String
        package let number: Int32
        package let documentation: [String]
    }
}

/// A message with everything that encoding and decoding it takes.
package struct MessageTypeModel: Equatable {
    /// Within the package, nested names joined by `_`.
    package let name: String
    /// With the package, for instance `coffer.v1.GetRequest`.
    package let fullName: String
    package let documentation: [String]
    /// In order of their numbers.
    package let fields: [Field]

    /// A field of a message.
    package struct Field: Equatable {
        /// What a field holds.
        package enum Kind: Equatable {
            case string, bytes, uint32, uint64, bool, mapStringString
            /// The local name of the type.
            case message(String)
            /// The local name of the type.
            case `enum`(String)
        }

        package let number: Int32
        /// As in the file, for instance `user_id`.
        package let name: String
        package let kind: Kind
        package let repeated: Bool
        /// The numbers of all members of its `oneof`, this field's too; empty if it is in none.
        package let alternatives: [Int32]
        package let documentation: [String]

        /// Whether the field can be absent, and not only at its default.
        package var hasPresence: Bool {
            if case .message = kind { return !repeated }
            return !alternatives.isEmpty
        }
    }
}
