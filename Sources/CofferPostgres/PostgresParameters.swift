/// The parameters of a statement in PostgreSQL's binary format.
struct PostgresParameters: Sendable {
    private(set) var bytes: [UInt8] = []
    /// Of each, in bytes.
    private(set) var lengths: [Int32] = []

    /// `text`, or `bytea`.
    func adding(_ value: [UInt8]) -> PostgresParameters { with(value) }
    func adding(_ text: String) -> PostgresParameters { with(text.utf8) }

    /// `bigint`.
    func adding(_ number: Int64) -> PostgresParameters { with(Self.bigEndian(number)) }

    /// `text[]` with one dimension: dimensions, whether there are NULLs, the type's number (25 = text), and of the
    /// dimension its length and first index; then each text behind its length.
    func adding(_ texts: [String]) -> PostgresParameters {
        var array: [UInt8] = []
        for number: Int32 in [texts.isEmpty ? 0 : 1, 0, 25] { array += Self.bigEndian(number) }
        if !texts.isEmpty { array += Self.bigEndian(Int32(texts.count)) + Self.bigEndian(Int32(1)) }
        for text in texts {
            array += Self.bigEndian(Int32(text.utf8.count))
            array += text.utf8
        }
        return with(array)
    }

    private func with(_ value: some Collection<UInt8>) -> PostgresParameters {
        var more = self
        more.bytes.append(contentsOf: value)
        more.lengths.append(Int32(value.count))
        return more
    }

    private static func bigEndian<N: FixedWidthInteger>(_ number: N) -> [UInt8] {
        stride(from: N.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> N($0)) }
    }
}

extension PostgresRows {
    /// A `bigint` or `integer` of a prepared statement.
    func integer(_ row: Int, _ column: Int) -> Int64? {
        guard let bytes = bytes(row, column), bytes.count == 8 || bytes.count == 4 else { return nil }
        let unsigned = bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return bytes.count == 8 ? Int64(bitPattern: unsigned) : Int64(Int32(truncatingIfNeeded: unsigned))
    }

    /// A `boolean` of a prepared statement.
    func boolean(_ row: Int, _ column: Int) -> Bool? {
        guard let bytes = bytes(row, column), bytes.count == 1 else { return nil }
        return bytes[0] != 0
    }

    func text(_ row: Int, _ column: Int) -> String? {
        bytes(row, column).flatMap { String(validating: $0, as: UTF8.self) }
    }
}
