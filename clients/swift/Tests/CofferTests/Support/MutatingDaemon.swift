import SwiftProtobuf

@testable import Coffer

/// A random sequence that a seed decides (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}

/// Answers several requests at a time, in any order, with frames of which some
/// are not what a daemon would send; all of a batch leave with one write, or in
/// pieces that end anywhere.
struct MutatingDaemon {
    let seed: UInt64

    func serve(_ peer: FakePeer, _ number: Int) throws {
        var random = SeededRandom(seed: seed &* 1_000 &+ UInt64(number))
        while true {
            var requests = [try peer.read()]
            while requests.count < 6, random.below(4) > 0, peer.hasInput(withinMilliseconds: 2) {
                requests.append(try peer.read())
            }
            var frames: [[UInt8]] = []
            for request in requests.shuffled(using: &random)
            where request.header.kind == FrameKind.request.rawValue {
                frames += try answer(to: request, &random)
            }
            try send(frames.flatMap(\.self), to: peer, &random)
            if random.below(40) == 0 { return }
        }
    }

    private func send(_ bytes: [UInt8], to peer: FakePeer, _ random: inout SeededRandom) throws {
        guard random.below(3) == 0 else { return try peer.write(bytes) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 + random.below(40))
            try peer.write(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
    }

    private func answer(to request: FakePeer.Request, _ random: inout SeededRandom) throws -> [[UInt8]] {
        let call = request.header.callID
        let good = try FakePeer.response(call, Coffer_V1_GetResponse.with { $0.version = "v" })
        switch random.below(24) {
        case 0: return []
        case 1: return [good, good]
        case 2: return [try FakePeer.response(call, Coffer_V1_GetManyResponse(), more: true), good]
        case 3: return [try FakePeer.response(call + 1_000, Coffer_V1_GetResponse()), good]
        case 4: return [Self.header(call) { $0.kind = [0, 1, 3, 5, 9, 255].randomElement(using: &random)! }, good]
        case 5: return [Self.header(call) { $0.version = 2 }, good]
        case 6: return [Self.header(call) { $0.flags = 0x8002 }, good]
        case 7: return [Self.header(call) { $0.length = [0, 19, 21, 1 << 30].randomElement(using: &random)! }, good]
        case 8: return [good, FakePeer.frame(FrameHeader(.goAway, callID: 0))]
        case 9: return [FakePeer.frame(FrameHeader(.goAway, callID: 0)), good]
        case 10: return [FakePeer.frame(FrameHeader(.goAway, callID: call)), good]
        case 11: return [try FakePeer.refusal(call, .unavailable, .draining)]
        case 12: return [try FakePeer.refusal(0, .invalidArgument, .malformed), good]
        case 13: return [try FakePeer.refusal(call, .init(rawValue: UInt32(random.below(40) + 1)), .limit)]
        case 14: return [Self.header(call) { $0.flags = 1; $0.methodOrStatus = 5 }, good]
        case 15, 16: return [Self.mutated(good, &random)]
        case 17: return [good, FakePeer.frame(FrameHeader(.response, callID: call, payloadBytes: 3), [0xFF, 1, 2])]
        default: return [good]
        }
    }

    private static func header(_ call: UInt64, _ change: (inout FrameHeader) -> Void) -> [UInt8] {
        var header = FrameHeader(.response, callID: call)
        change(&header)
        return FakePeer.frame(header)
    }

    private static func mutated(_ frame: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var frame = frame
        for _ in 0...random.below(3) { frame[random.below(frame.count)] = UInt8.random(in: 0...255, using: &random) }
        return frame
    }
}
