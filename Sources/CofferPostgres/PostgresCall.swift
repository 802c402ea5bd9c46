internal import CofferCore
internal import CofferVault

/// A call as it waits for a thread with a connection.
struct PostgresCall: Sendable {
    enum Work: Sendable {
        case read(String)
        case readMany([String])
        case write(String, envelope: [UInt8], VaultItem, WriteCondition)
        case remove(String, ifVersion: String?)
        /// Names behind the first and before the second.
        case list(after: String, before: String, limit: Int)
        case check(String)
        /// Removes what expired before this.
        case sweep(WallMilliseconds)

        var purpose: PostgresPurpose {
            switch self {
            case .read, .readMany, .list, .check: .read
            case .write, .remove, .sweep: .write
            }
        }
    }

    let work: Work
    let deadline: BootInstant
}

/// What a call gave.
enum PostgresReply: Sendable {
    /// A failure is that of the one record.
    typealias Record = (name: String, item: Result<VaultItem, Failure>)

    /// By their names, those that are there.
    case records([Record])
    /// The first of those that were found: as many as a page holds.
    case page([Record], found: Int)
    /// When the record first came to be; nil = the condition was not met.
    case written(createdAt: WallMilliseconds?)
    /// Whether a live record was there, and whether it is gone.
    case removed(wasThere: Bool, isGone: Bool)
    case swept(Int)
    case checked
}
