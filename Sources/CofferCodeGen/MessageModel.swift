/// A message that the server scans.
package struct MessageModel: Equatable {
    package let names: TypeNames
    package let fields: [FieldModel]
}

/// A field of a scanned message.
package struct FieldModel: Equatable {
    /// The kinds that the server's scan knows.
    package enum Kind: Equatable {
        case string, bytes, uint32, uint64, bool
        case message(TypeNames)
        case mapStringString
    }

    /// The highest number that the server's scan has room for.
    package static let maximumNumber: Int32 = 31

    package let number: Int32
    /// As in the file, for instance `user_id`.
    package let name: String
    package let kind: Kind
    package let repeated: Bool
    /// 0 = in no oneof; else the place of the oneof in its message, from 1.
    package let oneof: Int
}
