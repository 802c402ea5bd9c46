import CofferAccess
import CofferCore
import CofferWire

/// Calls that wait for a vault.
extension Reactor {
    /// Notes a call that a vault will answer.
    ///
    /// - Returns: when it must be over.
    /// - Throws: RESOURCE_EXHAUSTED if its uid has too many.
    func begin(_ call: Call, abandonable: Bool) throws(Failure) -> BootInstant {
        guard ledger.beginCall(uid: call.connection.peer.uid) else {
            throw .tooManyCalls(limits.callsPerUID)
        }
        let asked = call.header.timeoutOrRetry
        let milliseconds = min(
            asked == 0 ? limits.callMilliseconds : asked, limits.maximumCallMilliseconds)
        let deadline = now + .milliseconds(Int64(milliseconds))
        call.connection.calls[call.header.callID] = PendingCall(abandonable: abandonable, deadline: deadline)
        awaitDeadline(.init(deadline: deadline, connection: call.connection.token, callID: call.header.callID))
        return deadline
    }

    /// Acts on the item when its time has come.
    func awaitDeadline(_ item: DeadlineQueue.Item) {
        deadlines.insert(item)
        guard deadlines.wantsPruning else { return }
        deadlines.prune { $0.connection == Token.flight || call(of: $0) != nil }
    }

    /// The call that waits for this deadline. One that was given the id of a call that
    /// has ended waits for another.
    private func call(of item: DeadlineQueue.Item) -> PendingCall? {
        guard let call = find(item.connection)?.calls[item.callID], call.deadline == item.deadline else {
            return nil
        }
        return call
    }

    /// Takes the call off the list; true if it was there.
    @discardableResult
    func endCall(_ connection: Connection, _ callID: UInt64) -> Bool {
        guard connection.calls.removeValue(forKey: callID) != nil else { return false }
        ledger.endCalls(uid: connection.peer.uid)
        return true
    }

    /// Sends what a vault has brought, unless the call is over or its peer gone.
    func finish(_ token: UInt64, _ callID: UInt64, _ reply: Reply, more: Bool) {
        guard let connection = find(token) else { return }
        guard more ? connection.calls[callID] != nil : endCall(connection, callID) else { return }
        switch reply {
        case .message(let message): respond(connection, callID, message, more: more)
        case .record(let record, let tail): respond(connection, callID, record, tail: tail)
        case .failure(let failure): refuse(connection, callID, failure)
        }
        touch(connection)
    }

    func expireCalls() {
        while let item = deadlines.popExpired(at: now) {
            if item.connection == Token.flight {
                endpoint.credentials.givePatienceUp(flight: item.callID)
                continue
            }
            guard let call = call(of: item), let connection = find(item.connection) else { continue }
            endCall(connection, item.callID)
            counters.deadlines.increment()
            let failure = Failure.deadlineExceeded()
            refuse(connection, item.callID, call.abandonable ? failure.ofRead : failure)
        }
    }
}
