import CLinux
import CofferAccess
import CofferCore
import CofferWire
import Glibc

/// The connections that are open.
extension Reactor {
    func find(_ token: UInt64) -> Connection? {
        let slot = Int(token & 0xFFFF_FFFF)
        guard slot < connections.count, generations[slot] == UInt32(token >> 32) else { return nil }
        return connections[slot]
    }

    /// - Parameter identity: what is known of its caller; nil = what the peer says.
    func adopt(_ fd: Int32, _ peer: Peer, _ identity: Identity? = nil) {
        let slot = freeSlots.popLast() ?? connections.count
        if slot == connections.count {
            connections.append(nil)
            generations.append(0)
        }
        let token = UInt64(generations[slot]) << 32 | UInt64(slot)
        let connection = Connection(fd: fd, token: token, peer: peer, identity: identity ?? Identity(peer), now: now)
        connections[slot] = connection
        openCount += 1
        if openCount == 1 { nextSweep = now + .seconds(1) }
        connection.interest = EPOLLIN.rawValue | EPOLLRDHUP.rawValue
        guard coffer_epoll_add(epoll, fd, connection.interest, token) == 0 else {
            drop(connection)
            return
        }
        if draining { goAway(connection) }
        admit(connection)
        setInterest(connection)
    }

    /// Ends the connection now; what waits for it finds it gone.
    func drop(_ connection: Connection) {
        let slot = Int(connection.token & 0xFFFF_FFFF)
        guard connections[slot] === connection else { return }
        _ = coffer_epoll_remove(epoll, connection.fd)
        forgetCaller(of: connection)
        connections[slot] = nil
        generations[slot] &+= 1
        freeSlots.append(slot)
        openCount -= 1
        abandoned.append(contentsOf: connection.calls.values)
        connection.calls = [:]
        ledger.closeConnection(uid: connection.peer.uid)
        endStreams(connection)
        budget.release(connection.charged, uid: connection.peer.uid)
        connection.charged = 0
        if let input = connection.input { release(input) }
        if let output = connection.output { release(output) }
        connection.input = nil
        connection.output = nil
        connection.closing = true
    }

    func release(_ buffer: ByteBuffer) {
        buffer.wipe()
        buffers.give(buffer)
    }

    func setInterest(_ connection: Connection) {
        var wanted: UInt32 = 0
        if !connection.readClosed && !connection.isBehind && !isPaused(connection) && !connection.closing {
            wanted |= EPOLLIN.rawValue | EPOLLRDHUP.rawValue
        }
        if connection.output != nil { wanted |= EPOLLOUT.rawValue }
        guard wanted != connection.interest else { return }
        connection.interest = wanted
        if coffer_epoll_modify(epoll, connection.fd, wanted, connection.token) != 0 { drop(connection) }
    }

    /// Too many replies wait: the peer is not read from until it has taken some. However many
    /// calls wait, it is read: what needs no vault, and cancels, must get through. Nor is it read while
    /// nobody knows who it is.
    @inline(__always)
    func isPaused(_ connection: Connection) -> Bool {
        (connection.output?.count ?? 0) > limits.outputBytes || connection.question != nil
    }

    func serve(_ token: UInt64, events: UInt32) {
        guard let connection = find(token) else { return }
        if events & EPOLLIN.rawValue != 0 && !connection.readClosed && !connection.isBehind && !isPaused(connection) {
            receive(connection, Quantum.first(isMuchSpent: spent >= muchSpent))
        }
        if events & EPOLLOUT.rawValue != 0 { touch(connection) }
        if events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 && events & EPOLLIN.rawValue == 0 {
            // Nobody is there to take an answer. What was sent before is still read: it catches up.
            if !connection.isBehind { drop(connection) }
        } else if events & EPOLLRDHUP.rawValue != 0 && events & EPOLLIN.rawValue == 0 {
            endOfInput(connection)
        }
    }
}
