internal import CofferCore

/// The clear start of a ring file: how the key that opens the rest comes from
/// the root key. It is authenticated: the envelope behind it is bound to it.
struct RingPreamble: Equatable {
    enum Source: UInt8 {
        case key = 0
        case scrypt = 1
    }

    static let byteCount = 44
    static let magic: [UInt8] = [0x43, 0x46, 0x4b, 0xf1]
    static let version: UInt8 = 1
    /// scrypt's N as a power of two: what new rings get, and what is accepted. The
    /// floor keeps a forged file from making the passphrase cheap to guess, the
    /// ceiling (1 GiB) from taking all memory.
    static let standardCostLog2: UInt8 = 17
    static let costLog2Range: ClosedRange<UInt8> = 15...20
    static let blockSize: UInt8 = 8
    static let parallelism: UInt8 = 1
    private static let wrappingLabel = Array("coffer.key.ring.v1".utf8)

    let source: Source
    /// 0 where the source is a key.
    let costLog2: UInt8
    let salt: [UInt8]

    init(for root: RootKey, costLog2: UInt8 = standardCostLog2, random: some RandomSource) {
        switch root {
        case .key: (source, self.costLog2) = (.key, 0)
        case .passphrase: (source, self.costLog2) = (.scrypt, costLog2)
        }
        salt = random.bytes(32)
    }

    var encoded: [UInt8] {
        let scrypt = source == .scrypt ? [costLog2, Self.blockSize, Self.parallelism] : [0, 0, 0]
        return Self.magic + [Self.version, source.rawValue] + scrypt + [0, 0, 0] + salt
    }

    /// Reads the start of a file; nil if it is not a ring file of this version.
    ///
    /// - Throws: `.limit` for a cost out of range.
    init?(reading file: [UInt8], path: String) throws(KeyError) {
        guard file.count >= Self.byteCount, file.starts(with: Self.magic), file[4] == Self.version,
            let source = Source(rawValue: file[5])
        else { return nil }
        self.source = source
        costLog2 = file[6]
        salt = Array(file[12..<Self.byteCount])
        if source == .scrypt {
            guard Self.costLog2Range.contains(costLog2) else {
                throw KeyError(
                    .limit, "\(path): the key ring asks for scrypt with N = 2^\(costLog2); allowed are 2^15 to 2^20")
            }
        }
        guard Array(file[..<Self.byteCount]) == encoded else { return nil }
    }

    /// The key that the envelope behind this preamble is sealed under. With a
    /// passphrase: takes long.
    func wrappingKey(from root: RootKey, path: String) throws(KeyError) -> Secret {
        let root = try rootBytes(of: root, path: path)
        return KeyDerivation.hkdf(root, salt: salt, info: Self.wrappingLabel, count: 32)
    }

    private func rootBytes(of root: RootKey, path: String) throws(KeyError) -> Secret {
        switch (source, root) {
        case (.key, .key(let key)):
            return key
        case (.scrypt, .passphrase(let passphrase)):
            do {
                return try KeyDerivation.scrypt(
                    passphrase, salt: salt, costLog2: costLog2, blockSize: UInt64(Self.blockSize),
                    parallelism: UInt64(Self.parallelism))
            } catch {
                throw KeyError(
                    .system,
                    "\(path): deriving the key from the passphrase needs \(1 << (Int(costLog2) - 10)) MiB of memory")
            }
        case (.key, .passphrase):
            throw KeyError(
                .wrongKey,
                "\(path): the key ring was made with a 32-byte key, and a passphrase was given; unset the passphrase, and set key.file (COFFER_KEY_FILE) if that key is not root.key beside the ring")
        case (.scrypt, .key):
            throw KeyError(
                .wrongKey,
                "\(path): the key ring was made with a passphrase, and a 32-byte key was given; set that passphrase, and unset key.file (COFFER_KEY_FILE)")
        }
    }
}
