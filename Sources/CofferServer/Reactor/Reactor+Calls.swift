import CofferAccess
import CofferCore
import CofferWire

/// Calls that wait for a vault.
extension Reactor {
    /// Notes a call that a vault will answer.
    ///
    /// - Parameter weight: what it counts for; see `CallWork.Weight`.
    /// - Returns: where its answer goes, and when it must be over.
    /// - Throws: RESOURCE_EXHAUSTED if its connection, its uid or all have too many.
    func begin(
        _ call: Call, _ kind: PendingCall.Kind, weight: Int = 1
    ) throws(Failure) -> (address: ReturnAddress, deadline: BootInstant) {
        let connection = call.connection
        guard connection.calls.count < kind.limit(limits.callsPerConnection) else {
            throw .tooManyCalls(ofConnection: limits.callsPerConnection)
        }
        spent += Quantum.costOfWaiting
        let work = try ledger.beginWork(kind, uid: connection.peer.uid, weight: weight)
        let asked = call.header.timeoutOrRetry
        let milliseconds = min(
            asked == 0 ? limits.callMilliseconds : asked, limits.maximumCallMilliseconds)
        let deadline = now + .milliseconds(Int64(milliseconds))
        lastSerial += 1
        calls[lastSerial] = PendingCall(
            kind: kind, connection: connection.token, callID: call.header.callID, work: work)
        connection.calls[call.header.callID] = lastSerial
        awaitDeadline(.init(deadline: deadline, subject: .call(lastSerial)))
        return (ReturnAddress(inbox: inbox, reactor: index, serial: lastSerial, work: work), deadline)
    }

    /// Acts on the item when its time has come.
    func awaitDeadline(_ item: DeadlineQueue.Item) {
        deadlines.insert(item)
        guard deadlines.wantsPruning else { return }
        deadlines.prune { item in
            switch item.subject {
            case .call(let serial), .health(let serial): calls[serial] != nil
            case .flight: true
            }
        }
    }

    /// Takes the call off the lists; nil if it was on none.
    @discardableResult
    func endCall(_ connection: Connection, _ callID: UInt64) -> PendingCall? {
        guard let serial = connection.calls.removeValue(forKey: callID) else { return nil }
        endStream(connection, serial)
        return calls.removeValue(forKey: serial)
    }

    /// Takes the call off the lists before its work has ended, and stops what can be.
    func giveUp(_ connection: Connection, _ callID: UInt64) {
        endCall(connection, callID)?.work.stop()
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
        let slice = Slice(clock)
        while let item = deadlines.popExpired(at: now) {
            switch item.subject {
            case .flight(let flight): endpoint.credentials.givePatienceUp(flight: flight)
            case .call(let serial): expire(serial)
            case .health(let serial): endpoint.shared.admin.answerHealthEarly(reactor: index, serial: serial)
            }
            if slice.isOver { return }
        }
    }

    private func expire(_ serial: UInt64) {
        guard let call = calls[serial], let connection = find(call.connection) else { return }
        giveUp(connection, call.callID)
        counters.deadlines.increment()
        let failure = Failure.deadlineExceeded()
        refuse(connection, call.callID, call.kind.mayWrite ? failure : failure.ofRead)
    }

    func cancel(_ callID: UInt64, _ connection: Connection) {
        guard let serial = connection.calls[callID], calls[serial]?.kind.isCancellable == true else { return }
        spent += Quantum.costOfCancel
        counters.cancelled.increment()
        giveUp(connection, callID)
        refuse(
            connection, callID, Failure(.cancelled, .cancelled, "the client cancelled this call"))
    }
}
