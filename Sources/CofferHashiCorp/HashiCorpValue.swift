internal import CofferCore
internal import CofferCrypto
internal import CofferVault
internal import CofferVaultKit

/// What lies under `data` of a KV version.
///
///     {"coffer":"coffer1:…","version":"…","created":ms,"updated":ms,"expires":ms}   sealed
///     {"coffer":"iv:tag:ciphertext"}                                                the predecessor's encryption
///     {"coffer":"removed"}                                                          no record: see `remove`
///     any other object                                                              a credential in the clear
enum HashiCorpValue {
    case sealed(SealedDocument)
    case text(Secret)
    /// Left by a conditional removal, until the versions below it are destroyed.
    case removed

    private static let member = SealedDocument.mark

    static let removal: JSON = .object([(member, .string("removed"))])

    // MARK: Writing

    /// - Throws: INVALID_ARGUMENT for what is neither a JSON object nor the
    ///   predecessor's form, or would be read back as something else: the engine decodes
    ///   what it is given, and encodes it anew.
    static func text(_ text: Secret) throws(Failure) -> JSON {
        if text.withBytes(isLegacy) { return .object([(member, .string(text))]) }
        guard let json = try? JSON.parse(text), json.members != nil else {
            let found = try? JSON.parse(answer: text, recordAt: 0)
            throw .badField(
                "credential",
                found == nil || found?.isReadable == true
                    ? "expected a JSON object, which is all that this format keeps"
                    : "expected a JSON object that nests at most \(JSON.maximumDepth) deep, has each member once, and "
                        + "no half of a surrogate pair alone; a vault could not give this one back")
        }
        guard json.hasExactNumbers else {
            throw .badField(
                "credential",
                "a number in it has more digits than a double holds, and the vault would give back another one; "
                    + "make it a string, or use the format sealed")
        }
        guard case .text = reading(json) else {
            throw .badField(
                "credential",
                "an object whose member \"\(member)\" looks like a record of Coffer cannot be kept in this format")
        }
        return json
    }

    // MARK: Reading, which trusts nothing

    /// nil for a sealed record that is damaged.
    static func reading(_ data: JSON) -> HashiCorpValue? {
        guard let value = data[member]?.string else { return .text(data.encode()) }
        if SealedDocument.isMarked(data) { return SealedDocument(data).map { .sealed($0) } }
        guard data.members?.count == 1 else { return .text(data.encode()) }
        if value.withBytes({ $0.isEqual(to: Array("removed".utf8)) }) { return .removed }
        return .text(value.withBytes(isLegacy) ? value.secret : data.encode())
    }

    /// As `LegacyFormat.recognises`, without a copy of what may be in the clear.
    private static func isLegacy(_ bytes: RawSpan) -> Bool {
        guard bytes.byteCount >= 66, bytes.byteCount.isMultiple(of: 2) else { return false }
        for offset in 0..<bytes.byteCount {
            switch bytes.byte(at: offset) {
            case UInt8(ascii: ":"): if offset != 32 && offset != 65 { return false }
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"):
                if offset == 32 || offset == 65 { return false }
            default: return false
            }
        }
        return true
    }
}
