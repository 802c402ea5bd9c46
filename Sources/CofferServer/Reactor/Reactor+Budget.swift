import CofferAccess
import CofferCore
import CofferWire
import Logging

/// Memory that waits for clients stays within its budget.
extension Reactor {
    /// For so long a connection that takes no reply bytes is spared, whoever needs the memory: one
    /// that reads takes some in this time.
    private static let patience = Duration.seconds(1)

    /// Counts what the connection holds now. Where there is no room for it, those that have not
    /// read for the longest go first, and this one last.
    ///
    /// - Returns: false if the connection is gone.
    @inline(__always)
    func recharge(_ connection: Connection) -> Bool {
        let held = (connection.input?.capacity ?? 0) + (connection.output?.capacity ?? 0)
        return held == connection.charged || recharge(connection, held)
    }

    @inline(never)
    private func recharge(_ connection: Connection, _ held: Int) -> Bool {
        let more = held - connection.charged
        if more < 0 {
            budget.release(-more, uid: connection.peer.uid)
        } else if !reserve(more, for: connection) {
            cut(connection, "closed a connection: there is no memory left for what waits for it")
            return false
        }
        connection.charged = held
        return true
    }

    /// Reserves bytes for the connection, if need be at the expense of others of its uid that
    /// have taken nothing of their replies for a while.
    func reserve(_ bytes: Int, _ use: BufferBudget.Use = .work, for connection: Connection) -> Bool {
        let uid = connection.peer.uid
        var freed = 0
        while !budget.reserve(bytes, uid: uid, for: use) {
            // The keys of a connection that is cut go with its tasks, which end later: this call is
            // refused then, rather than all that stall cut for it.
            guard use != .keys || freed < bytes, let victim = stalledTooLong(uid: uid, besides: connection.token)
            else { return false }
            freed += victim.charged
            cut(victim, Self.needed)
        }
        return true
    }

    private static let needed: Logger.Message = "closed a stalled connection: others need the memory that it holds"

    /// Leaves room for those that read, before they need it: they may be on other reactors, which
    /// cannot close connections of this one.
    func cutStalledOfCrowdedUIDs(within slice: Slice) {
        for uid in stalled.uids {
            while !slice.isOver, !budget.hasRoom(bytesOfTurn, uid: uid, for: .turns),
                let victim = stalledTooLong(uid: uid, besides: nil)
            {
                cut(victim, Self.needed)
            }
        }
    }

    /// The one of the uid that has taken nothing for the longest, if that is long enough.
    private func stalledTooLong(uid: UInt32, besides excluded: UInt64?) -> Connection? {
        guard let longest = stalled.longest(uid: uid, besides: excluded, isStalled: isStalled),
            longest.since + Self.patience <= now
        else { return nil }
        return find(longest.connection)
    }

    private func isStalled(_ item: StalledQueue.Item) -> Bool { find(item.connection)?.stalledSince == item.since }

    /// Notes since when the connection takes nothing.
    func stall(_ connection: Connection) {
        connection.stalledSince = now
        stalled.insert(.init(connection: connection.token, since: now), uid: connection.peer.uid, isStalled: isStalled)
    }

    /// Ends a connection that holds on to what others need.
    func cut(_ connection: Connection, _ why: Logger.Message) {
        counters.cutSlowPeers.increment()
        log.info(why, metadata: ["uid": "\(connection.peer.uid)", "pid": "\(connection.peer.pid)"])
        drop(connection)
    }
}
