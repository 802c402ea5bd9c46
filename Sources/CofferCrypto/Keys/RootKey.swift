package import CofferCore

/// What opens the key ring: a key of the operator's, or a passphrase.
package enum RootKey: Sendable {
    /// 32 bytes from a good source of randomness.
    case key(Secret)
    /// Text that people can remember. Deriving a key from it takes a third of a
    /// second and 128 MiB, so that guessing does too.
    case passphrase(Secret)

    package static let byteCount = 32
    private static let maximumFileBytes = 4096

    /// The passphrase in a file of ours, closed to everyone else, as it stands there.
    ///
    /// - Throws: as ``file(_:)``.
    package static func passphraseFile(_ path: String) throws(KeyError) -> Passphrase {
        try Passphrase(inFile: try ProtectedFile.read(path, what: "passphrase file", limit: maximumFileBytes, rule: .secret))
    }

    /// A key file of ours, closed to everyone else: 32 raw bytes, or 64 hex
    /// digits with or without a line end after them.
    ///
    /// - Throws: `.absent`, `.permissions`, `.badKey`, `.system`.
    package static func file(_ path: String) throws(KeyError) -> RootKey {
        try read(path, rule: .secret)
    }

    /// A credential of the systemd unit, in the same forms.
    ///
    /// - Parameter folder: the value of `$CREDENTIALS_DIRECTORY`.
    /// - Throws: as ``file(_:)``; `.badKey` also for a name with a slash in it.
    package static func credential(_ name: String, folder: String) throws(KeyError) -> RootKey {
        guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "/")), name != ".", name != ".." else {
            throw KeyError(.badKey, "a credential's name must be a plain file name; got \"\(name)\"")
        }
        return try read("\(folder)/\(name)", rule: .credential)
    }

    /// One that nobody has; `fileOrGenerated` keeps it.
    package static func random() -> RootKey { .key(.random(count: byteCount)) }

    /// The key file; created if it does not exist.
    ///
    /// - Parameter drawn: what it is made with.
    /// - Returns: the key, and whether it was made now: the operator must be
    ///   told to keep a copy.
    /// - Throws: as ``file(_:)``.
    package static func fileOrGenerated(
        _ path: String, drawn: Secret = .random(count: byteCount)
    ) throws(KeyError) -> (key: RootKey, isNew: Bool) {
        do {
            return (try file(path), false)
        } catch where error.reason == .absent {
            let folder = try ProtectedFolder(of: path)
            do {
                try drawn.withBytes { bytes throws(KeyError) in try folder.create(bytes) }
            } catch where error.reason == .exists {
                // Another process was first.
                return (try file(path), false)
            }
            return (.key(drawn), true)
        }
    }

    private static func read(_ path: String, rule: ProtectedFile.Rule) throws(KeyError) -> RootKey {
        let contents = try ProtectedFile.read(path, what: "key file", limit: maximumFileBytes, rule: rule)
        guard let key = parse(contents) else {
            throw KeyError(
                .badKey,
                "\(path): expected 32 bytes, or 64 hex digits and a line end; the file has \(contents.count) bytes")
        }
        guard key.withUnsafeBytes({ bytes in !bytes.allSatisfy { $0 == bytes[0] } }) else {
            throw KeyError(.badKey, "\(path): all bytes of the key are equal; make it with: head -c 32 /dev/urandom")
        }
        return .key(key)
    }

    private static func parse(_ contents: Secret) -> Secret? {
        if contents.count == byteCount { return contents }
        return contents.withoutLineEnd.withUnsafeBytes { bytes in
            let digits = 2 * byteCount
            guard bytes.count == digits else { return nil }
            return try? Secret(count: byteCount) { key throws(NotHex) in
                for index in 0..<byteCount {
                    guard let high = Hex.value(bytes[2 * index], upperCase: true),
                        let low = Hex.value(bytes[2 * index + 1], upperCase: true)
                    else { throw NotHex() }
                    key[index] = high << 4 | low
                }
            }
        }
    }

    private struct NotHex: Error {}
}
