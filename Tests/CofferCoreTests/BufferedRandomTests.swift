import CofferCore
import Synchronization
import Testing

@Suite struct BufferedRandomTests {
    /// Gives the numbers 0, 1, 2, … as two bytes each, and counts how often it was asked.
    private final class Counting: RandomSource {
        private let state = Mutex((next: UInt16(0), calls: 0))
        var calls: Int { state.withLock { $0.calls } }

        func bytes(_ count: Int) -> [UInt8] {
            state.withLock { state in
                state.calls += 1
                return (0..<count / 2).flatMap { _ in
                    defer { state.next += 1 }
                    return [UInt8(state.next >> 8), UInt8(truncatingIfNeeded: state.next)]
                }
            }
        }
    }

    private func numbers(_ bytes: [UInt8]) -> [UInt16] {
        stride(from: 0, to: bytes.count, by: 2).map { UInt16(bytes[$0]) << 8 | UInt16(bytes[$0 + 1]) }
    }

    @Test func givesEveryByteOnce() {
        let source = Counting()
        let random = BufferedRandom(source)
        var seen: Set<UInt16> = []
        var given = 0
        for round in 0..<1_000 {
            for count in [32, 16, 2 * (round % 40), 1_024] {
                let bytes = random.bytes(count)
                #expect(bytes.count == count)
                seen.formUnion(numbers(bytes))
                given += count / 2
            }
            guard given < 20_000 else { break }
        }
        #expect(given > 10_000)
        #expect(seen.count == given)
    }

    @Test func fetchesManyAtATime() {
        let source = Counting()
        let random = BufferedRandom(source)
        for _ in 0..<64 { _ = random.bytes(32) }
        #expect(source.calls == 2)
        #expect(random.bytes(4_096).count == 4_096)
        #expect(source.calls == 3)
        #expect(random.bytes(0).isEmpty)
        #expect(source.calls == 3)
    }
}
