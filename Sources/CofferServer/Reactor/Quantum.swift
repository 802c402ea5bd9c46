import CofferCore

/// What a connection may have done for it before others get their turn, in units of about a
/// cached Get. Whatever takes more than its part goes on in the next turn of the loop, after
/// the connections that have something new: so no burst of one delays the others.
struct Quantum {
    /// Units.
    let units: Int
    /// A frame that takes more than all of it is acted on all the same, if it is the first.
    let exceeds: Bool

    /// In a turn that has done so much, who comes has little done at once.
    static let ofTurn = 1_024
    /// Answers beyond so many bytes end it too.
    static let answerBytes = 64 << 10
    /// How long a turn works on one kind of what has piled up.
    static let slice = Duration.microseconds(500)

    /// For what has just come.
    @inline(__always)
    static func first(isMuchSpent: Bool) -> Quantum { Quantum(units: isMuchSpent ? 8 : 64, exceeds: false) }
    /// For a connection that is behind, once per turn.
    static let next = Quantum(units: 64, exceeds: true)
    /// For who cannot wait, as there is no memory to wait in.
    static let unbounded = Quantum(units: .max / 2, exceeds: true)

    /// Of a frame, beside what its method adds.
    @inline(__always)
    static func cost(frameBytes: Int) -> Int { 1 + frameBytes >> 11 }
    /// Of a call that waits for a vault.
    static let costOfWaiting = 8
    /// Of a cancel.
    static let costOfCancel = 4
    static let costOfStats = 8
    /// Of going through the whole cache: once in a turn.
    static let costOfWalk = 64
    /// Of the keys of a GetMany.
    static func cost(keys: Int) -> Int { keys / 4 }
}

/// A time for one kind of what has piled up; at least one thing is done in it.
struct Slice {
    private let clock: any Clock
    private let end: BootInstant

    init(_ clock: any Clock) {
        self.clock = clock
        end = clock.boot + Quantum.slice
    }

    var isOver: Bool { clock.boot >= end }
}

/// What has piled up, worked off slice by slice.
extension Reactor {

    /// Lets the connections that are behind go on, each once.
    func goOn() {
        let slice = Slice(clock)
        var left = behind.beginTurn()
        while left > 0, let token = behind.popFirst() {
            left -= 1
            guard let connection = find(token) else { continue }
            connection.isQueued = false
            guard connection.isBehind else { continue }
            goOn(connection)
            if slice.isOver { return }
        }
    }

    private func goOn(_ connection: Connection) {
        connection.isBehind = false
        // In any case: it is watched again.
        touch(connection)
        if !connection.closing && !isPaused(connection) {
            if connection.input != nil {
                takeFrames(connection, .next)
            } else if !connection.readClosed {
                receive(connection, .next)
            }
        }
        flushTouched()
    }

    /// Notes that the connection is to go on in the next turn.
    func fallBehind(_ connection: Connection) {
        connection.isBehind = true
        guard !connection.isQueued else { return }
        connection.isQueued = true
        behind.append(connection.token)
    }

    /// Stops the work of calls whose connections are gone.
    func stopAbandoned(within slice: Slice?) {
        while let serial = abandoned.popLast() {
            if let call = calls.removeValue(forKey: serial) {
                call.work.stop()
                complete(call.context, .lost)
            }
            if let slice, slice.isOver { return }
        }
    }
}
