import CofferAccess
import CofferCore
import CofferWire
import Glibc

/// A task that makes a long answer piece by piece, and waits until its client has read the last one.
struct StreamWaiter: Sendable {
    let address: ReturnAddress
    /// Its call holds records that were read ahead.
    let holdsRecords: Bool
    /// Resumed with the connection's token, or nil if nobody wants the answer any more.
    let continuation: CheckedContinuation<UInt64?, Never>
}

/// What a task has made in its turn.
struct StreamPiece: Sendable {
    /// The call's serial.
    let call: UInt64
    /// Encoded, in their order; at least one.
    let responses: [Secret]
    /// Another piece follows.
    let more: Bool
    /// The token of the turn's connection.
    let turn: UInt64
    /// The connection's.
    let uid: UInt32

    /// What it takes in the output.
    var bytes: Int { responses.reduce(0) { $0 + FrameHeader.byteCount + $1.count } }
}

/// Turns at making a piece of an answer. A connection gives one out when the kernel has taken all
/// that was made before; so what a call has in hand does not grow with what it asks for.
extension Reactor {
    /// What a turn reserves: a piece of an answer, and the largest record beyond it.
    var bytesOfTurn: Int { (128 << 10) + limits.recordBytes }
    /// Turns that a connection has at the same time: one may wait for a vault meanwhile.
    private static let turnsPerConnection = 4
    /// Begun in one turn of the loop; others are to be answered in between.
    private static let begunAtOnce = 2

    func awaitTurn(_ waiter: StreamWaiter) {
        guard let call = calls[waiter.address.serial], let connection = find(call.connection) else {
            return waiter.continuation.resume(returning: nil)
        }
        // So the calls of a connection that hold records are never more than its turns.
        connection.streams.insert(waiter, at: waiter.holdsRecords ? 0 : connection.streams.count)
        offerTurn(connection)
    }

    /// Sends a piece, unless the call is over or its peer gone. Its turn is over in any case.
    func finish(_ piece: StreamPiece) {
        guard let connection = find(piece.turn) else { return budget.release(bytesOfTurn, uid: piece.uid, for: .turns) }
        connection.turns -= 1
        // The piece takes over the room of the turn: so it always finds some. What is too much of
        // it goes back when the output is flushed.
        connection.charged += bytesOfTurn
        touch(connection)
        guard let call = calls[piece.call], let last = piece.responses.last else { return }
        output(connection).makeRoom(exactly: piece.bytes)
        for response in piece.responses.dropLast() { respond(connection, call.context.callID, response, more: true) }
        if piece.more {
            respond(connection, call.context.callID, last, more: true)
        } else {
            endCall(connection, call.context.callID)
            answer(call.context, on: connection, with: .message(last))
        }
        flushLarge(connection)
    }

    /// For when something has changed: notes that the connection can give a turn out.
    @inline(__always)
    func offerTurn(_ connection: Connection) {
        guard !connection.streams.isEmpty else { return }
        noteReady(connection)
    }

    @inline(never)
    private func noteReady(_ connection: Connection) {
        guard connection.output == nil, connection.turns < Self.turnsPerConnection, !connection.isReady
        else { return }
        connection.isReady = true
        readyStreams.append(connection.token)
    }

    /// When the next turn may be given out; nil = an event will tell.
    var nextTurnAt: BootInstant? { readyStreams.nextTurn(after: now) }

    func giveTurns() {
        readyStreams.wake(at: now) { find($0) != nil }
        var begun = 0
        while begun < Self.begunAtOnce, let token = readyStreams.popFirst() {
            guard let connection = find(token) else { continue }
            guard connection.output == nil, !connection.streams.isEmpty else {
                connection.isReady = false
                continue
            }
            let uid = connection.peer.uid
            guard reserve(bytesOfTurn, .turns, for: connection) else {
                readyStreams.rest(token, uid: uid, at: now)
                continue
            }
            readyStreams.noteRoom(uid: uid)
            begun += 1
            connection.isReady = false
            connection.turns += 1
            connection.streams.removeFirst().continuation.resume(returning: connection.token)
            offerTurn(connection)
        }
    }

    /// The call is over: its task ends.
    @inline(__always)
    func endStream(_ connection: Connection, _ serial: UInt64) {
        guard !connection.streams.isEmpty,
            let place = connection.streams.firstIndex(where: { $0.address.serial == serial })
        else { return }
        connection.streams.remove(at: place).continuation.resume(returning: nil)
    }

    /// All calls of the connection are over.
    func endStreams(_ connection: Connection) {
        let ended = connection.streams
        connection.streams = []
        for waiter in ended { waiter.continuation.resume(returning: nil) }
    }
}
