internal import CofferCore

/// Says whether bytes are the value of a record.
struct ValueCheck {
    let shape: RecordShape
    /// False where every record has the value of record 0.
    let valuesDiffer: Bool

    func isValue(_ bytes: RawSpan, of key: UInt32) -> Bool {
        guard bytes.byteCount == shape.value.count else { return false }
        let digits = RecordShape.hexadecimal(valuesDiffer ? key : 0)
        for index in shape.value.indices {
            let expected =
                shape.valueHasDigits && index < RecordShape.digits
                ? UInt8(truncatingIfNeeded: digits >> UInt64(56 - 8 * index)) : shape.value[index]
            guard bytes.byte(at: index) == expected else { return false }
        }
        return true
    }

    /// Nil if it is; else what came, without the value.
    func fault(in bytes: RawSpan, key: UInt32) -> String? {
        isValue(bytes, of: key)
            ? nil
            : "Get: record \(key) came with another value: "
                + "\(bytes.byteCount) bytes, expected \(shape.value.count)"
    }
}
