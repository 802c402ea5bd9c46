internal import CofferCore

/// A session with the server, for one thread at a time. Waits block that thread until their deadline.
final class PostgresConnection {
    private let link: PostgresLink
    private let clock: any Clock
    /// Ends every wait; nil = nothing does.
    private let wake: PostgresWake?
    private var prepared: Set<String> = []

    /// Connects to the server and logs in.
    init(
        _ options: Secret, clock: any Clock, wake: PostgresWake? = nil, deadline: BootInstant
    ) throws(PostgresFault) {
        guard PostgresLink.isLibraryThere else { throw .noLibrary }
        guard let link = PostgresLink(options) else { throw .unreachable }
        self.link = link
        self.clock = clock
        self.wake = wake
        // libpq wants to be waited for before the first step, as the connection is being made then.
        var progress = PostgresLink.Progress.waitsForRoom
        while true {
            switch progress {
            case .connected: return
            case .failed:
                throw PostgresFault(connecting: link.message, needsPassword: link.needsPassword)
            case .waitsForInput, .waitsForRoom:
                switch try wait(forRoom: progress == .waitsForRoom, deadline) {
                case .timeout: throw .late(isSent: false)
                case .woken: throw .woken
                case .ready, .broken: progress = link.advance()
                }
            }
        }
    }

    /// The server's process, as whoever answered said it.
    var process: Int32 { link.process }
    /// The server has not closed it.
    var isOpen: Bool { link.isOpen }

    // MARK: Statements

    /// Runs a statement; one round trip, but for its first time on this connection.
    ///
    /// - Parameter deadline: when it has passed, the server is asked to stop, and the connection is of no more use.
    func run(
        _ statement: PostgresStatement, _ parameters: PostgresParameters, deadline: BootInstant
    ) throws(PostgresFault) -> PostgresRows {
        guard clock.boot < deadline else { throw .notBegun }
        if !prepared.contains(statement.name) {
            do throws(PostgresFault) {
                _ = try finish(link.prepare(statement.name, statement.sql), deadline)
            } catch {
                throw error.beforeSending
            }
            prepared.insert(statement.name)
            guard clock.boot < deadline else { throw .late(isSent: false) }
        }
        return try finish(link.send(statement.name, parameters), deadline)
    }

    /// Statements without parameters, whose values are text; the rows are those of the last one.
    func run(script: String, deadline: BootInstant) throws(PostgresFault) -> PostgresRows {
        guard clock.boot < deadline else { throw .late(isSent: false) }
        return try finish(link.send(script: script), deadline)
    }

    /// Sends what is queued and gathers all answers: an error may come behind the rows, from the commit.
    private func finish(_ isQueued: Bool, _ deadline: BootInstant) throws(PostgresFault) -> PostgresRows {
        guard isQueued else { throw .lost(isSent: true) }
        var last: PostgresRows?
        var refusal: PostgresFault?
        try send(deadline)
        while true {
            while link.isBusy {
                try waitForAnswer(forRoom: false, deadline)
                guard link.consume() else { throw refusal ?? .lost(isSent: true) }
            }
            guard let rows = link.next() else { break }
            switch rows.outcome {
            case .success: last = rows
            // libpq's own error, of a connection that broke, has no state.
            case .failure(""): refusal = refusal ?? .lost(isSent: true)
            case .failure(let state): refusal = refusal ?? .refused(state)
            case .garbled: throw .garbled
            }
        }
        if let refusal { throw refusal }
        guard let last else { throw .garbled }
        return last
    }

    private func send(_ deadline: BootInstant) throws(PostgresFault) {
        while true {
            switch link.flush() {
            case .done: return
            case .broken:
                // What the server said before it closed the connection comes as the answer.
                return
            case .waitsForRoom:
                try waitForAnswer(forRoom: true, deadline)
                guard link.consume() else { throw .lost(isSent: true) }
            }
        }
    }

    private func waitForAnswer(forRoom: Bool, _ deadline: BootInstant) throws(PostgresFault) {
        switch try wait(forRoom: forRoom, deadline) {
        case .ready: return
        case .broken: throw .lost(isSent: true)
        case .timeout:
            cancel()
            throw .late(isSent: true)
        case .woken:
            cancel()
            throw .woken
        }
    }

    /// Milliseconds between two looks at the clock.
    private static let longestWait: UInt64 = 60_000

    private func wait(forRoom: Bool, _ deadline: BootInstant) throws(PostgresFault) -> PostgresLink.Event {
        while true {
            let left = deadline.milliseconds(since: clock.boot)
            guard left > 0 else { return .timeout }
            // Deadlines count time asleep, and poll(2) does not.
            let event = link.wait(forRoom: forRoom, wake: wake, milliseconds: Int32(min(left, Self.longestWait)))
            guard event == .timeout else { return event }
        }
    }

    /// On a thread of its own: it connects to the server, which may take as long as the system lets it.
    private func cancel() {
        guard let cancellation = link.cancellation() else { return }
        try? WorkerThread(name: "coffer-pq-stop") { cancellation.send() }.detach()
    }

    /// Runs statements without parameters whose rows do not matter.
    ///
    /// - Parameter look: called when something has come, and each time that nothing has for `interval`.
    func ask(
        _ script: String, deadline: BootInstant, every interval: Duration, look: (_ isLate: Bool) -> Void
    ) throws(PostgresFault) {
        guard link.send(script: script) else { throw .lost(isSent: false) }
        try send(deadline)
        while true {
            while link.isBusy {
                switch try wait(forRoom: false, min(deadline, clock.boot + interval)) {
                case .timeout:
                    guard clock.boot < deadline else { throw .late(isSent: false) }
                    look(true)
                case .woken: throw .woken
                case .broken: throw .lost(isSent: false)
                case .ready:
                    guard link.consume() else { throw .lost(isSent: false) }
                    look(false)
                }
            }
            guard let rows = link.next() else { return }
            switch rows.outcome {
            case .success: continue
            case .failure(""): throw .lost(isSent: false)
            case .failure(let state): throw .refused(state)
            case .garbled: throw .garbled
            }
        }
    }

    // MARK: Notifications

    /// Waits until something comes, or until then.
    ///
    /// - Returns: false if only the time has passed.
    func waitForInput(until: BootInstant) throws(PostgresFault) -> Bool {
        switch try wait(forRoom: false, until) {
        case .timeout: return false
        case .woken: throw .woken
        case .broken: throw .lost(isSent: false)
        case .ready:
            guard link.consume() else { throw .lost(isSent: false) }
            return true
        }
    }

    /// The payload of the next notification that has come; nil = there is none.
    func notification() -> [UInt8]? { link.notification() }
}

extension PostgresFault {
    /// Of a step before the statement itself.
    fileprivate var beforeSending: PostgresFault {
        switch self {
        case .lost: .lost(isSent: false)
        case .late: .late(isSent: false)
        default: self
        }
    }
}
