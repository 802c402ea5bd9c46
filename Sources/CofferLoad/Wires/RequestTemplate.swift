/// A request that becomes the one for any record by its digits: see `RecordShape`.
struct RequestTemplate {
    let bytes: [UInt8]
    /// Where the record's name has its digits; nil if the request names none.
    let keyDigits: Int?
    /// Where the value has them; nil if there is no value, or no room in it.
    let valueDigits: Int?

    /// - Parameter shape: its value is in the request, if at all, in one piece.
    init(_ bytes: [UInt8], shape: RecordShape) {
        self.bytes = bytes
        keyDigits = bytes.firstRange(of: RecordShape.userID).map {
            $0.upperBound - RecordShape.digits
        }
        // The last one: a value of eight bytes looks as the digits of the name do.
        valueDigits = shape.valueHasDigits ? bytes.ranges(of: shape.value).last?.lowerBound : nil
    }

    init(_ text: String, shape: RecordShape) { self.init(Array(text.utf8), shape: shape) }

    /// Writes the request for this record; `place` has room for all of it.
    @inline(__always)
    func write(to place: UnsafeMutableRawPointer, key: UInt32) {
        bytes.withUnsafeBytes { place.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        let digits = RecordShape.hexadecimal(key)
        if let keyDigits { place.store(bigEndian: digits, at: keyDigits) }
        if let valueDigits { place.store(bigEndian: digits, at: valueDigits) }
    }
}
