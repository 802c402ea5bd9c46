package import CofferCore

/// The strict scan of a message before protobuf-c sees it.
///
/// protobuf-c has no depth limit, allocates many times what it reads, and cuts
/// a string at a NUL. So everything it could stumble on is refused here:
/// unknown wire types and groups, padded varints, lengths beyond the end,
/// singular fields twice, two members of a oneof, invalid UTF-8, NUL, more than
/// a few unknown fields, too many elements. It allocates nothing unless it fails.
package enum MessageScanner {
    /// Unknown fields that one message may have: a newer client's.
    package static let maximumUnknownFields = 8
    /// Elements of repeated and map fields in one message.
    package static let maximumElements = 1_024

    /// - Throws: INVALID_ARGUMENT naming the message and field.
    package static func scan(
        _ bytes: UnsafeRawBufferPointer, as schema: MessageSchema
    ) throws(Failure) {
        guard let base = bytes.baseAddress else { return }
        var scan = Scan(cursor: base, end: base + bytes.count)
        if let (fault, number, place) = scan.message(schema) {
            throw failure(fault, number: number, in: place)
        }
    }

    private static func failure(
        _ fault: Fault, number: UInt32, in schema: MessageSchema
    ) -> Failure {
        let place = number == 0 ? schema.name : "\(schema.name).\(schema.fieldName(number))"
        return Failure(.invalidArgument, .malformed, "\(place): \(fault.text)")
    }

    enum Fault {
        case truncated, badVarint, badTag, wireType, duplicate, oneof
        case tooManyUnknown, tooManyElements, utf8, nul, range, mapEntry

        var text: String {
            switch self {
            case .truncated: "a length or value goes beyond the end of the message, or a length is not in its shortest form"
            case .badVarint: "a varint is over 10 bytes, over its range, or not in its shortest form"
            case .badTag: "field number 0 or above 536870911"
            case .wireType: "not the wire type that the field has; groups are not accepted"
            case .duplicate: "appears twice; a singular field may appear once"
            case .oneof: "a second member of the same oneof"
            case .tooManyUnknown: "more than \(maximumUnknownFields) unknown fields"
            case .tooManyElements: "more than \(maximumElements) elements"
            case .utf8: "not valid UTF-8"
            case .nul: "U+0000 is not allowed in text"
            case .range: "the value is out of range for the field's type"
            case .mapEntry: "a map entry holds other fields than one key and one value"
            }
        }
    }

    private typealias Finding = (Fault, UInt32, MessageSchema)

    private struct Scan {
        var cursor: UnsafeRawPointer
        var end: UnsafeRawPointer

        /// Scans up to `end`. Nesting is bounded by the schemas: none is recursive.
        mutating func message(_ schema: MessageSchema) -> Finding? {
            var seen: UInt32 = 0
            var oneofs: UInt32 = 0
            var unknown = 0
            var elements = 0
            while cursor < end {
                guard let tag = varint() else { return (.badVarint, 0, schema) }
                let number = UInt32(truncatingIfNeeded: tag >> 3)
                guard number != 0, tag >> 32 == 0 else { return (.badTag, 0, schema) }
                guard number <= MessageSchema.maximumFieldNumber,
                    let rule = schema.rules[Int(number)]
                else {
                    unknown += 1
                    guard unknown <= maximumUnknownFields else { return (.tooManyUnknown, 0, schema) }
                    if let fault = skip(wireType: tag & 7) { return (fault, number, schema) }
                    continue
                }
                if rule.repeated || rule.shape == .map {
                    elements += 1
                    guard elements <= maximumElements else { return (.tooManyElements, number, schema) }
                } else {
                    guard seen & (1 << number) == 0 else { return (.duplicate, number, schema) }
                    seen |= 1 << number
                }
                if rule.oneof != 0 {
                    guard oneofs & (1 << rule.oneof) == 0 else { return (.oneof, number, schema) }
                    oneofs |= 1 << rule.oneof
                }
                if rule.shape == .message {
                    if let finding = nested(rule, tag & 7, number, schema) { return finding }
                } else if let fault = value(rule.shape, wireType: tag & 7) {
                    return (fault, number, schema)
                }
            }
            return nil
        }

        private mutating func nested(
            _ rule: MessageSchema.Rule, _ wireType: UInt64, _ number: UInt32, _ schema: MessageSchema
        ) -> Finding? {
            guard wireType == 2 else { return (.wireType, number, schema) }
            guard let inner = delimited() else { return (.truncated, number, schema) }
            var scan = Scan(cursor: inner.baseAddress!, end: inner.baseAddress! + inner.count)
            return rule.nested!._withUnsafeGuaranteedRef { scan.message($0) }
        }

        private mutating func value(_ shape: MessageSchema.Rule.Shape, wireType: UInt64) -> Fault? {
            switch shape {
            case .string:
                guard wireType == 2 else { return .wireType }
                guard let text = delimited() else { return .truncated }
                return UTF8Check.fault(in: text)
            case .bytes:
                guard wireType == 2 else { return .wireType }
                return delimited() == nil ? .truncated : nil
            case .uint32, .uint64, .bool:
                guard wireType == 0 else { return .wireType }
                guard let value = varint() else { return .badVarint }
                switch shape {
                case .uint32: return value >> 32 == 0 ? nil : .range
                case .bool: return value <= 1 ? nil : .range
                default: return nil
                }
            case .map:
                guard wireType == 2 else { return .wireType }
                guard let entry = delimited() else { return .truncated }
                var scan = Scan(cursor: entry.baseAddress!, end: entry.baseAddress! + entry.count)
                return scan.mapEntry()
            case .message:
                return .wireType
            }
        }

        /// At most one key (field 1) and one value (field 2), both text.
        private mutating func mapEntry() -> Fault? {
            var seen: UInt8 = 0
            while cursor < end {
                guard let tag = varint() else { return .badVarint }
                guard tag == 0x0A || tag == 0x12 else { return .mapEntry }
                let bit: UInt8 = tag == 0x0A ? 1 : 2
                guard seen & bit == 0 else { return .duplicate }
                seen |= bit
                guard let text = delimited() else { return .truncated }
                if let fault = UTF8Check.fault(in: text) { return fault }
            }
            return nil
        }

        private mutating func skip(wireType: UInt64) -> Fault? {
            switch wireType {
            case 0: return varint() == nil ? .badVarint : nil
            case 1: return advance(8)
            case 2: return delimited() == nil ? .truncated : nil
            case 5: return advance(4)
            default: return .wireType
            }
        }

        private mutating func advance(_ count: Int) -> Fault? {
            guard end - cursor >= count else { return .truncated }
            cursor += count
            return nil
        }

        private mutating func delimited() -> UnsafeRawBufferPointer? {
            guard let length = varint(), length <= UInt64(end - cursor) else { return nil }
            let start = cursor
            cursor += Int(length)
            return UnsafeRawBufferPointer(start: start, count: Int(length))
        }

        /// At most 10 bytes, in the shortest form.
        @inline(__always)
        private mutating func varint() -> UInt64? {
            guard cursor < end else { return nil }
            let first = cursor.load(as: UInt8.self)
            if first < 0x80 {
                cursor += 1
                return UInt64(first)
            }
            return longVarint()
        }

        private mutating func longVarint() -> UInt64? {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while cursor < end {
                let byte = cursor.load(as: UInt8.self)
                cursor += 1
                if shift == 63 && byte > 1 { return nil }
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return byte == 0 ? nil : value }
                shift += 7
                if shift > 63 { return nil }
            }
            return nil
        }
    }
}
