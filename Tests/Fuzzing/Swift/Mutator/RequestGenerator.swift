/// Makes requests that are right, or nearly so.
struct RequestGenerator {
    private static let ids: [[UInt8]] = [
        Array("u".utf8), Array("c".utf8), Array("v".utf8), Array("é".utf8), Array("e\u{301}".utf8), [],
        [0x01], [0xC2, 0x85], [0x7F], Array("a:b/c%".utf8), Array(repeating: 0x61, count: 256),
        Array(repeating: 0x61, count: 257), [0xFF], [0xED, 0xA0, 0x80], [0x61, 0, 0x62],
    ]
    private static let numbers: [UInt64] = [
        0, 1, 2, 100, 127, 128, 255, 256, 1_000, 1_001, 300_000, 3_153_600_000, 3_153_600_001, 1 << 31,
        (1 << 32) - 1, 1 << 32, 1 << 63, .max,
    ]

    private var random: SplitMix

    init(seed: UInt64) { random = SplitMix(seed: seed) }

    mutating func frame() -> Frame {
        let index = random.below(Frame.methods.count + 2) % Frame.methods.count
        return Frame(
            method: Frame.methods[index], callID: UInt8(random.below(6)), payload: payload(of: index))
    }

    /// - Parameter method: its place in `Frame.methods`.
    private mutating func payload(of method: Int) -> [UInt8] {
        switch method {
        case 0: return store()
        case 1: return key() + maybe { Self.varint(3, $0.number()) }
        case 2: return key() + maybe { Self.bytes(3, $0.text()) }
        case 3:
            let keys = (0..<random.below(5)).flatMap { _ in Self.bytes(1, key()) }
            return keys + maybe { Self.varint(2, $0.number()) }
        case 4:
            let token = maybe { Self.bytes(2, $0.text()) }
            return Self.bytes(1, id()) + token + maybe { Self.varint(3, $0.number()) }
        case 7:
            switch random.below(3) {
            case 0: return Self.bytes(1, key())
            case 1: return Self.bytes(2, id())
            default: return Self.varint(3, 1)
            }
        case 8: return maybe { Self.bytes(1, $0.random.oneIn(2) ? Array("fuzz".utf8) : $0.id()) }
        default: return maybe { Self.varint(9, $0.number()) }
        }
    }

    private mutating func store() -> [UInt8] {
        let size = random.oneIn(8) ? 300 : random.below(12)
        var message = key() + Self.bytes(3, (0..<size).map { _ in UInt8(random.below(256)) })
        message += maybe { Self.varint(4, $0.number()) }
        for _ in 0..<(random.oneIn(16) ? 17 : random.below(3)) {
            message += Self.bytes(5, Self.bytes(1, text()) + maybe { Self.bytes(2, $0.text()) })
        }
        if random.oneIn(4) { message += Self.bytes(6, text()) }
        if random.oneIn(4) { message += Self.varint(7, 1) }
        return message
    }

    private mutating func key() -> [UInt8] { Self.bytes(1, id()) + Self.bytes(2, id()) }

    /// Mostly one of few, so that calls meet.
    private mutating func id() -> [UInt8] { Self.ids[random.oneIn(4) ? random.below(Self.ids.count) : random.below(3)] }

    private mutating func text() -> [UInt8] {
        random.oneIn(3) ? random.pick(Self.ids) : (0..<random.below(4)).map { _ in UInt8(0x61 + random.below(6)) }
    }

    private mutating func number() -> UInt64 { random.pick(Self.numbers) }

    private mutating func maybe(_ field: (inout Self) -> [UInt8]) -> [UInt8] {
        random.oneIn(2) ? field(&self) : []
    }

    static func varint(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    static func varint(_ field: UInt64, _ value: UInt64) -> [UInt8] { varint(field << 3) + varint(value) }

    static func bytes(_ field: UInt64, _ value: [UInt8]) -> [UInt8] {
        varint(field << 3 | 2) + varint(UInt64(value.count)) + value
    }
}
