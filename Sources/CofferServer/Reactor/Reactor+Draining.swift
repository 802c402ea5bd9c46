import CLinux
import CofferAccess
import CofferCore
import CofferWire
import Glibc
import Logging

/// Connections that go: because they stall, or because the daemon stops.
extension Reactor {
    func beginDrain() {
        guard drain == nil else { return }
        draining = true
        if let acceptor {
            // Who has connected already is told, not left hanging.
            if !acceptor.keepsBacklog { acceptor.acceptBatch(now: now, self) }
            _ = coffer_epoll_remove(epoll, acceptor.listener)
        }
        acceptor = nil
        drain = Drain(start: now, seconds: limits.drainSeconds)
        for case let connection? in connections { goAway(connection) }
        flushTouched()
    }

    func goAway(_ connection: Connection) {
        let output = output(connection)
        FrameHeader(kind: .goAway, callID: 0, payloadBytes: 0)
            .store(to: output.reserve(FrameHeader.byteCount))
        output.commit(FrameHeader.byteCount)
        touch(connection)
    }

    /// First peers may hang up by themselves; then no more is read, and what has
    /// come is refused; last, what still waits is refused.
    func advanceDrain() {
        guard var drain else { return }
        switch drain.step(now: now) {
        case .wait: break
        case .stopReading:
            for case let connection? in connections where !connection.readClosed {
                shutdown(connection.fd, Int32(SHUT_RD))
            }
        case .refuseWaiting:
            for case let connection? in connections {
                for (callID, serial) in connection.calls {
                    let onlyReads = calls[serial]?.kind.mayWrite == false
                    giveUp(connection, callID, .failed(onlyReads ? Failure.cutOff.ofRead : .cutOff))
                }
                connection.readClosed = true
                touch(connection)
            }
            flushTouched()
        }
        // Also while others are busy: tasks of this reactor may be theirs to wait for.
        drain.isDone = ledger.connections == 0 || now >= drain.end
        self.drain = drain
    }

    // MARK: Slow peers

    /// Seconds from an idle connection's go-away to its end: a request that crosses it is answered.
    private static let retirementSeconds = 2

    /// Once a second: cuts those that stall, and tells those that are idle to go before it does.
    /// What it does not come to is looked at in the next turn.
    func sweep() {
        let slice = Slice(clock)
        defer { flushTouched() }
        if sweepSlot == 0 { cutStalledOfCrowdedUIDs(within: slice) }
        while sweepSlot < connections.count {
            var isTime = sweepSlot % 64 == 63
            if let connection = connections[sweepSlot], endIfTooSlow(connection) { isTime = true }
            sweepSlot += 1
            if isTime && slice.isOver { return }
        }
        sweepSlot = 0
        nextSweep = now + .seconds(1)
    }

    /// - Returns: whether the connection had earned an end, or the notice of one.
    private func endIfTooSlow(_ connection: Connection) -> Bool {
        if isOver(connection.frameSince, limits.frameSeconds) || isOver(connection.stalledSince, limits.writeStallSeconds) {
            cut(connection, "closed a stalled connection")
        } else if connection.calls.isEmpty, isOver(connection.lastActivity, limits.idleSeconds) {
            retire(connection)
        } else {
            return false
        }
        return true
    }

    private func retire(_ connection: Connection) {
        guard let since = connection.retiredSince, since >= connection.lastActivity else {
            // A request that crossed an earlier go-away has made it void.
            connection.retiredSince = now
            return goAway(connection)
        }
        if isOver(since, Self.retirementSeconds) { cut(connection, "closed an idle connection") }
    }

    private func isOver(_ since: BootInstant?, _ seconds: Int) -> Bool {
        guard let since, seconds > 0 else { return false }
        return since + .seconds(Int64(seconds)) < now
    }
}
