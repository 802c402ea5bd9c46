/// Changes a message field by field, so that lengths stay true where luck would
/// break them.
enum MessageMutator {
    /// A field as it stands on the wire: its tag, and what follows.
    private struct Field {
        var number: UInt64
        var wireType: UInt64
        var value: [UInt8]

        var encoded: [UInt8] {
            let tag = RequestGenerator.varint(number << 3 | wireType)
            return wireType == 2 ? tag + RequestGenerator.varint(UInt64(value.count)) + value : tag + value
        }
    }

    /// - Parameter mutateBytes: changes the inside of one value.
    static func mutate(
        _ message: [UInt8], _ random: inout SplitMix, mutateBytes: ([UInt8]) -> [UInt8]
    ) -> [UInt8] {
        guard var fields = split(message), !fields.isEmpty else { return mutateBytes(message) }
        let index = random.below(fields.count)
        switch random.below(7) {
        case 0: fields.remove(at: index)
        case 1: fields.append(fields[index])
        case 2: fields.swapAt(index, random.below(fields.count))
        case 3: fields[index].number = UInt64(random.below(10))
        case 4:
            let times = random.pick([8, 9, 16, 17, 255, 257])
            fields += Array(repeating: fields[index], count: times)
        case 5 where fields[index].wireType == 2:
            fields[index].value = mutate(fields[index].value, &random, mutateBytes: mutateBytes)
        default: fields[index].value = changed(fields[index], mutateBytes)
        }
        return fields.flatMap(\.encoded)
    }

    private static func changed(_ field: Field, _ mutateBytes: ([UInt8]) -> [UInt8]) -> [UInt8] {
        let value = mutateBytes(field.value)
        guard field.wireType == 0 else { return value }
        // Whatever came out, it ends as a varint does.
        return value.prefix(9).map { $0 | 0x80 } + [(value.last ?? 0) & 0x7F]
    }

    private static func split(_ message: [UInt8]) -> [Field]? {
        var fields: [Field] = []
        var rest = message[...]
        while !rest.isEmpty {
            guard let tag = varint(&rest) else { return nil }
            let start = rest
            switch tag & 7 {
            case 0:
                guard varint(&rest) != nil else { return nil }
                let value = start.prefix(start.count - rest.count)
                fields.append(Field(number: tag >> 3, wireType: 0, value: Array(value)))
            case 2:
                guard let count = varint(&rest), count <= UInt64(rest.count) else { return nil }
                fields.append(Field(number: tag >> 3, wireType: 2, value: Array(rest.prefix(Int(count)))))
                rest = rest.dropFirst(Int(count))
            default: return nil
            }
        }
        return fields
    }

    private static func varint(_ bytes: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard let byte = bytes.popFirst() else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }
}
