/// Where an answer came from: `coffer.v1.Source` by number.
package enum Source: UInt8, Sendable {
    case memory = 1
    case vault = 2
    case staleOnError = 3
}

/// The fields of a GetResponse that are told anew with every answer: source,
/// age and staleness. Encoded messages may be joined by putting one behind the
/// other, so the rest is encoded once and kept.
package struct GetResponseTail: Sendable {
    /// The most bytes that `write` needs.
    package static let maximumBytes = 2 + 11 + 2

    package var source: Source
    package var ageMilliseconds: UInt64

    package init(source: Source, ageMilliseconds: UInt64) {
        self.source = source
        self.ageMilliseconds = ageMilliseconds
    }

    /// Writes fields 7 to 9; returns how many bytes that took.
    @inline(__always)
    package func write(to out: UnsafeMutableRawPointer) -> Int {
        out.storeBytes(of: 7 << 3, as: UInt8.self)
        out.storeBytes(of: source.rawValue, toByteOffset: 1, as: UInt8.self)
        var count = 2
        if ageMilliseconds > 0 {
            out.storeBytes(of: 8 << 3, toByteOffset: count, as: UInt8.self)
            count += 1 + Varint.write(ageMilliseconds, to: out + count + 1)
        }
        if source == .staleOnError {
            out.storeBytes(of: 9 << 3, toByteOffset: count, as: UInt8.self)
            out.storeBytes(of: 1, toByteOffset: count + 1, as: UInt8.self)
            count += 2
        }
        return count
    }
}

/// Protobuf's variable-length integers.
enum Varint {
    /// Writes at most 10 bytes; returns how many.
    @inline(__always)
    static func write(_ value: UInt64, to out: UnsafeMutableRawPointer) -> Int {
        var rest = value
        var count = 0
        while rest >= 0x80 {
            out.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: count, as: UInt8.self)
            rest >>= 7
            count += 1
        }
        out.storeBytes(of: UInt8(truncatingIfNeeded: rest), toByteOffset: count, as: UInt8.self)
        return count + 1
    }
}
