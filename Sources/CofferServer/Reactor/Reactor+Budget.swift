import CofferAccess
import CofferCore
import CofferWire
import Logging

/// Memory that waits for clients stays within its budget.
extension Reactor {
    /// Counts what the connection holds now. Where there is no room for it, those who have not
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
        } else if !reserve(more, for: connection, sparing: .zero) {
            cut(connection, "closed a connection: there is no memory left for what waits for it")
            return false
        }
        connection.charged = held
        return true
    }

    /// Reserves bytes for the connection, if need be at the expense of others of its uid who
    /// have taken nothing of their replies for longer than `sparing`.
    func reserve(_ bytes: Int, for connection: Connection, sparing: Duration) -> Bool {
        while !budget.reserve(bytes, uid: connection.peer.uid) {
            guard let victim = longestStalled(besides: connection), let since = victim.stalledSince,
                since + sparing <= now
            else { return false }
            cut(victim, "closed a stalled connection: others need the memory that it holds")
        }
        return true
    }

    private func longestStalled(besides connection: Connection) -> Connection? {
        stalled.longest(uid: connection.peer.uid, besides: connection.token, isStalled: isStalled)
            .flatMap { find($0.connection) }
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
