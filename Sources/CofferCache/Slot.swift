import CofferCore

/// An entry, in 64 bytes, with its place in a queue.
struct Slot {
    /// User, connection and sealed value, one behind the other.
    var bytes: [UInt8] = []
    var hash: UInt64 = 0
    var nonce: UInt64 = 0
    var fetchedAt = BootInstant(nanoseconds: 0)
    var expiresAt: WallMilliseconds = 0
    /// The age in milliseconds from which on the vault is to be asked again: to
    /// refresh it, or after a fetch that failed.
    var askAt: UInt32 = 0
    /// Neighbours in the queue; in a free slot, `older` is the next free one.
    var older: Int32 = -1
    var newer: Int32 = -1
    /// The queue it is in; -1 = the slot is free.
    var queue: Int32 = -1
    var userBytes: UInt16 = 0
    var connectionBytes: UInt16 = 0
    /// Reads since it came, or since it was last spared: 0 to 3.
    var frequency: UInt8 = 0
    /// There is no such record.
    var isAbsent = false
    /// The last fetch failed.
    var hasFailed = false
    /// A write may have changed the record since: see `CacheShard.beginWrite`.
    var isDoubted = false

    init() {}

    init(_ key: RecordKey, _ hash: UInt64, sealed: ArraySlice<UInt8>) {
        let (user, connection) = (key.user.utf8, key.connection.utf8)
        bytes.reserveCapacity(user.count + connection.count + sealed.count)
        bytes += user
        bytes += connection
        bytes += sealed
        self.hash = hash
        userBytes = UInt16(user.count)
        connectionBytes = UInt16(connection.count)
    }

    /// Whose it is.
    var key: RecordKey? {
        let (user, connection) = (Int(userBytes), Int(connectionBytes))
        return try? RecordKey(
            user: String(decoding: bytes[..<user], as: UTF8.self),
            connection: String(decoding: bytes[user..<user + connection], as: UTF8.self))
    }

    var cost: Int { bytes.count + CacheConfiguration.overheadBytes }

    /// No longer of any use.
    func isDead(_ lifetimes: Lifetimes, now: BootInstant, wall: WallMilliseconds) -> Bool {
        if expiresAt != 0 && wall >= expiresAt { return true }
        return now.milliseconds(since: fetchedAt) >= (isAbsent ? lifetimes.absent : lifetimes.usable)
    }
}

/// What decides whether an entry may be given.
struct SlotState {
    let fetchedAt: BootInstant
    let expiresAt: WallMilliseconds
    let askAt: UInt64
    let isAbsent: Bool
    let hasFailed: Bool
    let isDoubted: Bool
}

/// How far an entry was to be trusted before a write began.
struct Trust {
    fileprivate let askAt: UInt32
    fileprivate let hasFailed: Bool
    fileprivate let isDoubted: Bool
}

extension Slot {
    /// From now on it may be out of date. Returns what undoes that.
    mutating func doubt() -> Trust {
        let before = Trust(askAt: askAt, hasFailed: hasFailed, isDoubted: isDoubted)
        (askAt, hasFailed, isDoubted) = (0, false, true)
        return before
    }

    mutating func restore(_ trust: Trust) {
        (askAt, hasFailed, isDoubted) = (trust.askAt, trust.hasFailed, trust.isDoubted)
    }
}

/// Slots one behind the other, by their links.
struct SlotQueue {
    var oldest: Int32 = -1
    var newest: Int32 = -1
    var bytes = 0

    var isEmpty: Bool { oldest < 0 }
}
