import CProtobufC

/// Prints a message as protobuf-c decoded it: every field that is set, in the
/// order of numbers, in a form that oracle.py makes too.
///
/// By protobuf-c's own descriptors, so that no field can be forgotten here.
enum FieldPrinter {
    static func text(_ message: UnsafeRawPointer, _ descriptor: ProtobufCMessageDescriptor) -> String {
        (0..<Int(descriptor.n_fields))
            .map { descriptor.fields[$0] }
            .sorted { $0.id < $1.id }
            .compactMap { text(message, $0) }
            .joined(separator: " ")
    }

    private static func text(_ message: UnsafeRawPointer, _ field: ProtobufCFieldDescriptor) -> String? {
        let name = String(cString: field.name)
        let place = message + Int(field.offset)
        if field.label == PROTOBUF_C_LABEL_REPEATED {
            let count = message.load(fromByteOffset: Int(field.quantifier_offset), as: Int.self)
            guard count > 0 else { return nil }
            let elements = place.load(as: UnsafePointer<UnsafeRawPointer>.self)
            let texts = (0..<count).map { text(elements[$0], nested(field)) }
            return "\(name)[\(isMap(field) ? lastOfEachName(elements, count, field) : texts.joined(separator: ";"))]"
        }
        if field.flags & UInt32(PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue) != 0 {
            let chosen = message.load(fromByteOffset: Int(field.quantifier_offset), as: UInt32.self)
            return chosen == field.id ? "\(name)=\(value(place, field))" : nil
        }
        let value = value(place, field)
        return value.isEmpty || value == "0" ? nil : "\(name)=\(value)"
    }

    private static func value(_ place: UnsafeRawPointer, _ field: ProtobufCFieldDescriptor) -> String {
        switch field.type {
        case PROTOBUF_C_TYPE_UINT32: String(place.load(as: UInt32.self))
        case PROTOBUF_C_TYPE_UINT64: String(place.load(as: UInt64.self))
        case PROTOBUF_C_TYPE_BOOL: place.load(as: Int32.self) == 0 ? "0" : "1"
        case PROTOBUF_C_TYPE_STRING: hex(utf8(place))
        case PROTOBUF_C_TYPE_BYTES:
            place.withMemoryRebound(to: ProtobufCBinaryData.self, capacity: 1) {
                hex(UnsafeBufferPointer(start: $0.pointee.data, count: $0.pointee.len))
            }
        case PROTOBUF_C_TYPE_MESSAGE: "{\(text(place.load(as: UnsafeRawPointer.self), nested(field)))}"
        default: fatalError("no request has a field of type \(field.type)")
        }
    }

    private static func nested(_ field: ProtobufCFieldDescriptor) -> ProtobufCMessageDescriptor {
        field.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self).pointee
    }

    // MARK: Maps

    private static func isMap(_ field: ProtobufCFieldDescriptor) -> Bool {
        String(cString: nested(field).short_name).hasSuffix("Entry")
    }

    /// Protobuf keeps the last entry of a name; sorted by name.
    private static func lastOfEachName(
        _ entries: UnsafePointer<UnsafeRawPointer>, _ count: Int, _ field: ProtobufCFieldDescriptor
    ) -> String {
        let parts = nested(field)
        var values: [String: String] = [:]
        for index in 0..<count {
            let name = value(entries[index] + Int(parts.fields[0].offset), parts.fields[0])
            values[name] = value(entries[index] + Int(parts.fields[1].offset), parts.fields[1])
        }
        return values.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value)" }.joined(separator: ";")
    }

    // MARK: Bytes

    private static func utf8(_ place: UnsafeRawPointer) -> some Sequence<UInt8> {
        String(cString: place.load(as: UnsafePointer<CChar>.self)).utf8
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
