import CofferCore
import CofferCrypto

/// Records to payloads in the format that a vault is configured for, and back
/// from any format that is accepted.
struct RecordCodec: Sendable {
    let format: RecordFormat
    let accept: Set<RecordFormat>
    let sealed: SealedCodec
    let text: TextCodec

    /// - Parameter format: as what; nil = as this codec writes.
    func encode(
        _ body: RecordBody, tag: [UInt8], as format: RecordFormat? = nil
    ) throws(Failure) -> (VaultPayload, version: String) {
        let format = format ?? self.format
        return format == .sealed ? try sealed.encode(body, tag: tag) : try text.encode(body, as: format)
    }

    /// The format, if it is another than this codec writes.
    func foreign(_ format: RecordFormat) -> RecordFormat? { format == self.format ? nil : format }

    /// What a reader takes a payload for; nil if it is no record.
    func format(of payload: VaultPayload) -> RecordFormat? {
        switch payload {
        case .sealed: .sealed
        case .text(let value): value.withBytes { CredentialText.format(of: $0) }
        }
    }

    /// - Parameter name: under which the vault keeps the item.
    /// - Throws: `.unreadable`; FAILED_PRECONDITION for a format that is not
    ///   accepted, or whose key is missing.
    func decode(_ item: VaultItem, _ name: VaultKey) throws(Failure) -> Record {
        switch item.payload {
        case .sealed(let envelope):
            return try open(envelope, item, name)
        case .text(let value):
            let format = try format(of: value)
            guard accept.contains(format) else { throw notAccepted(format) }
            guard format == .sealed else {
                return try text.decode(item, value, as: format, key: name.key, foreignFormat: foreign(format))
            }
            return try open(try envelope(in: value), item, name)
        }
    }

    private func open(_ envelope: [UInt8], _ item: VaultItem, _ name: VaultKey) throws(Failure) -> Record {
        guard accept.contains(.sealed) else { throw notAccepted(.sealed) }
        let record = try sealed.decode(envelope, createdAt: item.createdAt, tag: name.tag, foreignFormat: foreign(.sealed))
        guard record.key == name.key else { throw .unreadable(vault: sealed.vault) }
        return record
    }

    /// An entry of a listing; nil if a vault that lists names only may hold it in a format that is not accepted.
    ///
    /// - Parameter tag: of a key.
    /// - Throws: as `decode`.
    func list(_ entry: VaultPage.Entry, tag: (RecordKey) -> [UInt8]) throws(Failure) -> Record? {
        let envelope: [UInt8]
        let item = try entry.item.get()
        switch item.payload {
        case .sealed(let bytes): envelope = bytes
        case .text(let value):
            // Nothing is what a vault gives that lists names only.
            if value.count == 0 && !accept.contains(.json) { return nil }
            let format = value.count == 0 ? .json : try format(of: value)
            guard accept.contains(format) else { throw notAccepted(format) }
            guard format == .sealed else {
                guard case .key(let key) = entry.name else { throw .unreadable(vault: sealed.vault) }
                return TextCodec.listed(item, key: key)
            }
            envelope = try self.envelope(in: value)
        }
        guard accept.contains(.sealed) else { throw notAccepted(.sealed) }
        let expected =
            switch entry.name {
            case .tag(let tag): tag
            case .key(let key): tag(key)
            }
        let record = try sealed.decode(
            envelope, createdAt: item.createdAt, tag: expected, foreignFormat: foreign(.sealed))
        guard tag(record.key) == expected else { throw .unreadable(vault: sealed.vault) }
        return record
    }

    private func format(of value: Secret) throws(Failure) -> RecordFormat {
        guard let format = format(of: .text(value)) else {
            throw Failure(
                .dataLoss, .unreadableRecord,
                "the stored value of \(value.count) bytes is not a record: expected an envelope, a JSON object, or the predecessor's iv:tag:ciphertext in hex",
                vault: sealed.vault)
        }
        return format
    }

    private func envelope(in value: Secret) throws(Failure) -> [UInt8] {
        let text = value.withBytes { bytes in
            var cursor = ByteCursor()
            return cursor.array(count: bytes.byteCount, in: bytes)
        }
        do throws(CryptoError) {
            return try Envelope.bytes(ofText: text ?? [])
        } catch {
            throw .unreadable(vault: sealed.vault)
        }
    }

    private func notAccepted(_ found: RecordFormat) -> Failure {
        let accepted = RecordFormat.allCases.filter(accept.contains).map(\.rawValue).joined(separator: ", ")
        return Failure(
            .failedPrecondition, .notSupported,
            "the stored record has the format \(found.rawValue), and this vault accepts \(accepted) only; store it again, or add its format to accept",
            vault: sealed.vault)
    }
}
