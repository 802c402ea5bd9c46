package import CofferCore

/// One vault: a place that keeps sealed records under keys.
///
/// Adapters see payloads that the daemon has sealed; they never open one. Duties
/// of every call:
/// - It never blocks its thread, which is a reactor's and serves other callers. It suspends
///   instead: what blocks (a file, a C library, a lock that is held across I/O) runs on threads of the
///   vault's own. Whatever computes for more than a millisecond goes there too.
/// - It ends by its deadline, with DEADLINE_EXCEEDED if need be.
/// - It never throws NOT_FOUND: absence is a value.
/// - A failure says whether a retry makes sense, and holds no text of the vault's.
/// - A write that returned is durable, as far as the vault can promise it.
/// - A record whose `expiresAt` has passed is treated as absent, by conditions too.
///
/// What a vault cannot do is in its ``capabilities``, and is refused before the adapter is
/// asked: see ``RecordStore``. `CofferVaultConformance` checks all of this.
///
/// Every requirement but `readMany` and `nonblockingWriter`, whose defaults go by way of the others, has to be
/// implemented, also by an adapter that wraps another one: a default would answer in the place of the vault behind it.
package protocol VaultAdapter: Sendable {
    /// The configured name, for messages.
    var name: String { get }
    /// "embedded", "memory", …
    var kind: String { get }
    var capabilities: VaultCapabilities { get }
    /// What others change in the vault, as it tells of it; nil = it does not tell.
    var changes: VaultChanges? { get }
    /// How a write is begun without waiting for it; nil = by `write` only.
    var nonblockingWriter: (any NonblockingWriter)? { get }
    /// Bound into every envelope, so that a record moved between vaults does not open. 16 bytes.
    var identity: [UInt8] { get }

    /// The record under this key, or nil.
    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem?

    /// The records under these keys, each with its own outcome, in the order of
    /// the keys. Vaults that have a call for many override it.
    func readMany(_ keys: [VaultKey], deadline: BootInstant) async -> [Result<VaultItem?, Failure>]

    /// Creates or replaces the record.
    ///
    /// - Returns: the version that `read` gives from now on; and when the record
    ///   first came to be: `item.updatedAt`, or what the live record that was
    ///   replaced had.
    /// - Throws: `.alreadyExists` or `.versionMismatch` for a condition not met;
    ///   after DEADLINE_EXCEEDED or UNAVAILABLE the write may have happened.
    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt

    /// Removes the record; true if a live one was there.
    ///
    /// - Throws: `.versionMismatch` if `ifVersion` names another version than the
    ///   live record has; there being none is false, not an error.
    func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool

    /// Live records, of one user or of all, in an order that stays.
    ///
    /// - Parameters:
    ///   - user: whose; nil = everyone's.
    ///   - cursor: where the page before ended; nil = from the start.
    ///   - limit: the most items, at least 1.
    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage

    /// Whether the vault can do its work now: the cheapest call that shows it.
    func check(deadline: BootInstant) async throws(Failure)

    /// Finishes what is under way and lets go of files and connections.
    func close() async
}

extension VaultAdapter {
    package var nonblockingWriter: (any NonblockingWriter)? { nil }

    /// One read for each key, sixteen at a time; none is begun once the task is cancelled.
    package func readMany(
        _ keys: [VaultKey], deadline: BootInstant
    ) async -> [Result<VaultItem?, Failure>] {
        await withTaskGroup(of: (Int, Result<VaultItem?, Failure>).self) { group in
            var outcomes = [Result<VaultItem?, Failure>](repeating: .success(nil), count: keys.count)
            for (index, key) in keys.enumerated() {
                if index >= 16, let (done, outcome) = await group.next() { outcomes[done] = outcome }
                group.addTask { (index, await self.outcome(of: key, deadline: deadline)) }
            }
            for await (index, outcome) in group { outcomes[index] = outcome }
            return outcomes
        }
    }

    /// A read as a value. A function of its own: Swift 6.3 with optimisation gives
    /// a wrong tuple back from a task whose closure catches a typed error itself.
    @inline(never)
    private func outcome(of key: VaultKey, deadline: BootInstant) async -> Result<VaultItem?, Failure> {
        guard !Task.isCancelled else { return .failure(.cancelled(name)) }
        do throws(Failure) {
            return .success(try await read(key, deadline: deadline))
        } catch {
            return .failure(error)
        }
    }
}

