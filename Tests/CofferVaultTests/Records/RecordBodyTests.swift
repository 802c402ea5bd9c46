import CofferCore
import CofferVault
import Testing

@Suite struct RecordBodyTests {
    /// One name for Unicode, two for everybody else.
    private static let twins: Labels = ["\u{E9}": "composed", "e\u{301}": "decomposed", "K": "letter", "\u{212A}": "kelvin"]

    @Test func namesOfLabelsAreToldApartByTheirBytes() {
        var labels = Self.twins
        #expect(labels.count == 4)
        let isNew = labels.insert("\u{E9}", "again")
        #expect(!isNew)
        #expect(labels.map(\.value) == ["letter", "decomposed", "composed", "kelvin"])
        #expect(labels != ["\u{E9}": "decomposed", "e\u{301}": "composed", "K": "letter", "\u{212A}": "kelvin"])
    }

    private func body(labels: Labels = [:], credential: Int = 5) throws -> RecordBody {
        RecordBody(
            key: try RecordKey(user: "user é", connection: "c:1"),
            credential: SecretWriter.build(count: credential) { writer in
                for index in 0..<credential { writer.append(UInt8(truncatingIfNeeded: index)) }
            }, labels: labels, updatedAt: 1_700_000_000_123, expiresAt: 1_800_000_000_456)
    }

    @Test(arguments: [
        [:], ["a": ""], ["env": "prod", "owner": "ä"], Self.twins,
        (0..<16).reduce(into: Labels()) { _ = $0.insert("name\($1)", String(repeating: "v", count: 256)) },
    ] as [Labels])
    func roundTrips(labels: Labels) throws {
        let body = try body(labels: labels)
        let decoded = try #require(RecordBody(decoding: encode(body)))
        #expect(decoded.key == body.key)
        #expect(decoded.labels == labels)
        #expect(decoded.updatedAt == body.updatedAt)
        #expect(decoded.expiresAt == body.expiresAt)
        #expect(decoded.credential.isEqual(to: body.credential))
    }

    @Test func refusesEveryPrefixAndEveryExtension() throws {
        let encoded = encode(try body(labels: ["a": "b"]))
        for count in 0..<encoded.count {
            #expect(RecordBody(decoding: part(of: encoded, count)) == nil, "\(count) bytes were taken")
        }
        let longer = SecretWriter.build(count: encoded.count + 1) { $0.append(encoded) }
        #expect(RecordBody(decoding: longer) == nil)
        #expect(RecordBody(decoding: part(of: encoded, encoded.count)) != nil)
    }

    /// A changed byte gives another record or none, and never a trap.
    @Test func survivesEveryChangedByte() throws {
        let encoded = encode(try body(labels: ["a": "b"]))
        for position in 0..<encoded.count {
            for flip: UInt8 in [0x01, 0x80, 0xFF] {
                _ = RecordBody(decoding: changed(encoded, at: position, by: flip))
            }
        }
        #expect(RecordBody(decoding: changed(encoded, at: 0, by: 1)) == nil)
    }

    private func encode(_ body: RecordBody) -> Secret {
        SecretWriter.build(count: body.encodedByteCount) { body.encode(to: &$0) }
    }

    private func part(of secret: Secret, _ count: Int) -> Secret {
        secret.withBytes { Secret(copying: $0.extracting(0..<count)) }
    }

    private func changed(_ secret: Secret, at position: Int, by flip: UInt8) -> Secret {
        secret.withUnsafeBytes { source in
            Secret(count: source.count) { target in
                target.copyMemory(from: source)
                target[position] ^= flip
            }
        }
    }
}
