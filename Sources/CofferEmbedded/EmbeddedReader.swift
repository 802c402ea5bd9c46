internal import CofferCore
internal import CofferSQLite
internal import CofferVault
internal import CofferVaultKit

enum ReadRequest: Sendable {
    case record(VaultKey)
    case page(ofOneUser: Bool, after: ListCursor, limit: Int)
    case probe
}

enum ReadReply: Sendable {
    case record(VaultItem?)
    case page(VaultPage)
    case done
}

/// A thread that reads, through a connection of its own: it sees every write
/// that was answered, and waits for no commit.
struct EmbeddedReader {
    typealias ReadLane = Lane<ReadRequest, ReadReply>

    let number: Int
    let lane: ReadLane
    let connections: EmbeddedConnections
    let clock: any Clock
    /// Called when reading found the disk failing: the writer puts it right.
    let onTrouble: @Sendable () -> Void

    /// The thread's body; ends when the lane is closed and empty.
    func run() {
        lane.serve { request throws(Failure) in
            defer { if connections.health != .sound { onTrouble() } }
            return try serve(request)
        }
    }

    private func serve(_ request: ReadRequest) throws(Failure) -> ReadReply {
        let now = clock.wall
        return try connections.read(number) { session throws(SQLiteError) in
            switch request {
            case .record(let key):
                .record(try session.record(key, now: now))
            case .page(let ofOneUser, let cursor, let limit):
                .page(try session.list(ofOneUser: ofOneUser, after: cursor, limit: limit, now: now))
            case .probe:
                try session.probe()
            }
        }
    }
}

extension SQLiteSession {
    fileprivate func probe() throws(SQLiteError) -> ReadReply {
        try statement(RecordTable.probe).run()
        return .done
    }
}
