package import CofferCore

/// What a vault can do. Where it cannot, the daemon either does it itself or refuses before
/// the vault is asked.
package struct VaultCapabilities: Sendable {
    /// `maximumPayloadBytes` of vaults that have no limit of their own: 1 MiB of credential, its
    /// labels and its envelope, with room to spare.
    package static let localPayloadBytes = 2 << 20

    /// How soon a read shows a write that the vault has acknowledged.
    package enum Consistency: Equatable, Sendable {
        /// At once.
        case immediate
        /// An answer may be older than a write, for as long after it. The daemon remembers what was
        /// acknowledged for that time, and asks again for what is older.
        case lagging(for: Duration)
    }

    /// How long the name may be that a vault makes of a record's ids.
    package struct NameLimit: Sendable {
        package let maximumBytes: Int
        /// The length of the longest name that the record may have, in bytes as the limit counts them.
        package let bytes: @Sendable (RecordKey) -> Int

        package init(maximumBytes: Int, bytes: @escaping @Sendable (RecordKey) -> Int) {
            self.maximumBytes = maximumBytes
            self.bytes = bytes
        }
    }

    /// Records can be read back. Where not, the vault takes credentials for others to use.
    package var readable: Bool
    /// How many keys `readMany` asks for in one request, or better in a few at a time: what a GetMany reads at once.
    package var readsAtOnce: Int
    /// `WriteCondition`s other than `.none`, and `ifVersion`.
    package var conditionalWrites: Bool
    package var listing: Bool
    /// The largest payload, in bytes.
    package var maximumPayloadBytes: Int
    /// nil = every name that ids can make.
    package var longestName: NameLimit?
    /// Payloads in the formats that are shared with other programs.
    package var textPayloads: Bool
    /// The vault itself says when a record that is not sealed expires.
    package var nativeExpiry: Bool
    /// The least time after which the vault can let a record expire; zero = any. A record that
    /// expires sooner is kept by the vault until then, see ``vaultExpiry(of:)``.
    package var shortestTTL: Duration
    /// Making the same unconditional write or remove again after an unknown
    /// outcome does no harm.
    package var repeatableWrites: Bool
    /// Reads and listings ask nobody for what the adapter has in memory: neither the vault's limits nor its breaker hold
    /// them up, and their outcome says nothing about the vault.
    package var localReads: Bool
    package var consistency: Consistency

    /// As many as most services read at once that read several.
    package static let standardReadsAtOnce = 20

    package init(
        readable: Bool = true, readsAtOnce: Int = standardReadsAtOnce, conditionalWrites: Bool, listing: Bool,
        maximumPayloadBytes: Int,
        longestName: NameLimit? = nil, textPayloads: Bool = false, nativeExpiry: Bool = false,
        shortestTTL: Duration = .zero, repeatableWrites: Bool = false,
        localReads: Bool = false, consistency: Consistency = .immediate
    ) {
        self.readable = readable
        self.readsAtOnce = readsAtOnce
        self.conditionalWrites = conditionalWrites
        self.listing = listing
        self.maximumPayloadBytes = maximumPayloadBytes
        self.longestName = longestName
        self.textPayloads = textPayloads
        self.nativeExpiry = nativeExpiry
        self.shortestTTL = shortestTTL
        self.repeatableWrites = repeatableWrites
        self.localReads = localReads
        self.consistency = consistency
    }

    /// When the vault is to let go of the record: when it expires, or later where that is sooner than
    /// the vault can. The adapter keeps `expiresAt` beside it, and treats what has expired as absent.
    ///
    /// - Returns: 0 = never.
    package func vaultExpiry(of item: VaultItem) -> WallMilliseconds {
        item.expiresAt == 0 ? 0 : max(item.expiresAt, item.updatedAt + UInt64(shortestTTL.wholeMilliseconds))
    }
}

extension VaultAdapter {
    /// Refuses to read where nothing can be read back.
    ///
    /// - Parameter others: names of vaults that can.
    /// - Throws: FAILED_PRECONDITION.
    package func checkReadable(insteadUse others: [String] = []) throws(Failure) {
        guard !capabilities.readable else { return }
        let instead = others.isEmpty ? "a vault of another type" : others.joined(separator: " or ")
        throw Failure(
            .failedPrecondition, .notSupported,
            "the vault \(name) is write-only: a vault of type \(kind) gives no record back; route records that "
                + "are to be read to \(instead)",
            vault: name, isUnsent: true)
    }

    /// Refuses ids that make a longer name than the vault accepts.
    ///
    /// - Throws: INVALID_ARGUMENT.
    package func checkName(of key: RecordKey) throws(Failure) {
        guard let limit = capabilities.longestName else { return }
        let bytes = limit.bytes(key)
        guard bytes > limit.maximumBytes else { return }
        throw Failure(
            .invalidArgument, .badField,
            "user_id and connection_id make a name of \(bytes) bytes, escapes included; the vault \(name) "
                + "(\(kind)) accepts at most \(limit.maximumBytes); use shorter ids",
            vault: name, isUnsent: true)
    }
}
