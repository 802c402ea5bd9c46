import CofferPolicyProbe
import Testing

/// Every input that ever found something, or once reached code that no other
/// did, in an ordinary build. `fuzz.sh` makes them.
@Suite struct CorpusReplayTests {
    /// An input and the promise it broke.
    private func broken(
        _ target: String, atLeast minimum: Int,
        by player: @escaping @Sendable () throws -> (UnsafeRawBufferPointer) -> String?
    ) async throws -> [String] {
        let inputs = try Corpus.inputs(target)
        #expect(inputs.count >= minimum, "the corpus has gone")
        return try await onThread {
            let play = try player()
            return inputs.compactMap { input in
                input.bytes.withUnsafeBytes(play).map { "\(input.name): \($0)" }
            }
        }
    }

    @Test func theServiceKeepsItsPromises() async throws {
        let broken = try await broken("service", atLeast: 50) {
            let run = ServiceRun()
            return { run.play($0) }
        }
        #expect(broken == [])
    }

    @Test func whatIsStoredIsReadOrRefused() async throws {
        let broken = try await broken("records", atLeast: 20) {
            let run = try RecordRun()
            return { run.play($0) }
        }
        #expect(broken == [])
    }

    @Test func aPolicyKeepsItsPromisesOrIsRefused() async throws {
        let broken = try await broken("policy", atLeast: 20) { { String(validating: $0, as: UTF8.self).flatMap(PolicyProbe.play) } }
        #expect(broken == [])
    }

    @Test func theConfigurationIsReadOrRefused() async throws {
        let broken = try await broken("configuration", atLeast: 5) { { ConfigurationRun.play($0) } }
        #expect(broken == [])
    }
}

/// The fuzzer's way of making inputs, without its memory of what was new.
@Suite struct GeneratedStreamTests {
    private static func changed(_ bytes: [UInt8], _ random: inout SplitMix) -> [UInt8] {
        guard !bytes.isEmpty else { return [UInt8(random.below(256))] }
        var bytes = bytes
        switch random.below(3) {
        case 0: bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
        case 1: bytes.remove(at: random.below(bytes.count))
        default: bytes.insert(UInt8(random.below(256)), at: random.below(bytes.count + 1))
        }
        return bytes
    }

    @Test(arguments: 0..<8) func theServiceKeepsItsPromises(seed: UInt64) async throws {
        let (broken, tally) = try await onThread { () -> ([String], ServiceRun.Tally) in
            var random = SplitMix(seed: seed)
            let run = ServiceRun()
            var broken: [String] = []
            var input: [UInt8] = []
            for step in 0..<150 {
                if step % 25 == 0 { input = (0..<Script.byteCount).map { _ in UInt8(random.below(256)) } }
                var mutator = StreamMutator(seed: random.next()) { bytes in
                    var inner = SplitMix(seed: UInt64(step))
                    return Self.changed(bytes, &inner)
                }
                input = mutator.mutate(input, maximumBytes: 4_096)
                if let violation = input.withUnsafeBytes({ run.play($0) }) {
                    broken.append("seed \(seed), step \(step): \(violation)")
                }
            }
            return (broken, run.tally)
        }
        #expect(broken == [])
        #expect(tally.frames > 300)
        #expect(tally.inputsDecoding * 2 > tally.inputs, "most inputs are to get past the header")
    }
}
