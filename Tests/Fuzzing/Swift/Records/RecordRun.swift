import CofferCore
import CofferVault

@testable import CofferCrypto
@testable import CofferServer

/// Plays an input against the readers of what vaults and files hold: record
/// bodies, envelopes in both forms, key rings, the legacy format, page tokens.
///
/// The first byte chooses the reader, the rest is what it reads.
final class RecordRun {
    enum Reader: UInt8, CaseIterable {
        case body, envelope, damagedEnvelope, text, ring, preamble, legacy, pageToken
    }

    private let keys: KeyRing
    private let context: EnvelopeContext
    private let legacy: LegacyFormat

    init() throws {
        let term = KeyTerm(id: 1, name: "fuzz", state: .active, createdAt: 1, key: Self.secret([3]))
        keys = KeyRing(base: Self.secret([5]), terms: [term])
        context = try EnvelopeContext(
            vaultIdentity: Array(repeating: 7, count: 16), environment: "fuzz", name: [1],
            contentType: "coffer.record.v1")
        legacy = try LegacyFormat(passphrase: Self.secret([9]))
    }

    /// The pattern over 32 bytes.
    private static func secret(_ pattern: [UInt8]) -> Secret {
        Secret(count: 32) { region in
            for index in region.indices { region[index] = pattern[index % pattern.count] }
        }
    }

    /// - Returns: nil, or which promise was broken.
    func play(_ input: UnsafeRawBufferPointer) -> String? {
        guard let first = input.first else { return nil }
        let reader = Reader.allCases[Int(first) % Reader.allCases.count]
        let bytes = Array(input.dropFirst())
        return switch reader {
        case .body: body(bytes)
        case .envelope: envelope(bytes)
        case .damagedEnvelope: damagedEnvelope(bytes)
        case .text: text(bytes)
        case .ring: ring(bytes)
        case .preamble: preamble(bytes)
        case .legacy: legacy(bytes)
        case .pageToken: pageToken(bytes)
        }
    }

    private func body(_ bytes: [UInt8]) -> String? {
        let encoded = bytes.withUnsafeBytes { Secret(copying: $0) }
        guard let body = RecordBody(decoding: encoded) else { return nil }
        let again = SecretWriter.build(count: body.encodedByteCount) { body.encode(to: &$0) }
        guard let again = RecordBody(decoding: again) else {
            return "a record that was read cannot be read back"
        }
        let same =
            again.key == body.key && again.labels == body.labels && again.updatedAt == body.updatedAt
            && again.expiresAt == body.expiresAt && again.credential.isEqual(to: body.credential)
        return same ? nil : "a record reads back as another"
    }

    /// Nobody without the key can make an envelope that opens.
    private func envelope(_ bytes: [UInt8]) -> String? {
        if let version = Envelope.version(of: bytes), version.utf8.count != 24 {
            return "a version of \(version.utf8.count) bytes"
        }
        for type in RecordType.allCases {
            if (try? keys.open(bytes, type: type, context: context)) != nil { return "garbage opens" }
        }
        return nil
    }

    /// Seals the rest, damages one bit or cuts the end where the first bytes say.
    private func damagedEnvelope(_ bytes: [UInt8]) -> String? {
        guard bytes.count >= 3 else { return nil }
        let plaintext = bytes[3...].withUnsafeBytes { Secret(copying: $0) }
        guard
            let sealed = try? keys.seal(
                plaintext, type: .value, generation: UInt64(bytes[0]), context: context,
                random: FuzzRandom())
        else { return "\(plaintext.count) bytes are not sealed" }
        guard let opened = try? keys.open(sealed, type: .value, context: context),
            opened.isEqual(to: plaintext)
        else { return "what was sealed does not open" }
        let place = Int(bytes[1]) << 8 | Int(bytes[2])
        var damaged = sealed
        if bytes[0] & 1 == 0 {
            damaged[place % sealed.count] ^= 1 << (bytes[0] >> 1 & 7)
        } else {
            damaged.removeLast(1 + place % sealed.count)
        }
        return (try? keys.open(damaged, type: .value, context: context)) == nil
            ? nil : "a damaged envelope opens"
    }

    private func text(_ bytes: [UInt8]) -> String? {
        guard let decoded = try? Envelope.bytes(ofText: bytes) else { return nil }
        return Array(Envelope.text(decoded).utf8) == bytes ? nil : "two texts for the same bytes"
    }

    private func ring(_ bytes: [UInt8]) -> String? {
        let encoded = bytes.withUnsafeBytes { Secret(copying: $0) }
        guard let ring = KeyRing(decoding: encoded) else { return nil }
        return ring.encoded().isEqual(to: encoded) ? nil : "a key ring is written otherwise than read"
    }

    private func preamble(_ bytes: [UInt8]) -> String? {
        guard let preamble = try? RingPreamble(reading: bytes, path: "ring") else { return nil }
        return bytes.starts(with: preamble.encoded) ? nil : "a preamble is written otherwise than read"
    }

    private func legacy(_ bytes: [UInt8]) -> String? {
        (try? legacy.open(bytes)) == nil ? nil : "garbage opens in the legacy format"
    }

    private func pageToken(_ bytes: [UInt8]) -> String? {
        let token = String(decoding: bytes, as: UTF8.self)
        let tokens = PageTokens(random: FuzzRandom())
        if !token.isEmpty, (try? tokens.decode(token, user: "u")) != nil { return "a forged page token is taken" }
        let own = tokens.encode(bytes, user: "u")
        guard own.utf8.count <= PageTokens.maximumBytes else { return nil }
        return (try? tokens.decode(own, user: "u")) == bytes ? nil : "a page token does not come back"
    }
}
