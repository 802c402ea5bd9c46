/// Reading the text protocols.
extension UnsafeRawBufferPointer {
    /// The line that starts at `offset`, without its CR LF; nil if it has no end yet.
    @inline(__always)
    func line(from offset: Int) -> Range<Int>? {
        var index = offset + 1
        while index < count {
            if self[index] == UInt8(ascii: "\n"), self[index - 1] == UInt8(ascii: "\r") {
                return offset..<index - 1
            }
            index += 1
        }
        return nil
    }

    /// Whether this part begins so.
    @inline(__always)
    func starts(with part: Range<Int>, _ text: StaticString) -> Bool {
        guard part.count >= text.utf8CodeUnitCount else { return false }
        for index in 0..<text.utf8CodeUnitCount
        where self[part.lowerBound + index] != text.utf8Start[index] {
            return false
        }
        return true
    }

    /// The digits at the end of a line.
    @inline(__always)
    func trailingNumber(of line: Range<Int>) -> Int {
        var start = line.upperBound
        while start > line.lowerBound, isDigit(self[start - 1]) { start -= 1 }
        return self[start..<line.upperBound].number
    }
}

extension Slice<UnsafeRawBufferPointer> {
    /// Decimal, of the first nine digits.
    @inline(__always)
    var number: Int {
        var number = 0
        for byte in prefix(9) where isDigit(byte) { number = number * 10 + Int(byte - UInt8(ascii: "0")) }
        return number
    }
}

extension RawSpan {
    var text: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

@inline(__always)
private func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
