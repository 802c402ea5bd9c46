import CofferCore
import CofferServer
import CofferWire
import Testing

@Suite struct MessageScannerPropertyTests {
    /// In the order of `Frame.methods`.
    private static let schemas: [MessageSchema] = [
        .coffer_v1_StoreRequest, .coffer_v1_GetRequest, .coffer_v1_DeleteRequest,
        .coffer_v1_GetManyRequest, .coffer_v1_ListRequest, .coffer_v1_PingRequest, .coffer_v1_HealthRequest,
        .coffer_v1_StatsRequest, .coffer_v1_InvalidateRequest, .coffer_v1_DoctorRequest,
    ]

    /// Nil, or the message that the scan refuses with.
    private func refusal(_ bytes: [UInt8], _ schema: MessageSchema) -> String? {
        bytes.withUnsafeBytes { bytes in
            do throws(Failure) {
                try MessageScanner.scan(bytes, as: schema)
                return nil
            } catch {
                return error.message
            }
        }
    }

    private func changed(_ bytes: [UInt8], _ random: inout SplitMix) -> [UInt8] {
        var bytes = bytes
        let place = random.below(bytes.count + 1)
        switch random.below(4) {
        case 0: bytes.insert(random.pick([0, 1, 0x0A, 0x12, 0x7F, 0x80, 0xC2, 0xED, 0xFF]), at: place)
        case 1 where !bytes.isEmpty: bytes.remove(at: place % bytes.count)
        case 2 where !bytes.isEmpty: bytes[place % bytes.count] ^= 1 << UInt8(random.below(8))
        default: bytes.append(UInt8(random.below(256)))
        }
        return bytes
    }

    @Test(arguments: 0..<20) func agreesWithTheReference(seed: UInt64) {
        var random = SplitMix(seed: seed)
        var generator = RequestGenerator(seed: seed)
        var accepted = 0
        var refused = 0
        for step in 0..<1_000 {
            guard case .whole(_, var message) = generator.frame() else { continue }
            for _ in 0..<random.below(4) {
                let inner = random.next()
                message = MessageMutator.mutate(message, &random) { bytes in
                    var random = SplitMix(seed: inner)
                    return changed(bytes, &random)
                }
            }
            let schema = Self.schemas[random.below(Self.schemas.count)]
            let ours = refusal(message, schema)
            let reference = ReferenceScanner.fault(in: message, schema)
            if ours?.prefix(while: { $0 != ":" }) != reference?[...] {
                let verdicts = "ours \(ours ?? "accepts"), reference \(reference ?? "accepts")"
                Issue.record("seed \(seed), step \(step): \(message) as \(schema.name): \(verdicts)")
                return
            }
            if ours == nil { accepted += 1 } else { refused += 1 }
        }
        #expect(accepted > 100 && refused > 100, "\(accepted) accepted, \(refused) refused")
    }

    /// Every message of up to two bytes, whole and cut.
    @Test func agreesWithTheReferenceOnShortMessages() {
        for schema in Self.schemas {
            for word in 0..<65_536 {
                let message = [UInt8(word >> 8), UInt8(word & 0xFF)]
                guard (refusal(message, schema) == nil) == (ReferenceScanner.fault(in: message, schema) == nil)
                else {
                    Issue.record("\(message) as \(schema.name)")
                    return
                }
            }
        }
    }
}
