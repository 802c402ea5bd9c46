import CofferAccess
import CofferCore
import CofferVault
import CofferWire

/// Calls that wait for a vault.
extension Reactor {
    /// Notes a call that a vault will answer.
    ///
    /// - Parameters:
    ///   - weight: what it counts for; see `CallWork.Weight`.
    ///   - claims: what else it counts for, beside its own usage.
    /// - Returns: where its answer goes, and when it must be over.
    /// - Throws: RESOURCE_EXHAUSTED if its connection, its uid, the rule that allowed it, or all have too many.
    func begin(
        _ call: inout Call, _ kind: PendingCall.Kind, weight: Int = 1, claims: [FlightClaim] = []
    ) throws(Failure) -> (address: ReturnAddress, deadline: BootInstant) {
        let connection = call.connection
        guard connection.calls.count < kind.limit(limits.callsPerConnection) else {
            throw .tooManyCalls(ofConnection: limits.callsPerConnection)
        }
        spent += Quantum.costOfWaiting
        var claims = claims
        if let usage = call.usage, usage.limits.inFlight != nil {
            guard let claim = FlightClaim(usage) else { throw .tooManyCalls(ofRule: usage.limits) }
            claims.append(claim)
        }
        let work = try ledger.beginWork(kind, uid: connection.peer.uid, weight: weight, claims: claims)
        let asked = call.timeoutMilliseconds
        let milliseconds = min(
            asked == 0 ? limits.callMilliseconds : asked, limits.maximumCallMilliseconds)
        let deadline = now + .milliseconds(Int64(milliseconds))
        lastSerial += 1
        call.context.wait(as: lastSerial, until: deadline)
        calls[lastSerial] = PendingCall(kind: kind, connection: connection.token, context: call.context, work: work)
        connection.calls[call.context.callID] = lastSerial
        awaitDeadline(.init(deadline: deadline, subject: .call(lastSerial)))
        return (ReturnAddress(inbox: inbox, reactor: index, serial: lastSerial, work: work), deadline)
    }

    /// Acts on the item when its time has come.
    func awaitDeadline(_ item: DeadlineQueue.Item) {
        deadlines.insert(item)
        guard deadlines.wantsPruning else { return }
        deadlines.prune { item in
            switch item.subject {
            case .call(let serial), .work(_, let serial?): calls[serial] != nil
            case .work(_, nil): true
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

    /// Sends what a vault has brought, unless the call is over or its peer gone.
    func finish(_ serial: UInt64, _ reply: Reply) {
        guard let call = calls[serial], let connection = find(call.connection) else { return }
        endCall(connection, call.context.callID)
        answer(call.context, on: connection, with: reply)
        flushLarge(connection)
        touch(connection)
    }

    func expireCalls() {
        let slice = Slice(clock)
        while let item = deadlines.popExpired(at: now) {
            switch item.subject {
            case .call(let serial): expire(serial)
            case .work(let work, let serial): if serial.map({ calls[$0] != nil }) ?? true { work.run() }
            }
            if slice.isOver { return }
        }
    }

    private func expire(_ serial: UInt64) {
        guard let call = calls[serial], let connection = find(call.connection) else { return }
        counters.deadlines.increment()
        let failure = Failure.deadlineExceeded()
        giveUp(connection, call.context.callID, .expired(call.kind.mayWrite ? failure : failure.ofRead))
    }

    func cancel(_ callID: UInt64, _ connection: Connection) {
        guard let serial = connection.calls[callID], calls[serial]?.kind.isCancellable == true else { return }
        spent += Quantum.costOfCancel
        counters.cancelled.increment()
        giveUp(connection, callID, .cancelled(Failure(.cancelled, .cancelled, "the client cancelled this call")))
    }
}
