/// Takes a trace's file apart, from its first byte to its last.
struct TraceReader {
    private static let lineFeed = UInt8(ascii: "\n")

    private let text: [UInt8]
    private var position = 0
    private var line = 1
    private var time: UInt32 = 0
    private var isDown = false

    init(text: [UInt8]) { self.text = text }

    /// - Returns: how many records there are at the start.
    mutating func readHead() throws(TraceError) -> UInt32 {
        guard take("coffer-trace 1\n") else { throw fault("expected \"coffer-trace 1\" and a line feed") }
        line += 1
        guard take("records "), let records = number(), records <= Trace.maximumKeys, take("\n") else {
            throw fault("expected \"records N\", N up to \(Trace.maximumKeys), and a line feed")
        }
        line += 1
        return records
    }

    /// - Returns: nil at the end.
    mutating func readEvent() throws(TraceError) -> Trace.Event? {
        skipComments()
        guard position < text.count else { return nil }
        guard let time = number(), take(" ") else {
            throw fault("expected milliseconds up to \(UInt32.max) and a space")
        }
        guard time >= self.time else { throw fault("\(time)ms, and the event before is at \(self.time)ms") }
        self.time = time
        let action = try readAction()
        guard take("\n") else { throw fault("expected a line feed behind the event") }
        line += 1
        return Trace.Event(time: time, action)
    }

    private mutating func readAction() throws(TraceError) -> Trace.Action {
        if take("G ") { return .get(try readKey()) }
        if take("S ") { return .store(try readKey()) }
        if take("D ") { return .delete(try readKey()) }
        let wasDown = isDown
        if take("down") {
            isDown = true
        } else if take("up") {
            isDown = false
        } else {
            throw fault("expected G, S or D with a space and a record, or down, or up")
        }
        guard wasDown != isDown else { throw fault("the vault is \(isDown ? "down" : "up") already") }
        return isDown ? .down : .up
    }

    private mutating func readKey() throws(TraceError) -> UInt32 {
        guard let key = number(), key < Trace.maximumKeys else {
            throw fault("expected a record from 0 to \(Trace.maximumKeys - 1)")
        }
        return key
    }

    private mutating func skipComments() {
        while position < text.count, text[position] == UInt8(ascii: "#") {
            position = text[position...].firstIndex(of: Self.lineFeed).map { $0 + 1 } ?? text.count
            line += 1
        }
    }

    /// Steps over this, if it comes next.
    private mutating func take(_ expected: StaticString) -> Bool {
        let bytes = expected.description.utf8
        guard text[position...].starts(with: bytes) else { return false }
        position += bytes.count
        return true
    }

    /// Decimal, without a sign and of at least one digit; nil if there is none, or it is too large.
    private mutating func number() -> UInt32? {
        var value: UInt64 = 0
        let start = position
        while position < text.count, case let digit = text[position] &- UInt8(ascii: "0"), digit < 10 {
            value = value * 10 + UInt64(digit)
            guard value <= UInt64(UInt32.max) else { return nil }
            position += 1
        }
        return position > start ? UInt32(value) : nil
    }

    private func fault(_ what: String) -> TraceError { TraceError(line: line, what: what) }
}
