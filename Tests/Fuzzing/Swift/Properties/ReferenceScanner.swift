import CofferWire

/// The rules for messages (PROTOCOL.md), written a second time with nothing in
/// mind but the rules: arrays, copies, recursion.
enum ReferenceScanner {
    /// Where the first fault is, as the message would name it; nil = none.
    static func fault(in bytes: [UInt8], _ schema: MessageSchema) -> String? {
        do throws(Fault) {
            try scan(bytes, schema)
            return nil
        } catch {
            return error.place
        }
    }

    private struct Fault: Error {
        let place: String
    }

    private static func scan(_ bytes: [UInt8], _ schema: MessageSchema) throws(Fault) {
        var rest = bytes[...]
        var numbers: [UInt64: Int] = [:]
        var oneofs: Set<UInt8> = []
        while !rest.isEmpty {
            guard let tag = varint(&rest), tag <= UInt64(UInt32.max), tag >= 8 else {
                throw Fault(place: schema.name)
            }
            guard let field = schema.fields.first(where: { UInt64($0.number) == tag / 8 }) else {
                let known = Set(schema.fields.map { UInt64($0.number) })
                numbers[tag / 8, default: 0] += 1
                let unknown = numbers.filter { !known.contains($0.key) }.values.reduce(0, +)
                guard unknown <= 8 else { throw Fault(place: schema.name) }
                guard skip(&rest, tag % 8) else { throw Fault(place: "\(schema.name).field \(tag / 8)") }
                continue
            }
            let place = Fault(place: "\(schema.name).\(field.name)")
            numbers[tag / 8, default: 0] += 1
            if isMany(field) {
                let all = schema.fields.filter(isMany).reduce(0) { $0 + numbers[UInt64($1.number), default: 0] }
                guard all <= 1_024 else { throw place }
            } else {
                guard numbers[tag / 8] == 1 else { throw place }
            }
            if field.oneof != 0 {
                guard oneofs.insert(field.oneof).inserted else { throw place }
            }
            try value(&rest, field, tag % 8, place)
        }
    }

    private static func isMany(_ field: MessageSchema.Field) -> Bool {
        if case .mapStringString = field.kind { return true }
        return field.repeated
    }

    private static func value(
        _ rest: inout ArraySlice<UInt8>, _ field: MessageSchema.Field, _ wireType: UInt64, _ place: Fault
    ) throws(Fault) {
        switch field.kind {
        case .uint32, .uint64, .bool:
            guard wireType == 0, let number = varint(&rest) else { throw place }
            switch field.kind {
            case .uint32: guard number < 1 << 32 else { throw place }
            case .bool: guard number < 2 else { throw place }
            default: break
            }
        default:
            guard wireType == 2, let inner = delimited(&rest) else { throw place }
            switch field.kind {
            case .string: guard isText(inner) else { throw place }
            case .message(let nested): try scan(inner, nested)
            case .mapStringString: guard isEntry(inner) else { throw place }
            default: break
            }
        }
    }

    private static func isEntry(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        var tags: Set<UInt64> = []
        while !rest.isEmpty {
            guard let tag = varint(&rest), tag == 10 || tag == 18, tags.insert(tag).inserted,
                let text = delimited(&rest), isText(text)
            else { return false }
        }
        return true
    }

    private static func isText(_ bytes: [UInt8]) -> Bool {
        String(validating: bytes, as: UTF8.self) != nil && !bytes.contains(0)
    }

    private static func skip(_ rest: inout ArraySlice<UInt8>, _ wireType: UInt64) -> Bool {
        switch wireType {
        case 0: return varint(&rest) != nil
        case 2: return delimited(&rest) != nil
        case 1, 5:
            let count = wireType == 1 ? 8 : 4
            guard rest.count >= count else { return false }
            rest = rest.dropFirst(count)
            return true
        default: return false
        }
    }

    private static func delimited(_ rest: inout ArraySlice<UInt8>) -> [UInt8]? {
        guard let count = varint(&rest), count <= UInt64(rest.count) else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        return Array(rest.prefix(Int(count)))
    }

    /// Adds up the groups of seven bits with numbers that cannot overflow.
    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        let groups = rest.prefix { $0 >= 0x80 }
        guard groups.count < 10, let last = rest.dropFirst(groups.count).first else { return nil }
        guard last != 0 || groups.isEmpty else { return nil }
        var value: UInt128 = 0
        for byte in (Array(groups) + [last]).reversed() { value = value << 7 | UInt128(byte & 0x7F) }
        rest = rest.dropFirst(groups.count + 1)
        return UInt64(exactly: value)
    }
}
