/// The headers of an answer, as they came: what nobody asks for costs a copy.
package struct HTTPFields: Sendable {
    /// Lines with their ends, one behind the other.
    private var text: [UInt8] = []
    private var lines: [Line] = []

    private struct Line {
        let start: UInt32
        let colon: UInt32
        let end: UInt32
    }

    package init() {}

    /// The value without the white space around it, and not UTF-8 repaired; of a
    /// repeated header the last one.
    ///
    /// - Parameter name: in lower case.
    package subscript(name: String) -> String? {
        var name = name
        return name.withUTF8 { name in
            guard let line = lines.last(where: { has(name, $0) }) else { return nil }
            let isBlank = { (byte: UInt8) in byte <= 0x20 }
            let value = text[Int(line.colon) + 1..<Int(line.end)].drop(while: isBlank)
            guard let last = value.lastIndex(where: { !isBlank($0) }) else { return "" }
            return String(decoding: value[...last], as: UTF8.self)
        }
    }

    /// Takes a line with its end; one without a colon is none.
    mutating func append(_ line: UnsafeRawBufferPointer) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return }
        if text.isEmpty { text.reserveCapacity(512) }
        if lines.isEmpty { lines.reserveCapacity(8) }
        let start = text.count
        text.append(contentsOf: line)
        lines.append(Line(start: UInt32(start), colon: UInt32(start + colon), end: UInt32(text.count)))
    }

    /// In any case of ASCII letters.
    private func has(_ name: UnsafeBufferPointer<UInt8>, _ line: Line) -> Bool {
        guard Int(line.colon - line.start) == name.count else { return false }
        for offset in 0..<name.count {
            let byte = text[Int(line.start) + offset]
            guard (0x41...0x5a ~= byte ? byte | 0x20 : byte) == name[offset] else { return false }
        }
        return true
    }
}

extension HTTPFields: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements {
            var line = "\(name):\(value)"
            line.withUTF8 { append(UnsafeRawBufferPointer($0)) }
        }
    }
}
