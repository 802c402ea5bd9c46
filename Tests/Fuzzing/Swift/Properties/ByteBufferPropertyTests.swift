import CofferWire
import Testing

@Suite struct ByteBufferPropertyTests {
    @Test(arguments: 0..<50) func agreesWithAnArray(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let buffer = ByteBuffer(capacity: 1 + random.below(64))
        var model: [UInt8] = []
        for step in 0..<400 {
            switch random.below(7) {
            case 0...2:
                let piece = bytes(random.below(40), &random)
                piece.withUnsafeBytes { buffer.append($0) }
                model += piece
            case 3:
                // Room for more than is then used.
                let piece = bytes(random.below(40), &random)
                let room = buffer.reserve(piece.count + 8)
                piece.withUnsafeBytes { from in
                    if let base = from.baseAddress { room.copyMemory(from: base, byteCount: from.count) }
                }
                buffer.commit(piece.count)
                model += piece
            case 4, 5:
                let count = random.below(model.count + 1)
                buffer.consume(count)
                model.removeFirst(count)
            default:
                if random.oneIn(10) {
                    buffer.wipe()
                    model = []
                } else if !model.isEmpty {
                    let place = random.below(model.count)
                    buffer.pointer(at: place).storeBytes(of: 0xEE, as: UInt8.self)
                    model[place] = 0xEE
                }
            }
            guard Array(buffer.bytes) == model, buffer.count == model.count, buffer.isEmpty == model.isEmpty,
                buffer.capacity >= model.count
            else {
                Issue.record("seed \(seed), step \(step): \(Array(buffer.bytes)), not \(model)")
                return
            }
        }
    }

    private func bytes(_ count: Int, _ random: inout SplitMix) -> [UInt8] {
        (0..<count).map { _ in UInt8(1 + random.below(255)) }
    }
}