/// What a vault says of a write.
package struct VaultReceipt: Equatable, Sendable {
    /// That of the item, unless the vault has versions of its own: see `VaultItem`.
    package var version: String
    package var createdAt: WallMilliseconds
    /// When this version was written, as reading it will say; nil = as the item says.
    package var updatedAt: WallMilliseconds?

    package init(version: String, createdAt: WallMilliseconds, updatedAt: WallMilliseconds? = nil) {
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

/// What must be so for a write to happen.
package enum WriteCondition: Hashable, Sendable {
    case none
    case ifAbsent
    case ifVersion(String)
}

/// The key of a record, in the two forms that vaults need.
package struct VaultKey: Sendable {
    package let key: RecordKey
    /// Keyed hash of (user, connection), 32 bytes: the name in vaults that hide names.
    package let tag: [UInt8]
    /// Keyed hash of the user, 32 bytes: finds a user's records where names are hidden.
    package let userTag: [UInt8]

    package init(key: RecordKey, tag: [UInt8], userTag: [UInt8]) {
        self.key = key
        self.tag = tag
        self.userTag = userTag
    }
}

/// The bytes of a record, as a vault gets them.
package enum VaultPayload: Sendable {
    /// An envelope: sealed by the daemon.
    case sealed([UInt8])
    /// Text in a format shared with other programs: JSON in the clear, or the
    /// predecessor's encryption in hex.
    case text(Secret)

    /// The envelope; nil for text.
    package var envelope: [UInt8]? {
        if case .sealed(let bytes) = self { bytes } else { nil }
    }

    package var count: Int {
        switch self {
        case .sealed(let bytes): bytes.count
        case .text(let text): text.count
        }
    }
}

extension VaultPayload: Equatable {
    package static func == (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.sealed(let a), .sealed(let b)): a == b
        case (.text(let a), .text(let b)): a.isEqual(to: b)
        default: false
        }
    }
}

/// A user as vaults need it: see `VaultKey`.
package struct VaultUser: Sendable {
    package let id: String
    /// As `VaultKey.userTag`.
    package let tag: [UInt8]

    package init(id: String, tag: [UInt8]) {
        self.id = id
        self.tag = tag
    }
}

/// What is kept under one key.
package struct VaultItem: Equatable, Sendable {
    package static let maximumVersionBytes = 128

    package var payload: VaultPayload
    /// Opaque, 1 to 128 ASCII bytes: another one with every write. Of text the vault
    /// may give another than it got, where it has no place to keep it.
    package var version: String
    /// When the record first came to be. `write` keeps the older one.
    package var createdAt: WallMilliseconds
    /// When this version was written.
    package var updatedAt: WallMilliseconds
    /// 0 = never. A sealed payload says it too, and that one counts for readers.
    package var expiresAt: WallMilliseconds

    package init(
        payload: VaultPayload, version: String, createdAt: WallMilliseconds,
        updatedAt: WallMilliseconds, expiresAt: WallMilliseconds
    ) {
        self.payload = payload
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.expiresAt = expiresAt
    }

    package func isLive(at now: WallMilliseconds) -> Bool { expiresAt == 0 || now < expiresAt }
}

/// One page of a listing.
package struct VaultPage: Sendable {
    package struct Entry: Sendable {
        /// What the vault can say about whose record it is.
        package enum Name: Hashable, Sendable {
            /// As in `VaultKey`, from vaults that hide names.
            case tag([UInt8])
            case key(RecordKey)
        }

        package let name: Name
        /// A failure is that of this one record.
        package let item: Result<VaultItem, Failure>

        package init(name: Name, item: VaultItem) { self.init(name: name, .success(item)) }

        /// - Parameter failure: that of this one record, see `Failure.isOfOneRecord`.
        package init(name: Name, failure: Failure) { self.init(name: name, .failure(failure)) }

        private init(name: Name, _ item: Result<VaultItem, Failure>) {
            self.name = name
            self.item = item
        }
    }

    package var entries: [Entry]
    /// Pass it to get the next page; nil = this was the last one.
    package var next: [UInt8]?

    package init(entries: [Entry], next: [UInt8]?) {
        self.entries = entries
        self.next = next
    }
}
