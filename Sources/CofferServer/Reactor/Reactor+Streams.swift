import CofferAccess
import CofferCore
import CofferWire
import Glibc

/// A task that makes a long answer piece by piece, and waits until its client has read the last one.
struct StreamWaiter: Sendable {
    let address: ReturnAddress
    var kind: StreamTurn.Kind
    /// Resumed with nil if nobody wants the answer any more.
    let continuation: CheckedContinuation<StreamTurn?, Never>
}

/// The right to make one piece of an answer.
struct StreamTurn: Sendable {
    /// In the order in which a connection gives turns out.
    enum Kind: Int, Sendable {
        /// The call holds records that were read ahead.
        case holdsRecords
        /// The piece is made of what is there, at once.
        case answers
        /// A vault is asked in the turn.
        case asksVault
    }

    /// The connection's token.
    let connection: UInt64
    let kind: Kind
    /// What it has reserved.
    let bytes: Int
}

/// What a task has made in its turn.
struct StreamPiece: Sendable {
    /// The call's serial.
    let call: UInt64
    /// Encoded, in their order; none if nothing was made.
    let responses: [Secret]
    /// Another piece follows.
    let more: Bool
    let turn: StreamTurn
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
    /// Turns that a connection has at the same time, and those of them in which a vault may be asked: what needs
    /// none gets one.
    private static let turnsPerConnection = 4
    private static let vaultTurnsPerConnection = 3
    /// Begun in one turn of the loop; others are to be answered in between.
    private static let begunAtOnce = 2

    func awaitTurn(_ waiter: StreamWaiter) {
        guard let call = calls[waiter.address.serial], let connection = find(call.connection) else {
            return waiter.continuation.resume(returning: nil)
        }
        var waiter = waiter
        if call.asksNoVault, waiter.kind == .asksVault { waiter.kind = .answers }
        let place = connection.streams.firstIndex { $0.kind.rawValue > waiter.kind.rawValue } ?? connection.streams.count
        connection.streams.insert(waiter, at: place)
        // One that rests because there is no room to ask a vault may have room for this.
        if place == 0, connection.isReady, waiter.kind != .asksVault {
            readyStreams.wake(connection.token, uid: connection.peer.uid)
        }
        offerTurn(connection)
    }

    /// The call asks no vault any more: where it waits for a turn to do so, now or later, it waits for one to answer.
    func waitForNoVault(_ serial: UInt64) {
        guard let call = calls[serial], let connection = find(call.connection) else { return }
        calls[serial]?.asksNoVault = true
        let waiters = connection.streams.filter { $0.address.serial == serial && $0.kind == .asksVault }
        connection.streams.removeAll { $0.address.serial == serial && $0.kind == .asksVault }
        for waiter in waiters { awaitTurn(waiter) }
    }

    /// Sends a piece, unless the call is over or its peer gone. Its turn is over in any case.
    func finish(_ piece: StreamPiece) {
        let turn = piece.turn
        guard let connection = find(turn.connection) else { return budget.release(turn.bytes, uid: piece.uid, for: .turns) }
        connection.turns -= 1
        if turn.kind == .asksVault { connection.vaultTurns -= 1 }
        guard !piece.responses.isEmpty else {
            budget.release(turn.bytes, uid: piece.uid, for: .turns)
            return offerTurn(connection)
        }
        // The piece takes over the room of the turn: so it always finds some. What is too much of
        // it goes back when the output is flushed.
        connection.charged += turn.bytes
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
        guard mayBegin(connection), !connection.isReady else { return }
        connection.isReady = true
        readyStreams.append(connection.token)
    }

    /// Its first waiter may have its turn, if there is room.
    private func mayBegin(_ connection: Connection) -> Bool {
        guard let first = connection.streams.first, connection.output == nil,
            connection.turns < Self.turnsPerConnection
        else { return false }
        return first.kind != .asksVault || connection.vaultTurns < Self.vaultTurnsPerConnection
    }

    /// When the next turn may be given out; nil = an event will tell.
    var nextTurnAt: BootInstant? { readyStreams.nextTurn(after: now) }

    func giveTurns() {
        readyStreams.wake(at: now) { find($0) != nil }
        var begun = 0
        while begun < Self.begunAtOnce, let token = readyStreams.popFirst() {
            guard let connection = find(token) else { continue }
            guard mayBegin(connection), let first = connection.streams.first else {
                connection.isReady = false
                continue
            }
            let uid = connection.peer.uid
            let turn = StreamTurn(connection: token, kind: first.kind, bytes: bytesOfTurn)
            guard reserve(turn.bytes, first.kind == .asksVault ? .vaultTurns : .turns, for: connection) else {
                readyStreams.rest(token, uid: uid, asksVault: turn.kind == .asksVault, at: now)
                continue
            }
            readyStreams.noteRoom(uid: uid, asksVault: turn.kind == .asksVault)
            begun += 1
            connection.isReady = false
            connection.turns += 1
            if turn.kind == .asksVault { connection.vaultTurns += 1 }
            connection.streams.removeFirst().continuation.resume(returning: turn)
            offerTurn(connection)
        }
    }

    /// The call is over: its task ends.
    @inline(__always)
    func endStream(_ connection: Connection, _ serial: UInt64) {
        guard !connection.streams.isEmpty else { return }
        endStreams(connection) { $0.address.serial == serial }
    }

    /// All calls of the connection are over, or those that are meant.
    func endStreams(_ connection: Connection, where isMeant: (StreamWaiter) -> Bool = { _ in true }) {
        let ended = connection.streams.filter(isMeant)
        guard !ended.isEmpty else { return }
        connection.streams.removeAll(where: isMeant)
        for waiter in ended { waiter.continuation.resume(returning: nil) }
    }
}
