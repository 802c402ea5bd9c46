import CofferAccess
import CofferCore
import CofferWire

/// Calls that wait for a vault.
extension Reactor {
    /// Notes a call that a vault will answer.
    ///
    /// - Returns: its serial, and when it must be over.
    /// - Throws: RESOURCE_EXHAUSTED if its uid has too many.
    func begin(
        _ call: Call, _ kind: PendingCall.Kind
    ) throws(Failure) -> (address: ReturnAddress, deadline: BootInstant) {
        let connection = call.connection
        guard ledger.beginCall(uid: connection.peer.uid) else {
            throw .tooManyCalls(limits.callsPerUID)
        }
        let asked = call.header.timeoutOrRetry
        let milliseconds = min(
            asked == 0 ? limits.callMilliseconds : asked, limits.maximumCallMilliseconds)
        let deadline = now + .milliseconds(Int64(milliseconds))
        lastSerial += 1
        calls[lastSerial] = PendingCall(kind: kind, connection: connection.token, callID: call.header.callID)
        connection.calls[call.header.callID] = lastSerial
        awaitDeadline(.init(deadline: deadline, subject: .call(lastSerial)))
        let address = ReturnAddress(inbox: inbox, reactor: index, serial: lastSerial, uid: connection.peer.uid)
        return (address, deadline)
    }

    /// Acts on the item when its time has come.
    func awaitDeadline(_ item: DeadlineQueue.Item) {
        deadlines.insert(item)
        guard deadlines.wantsPruning else { return }
        deadlines.prune { item in
            switch item.subject {
            case .call(let serial): calls[serial] != nil
            case .flight: true
            }
        }
    }

    /// Takes the call off the lists; nil if it was on none.
    @discardableResult
    func endCall(_ connection: Connection, _ callID: UInt64) -> PendingCall? {
        guard let serial = connection.calls.removeValue(forKey: callID) else { return nil }
        ledger.endCalls(uid: connection.peer.uid)
        endStreams(connection) { $0.address.serial == serial }
        return calls.removeValue(forKey: serial)
    }

    /// Sends what a vault has brought, unless the call is over or its peer gone.
    func finish(_ serial: UInt64, _ reply: Reply, more: Bool) {
        guard let call = calls[serial], let connection = find(call.connection) else { return }
        let callID = call.callID
        if !more { endCall(connection, callID) }
        switch reply {
        case .message(let message): respond(connection, callID, message, more: more)
        case .record(let record, let tail): respond(connection, callID, record, tail: tail)
        case .failure(let failure): refuse(connection, callID, failure)
        }
        flushLarge(connection)
        touch(connection)
    }

    func expireCalls() {
        while let item = deadlines.popExpired(at: now) {
            switch item.subject {
            case .flight(let flight): endpoint.credentials.givePatienceUp(flight: flight)
            case .call(let serial): expire(serial)
            }
        }
    }

    private func expire(_ serial: UInt64) {
        guard let call = calls[serial], let connection = find(call.connection) else { return }
        endCall(connection, call.callID)
        counters.deadlines.increment()
        let failure = Failure.deadlineExceeded()
        refuse(connection, call.callID, call.kind.mayWrite ? failure : failure.ofRead)
    }

    func cancel(_ callID: UInt64, _ connection: Connection) {
        guard let serial = connection.calls[callID], calls[serial]?.kind.isCancellable == true else { return }
        counters.cancelled.increment()
        endCall(connection, callID)
        refuse(
            connection, callID, Failure(.cancelled, .cancelled, "the client cancelled this call"))
    }
}
