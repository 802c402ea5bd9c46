/// Changes an input for the service so that most of what comes out are still
/// frames: lengths are put right, methods and call ids are ones that exist.
struct StreamMutator {
    private var random: SplitMix
    private var generator: RequestGenerator
    /// Changes bytes without knowing what they mean.
    private let mutateBytes: ([UInt8]) -> [UInt8]

    init(seed: UInt64, mutateBytes: @escaping ([UInt8]) -> [UInt8]) {
        random = SplitMix(seed: seed)
        generator = RequestGenerator(seed: seed ^ 0xF00D)
        self.mutateBytes = mutateBytes
    }

    mutating func mutate(_ input: [UInt8], maximumBytes: Int) -> [UInt8] {
        guard input.count >= Script.byteCount else {
            let input = Array(repeating: 0, count: Script.byteCount) + generator.frame().encoded
            return Array(input.prefix(maximumBytes))
        }
        var head = Array(input.prefix(Script.byteCount))
        if random.oneIn(8) { head[random.below(head.count)] = UInt8(random.below(256)) }
        var stream = Array(input.dropFirst(Script.byteCount))
        if random.oneIn(16) {
            // Bytes are bytes: lengths become lies here.
            stream = mutateBytes(stream)
        } else {
            var frames = Frame.split(stream[...])
            for _ in 0...random.below(3) { change(&frames) }
            stream = frames.flatMap(\.encoded)
        }
        return Array((head + stream).prefix(maximumBytes))
    }

    private mutating func change(_ frames: inout [Frame]) {
        guard !frames.isEmpty, !random.oneIn(5) else {
            let fresh = (0...random.below(4)).map { _ in generator.frame() }
            frames.insert(contentsOf: fresh, at: random.below(frames.count + 1))
            return
        }
        let index = random.below(frames.count)
        guard case .whole(var header, let payload) = frames[index] else {
            frames[index] = random.oneIn(2) ? generator.frame() : .raw(mutateBytes(frames[index].encoded))
            return
        }
        switch random.below(12) {
        case 0: frames.remove(at: index)
        case 1: frames.insert(frames[index], at: random.below(frames.count + 1))
        case 2: frames.swapAt(index, random.below(frames.count))
        case 3, 4:
            mutateHeader(&header)
            frames[index] = .whole(header: header, payload: payload)
        case 5: frames[index] = .whole(header: header, payload: mutateBytes(payload))
        case 6 where random.oneIn(8):
            // A length that is not true.
            var lie = frames[index].encoded
            lie[2 + random.below(2)] = UInt8(random.below(256))
            frames[index] = .raw(lie)
        default:
            let message = MessageMutator.mutate(payload, &random, mutateBytes: mutateBytes)
            frames[index] = .whole(header: header, payload: message)
        }
    }

    private mutating func mutateHeader(_ header: inout [UInt8]) {
        switch random.below(10) {
        case 0, 1: header[15] = UInt8(random.below(6))
        case 2, 3: header[5] = random.oneIn(2) ? 3 : 1
        case 4: header[23] = UInt8(random.below(256))
        case 5: header[8 + random.below(16)] = UInt8(random.below(256))
        case 6: header[4 + random.below(4)] = UInt8(random.below(4))
        default:
            let method = random.pick(Frame.methods)
            withUnsafeBytes(of: method.bigEndian) { header.replaceSubrange(16..<20, with: $0) }
        }
    }
}
