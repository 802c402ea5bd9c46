import CofferAccess
import CofferCore
import CofferWire
import Logging

/// What the callers of connections may do, by the policy in force.
extension Reactor {
    /// How long a caller is looked for before its connection is ended: whoever looks may be held up by a file system or
    /// by the host's database of users.
    static let identificationTime = Duration.seconds(2)

    /// Whether the connection's grants are by the policy in force. If not, and they cannot be renewed at once, its frames
    /// wait until they are.
    @inline(__always)
    func hasCurrentGrants(_ connection: Connection) -> Bool {
        access.policy.isCurrent(connection.grants) || renewGrants(connection)
    }

    @inline(never)
    private func renewGrants(_ connection: Connection) -> Bool {
        if connection.question != nil { return false }
        let policy = access.policy.compiled
        if connection.identity.missing(for: policy).contains(.groups) { connection.identity.add(groups: PeerSocket.groups(of: connection.fd)) }
        let missing = connection.identity.missing(for: policy)
        guard missing.isEmpty else {
            identify(connection, missing, policy.policy)
            return false
        }
        connection.grants = policy.grantsOrNone(for: connection.identity.caller, now: now)
        return true
    }

    /// For a new connection: finds out what its caller may do. One who may do nothing is sent away.
    func admit(_ connection: Connection) {
        guard renewGrants(connection) else { return }
        if connection.grants.isEmpty { return sendAway(connection) }
        connection.isAdmitted = true
    }

    private func sendAway(_ connection: Connection) {
        noteDenial(of: connection.peer)
        end(connection, .notServed)
    }

    func noteDenial(of peer: Peer) {
        counters.deniedConnections.increment()
        access.denials.note(peer, log, now: now)
    }

    private func identify(_ connection: Connection, _ kinds: EvidenceKinds, _ policy: Policy) {
        let (token, inbox) = (connection.token, inbox)
        lastQuestion += 1
        let number = lastQuestion
        let question = CallerQuestion(
            connection.socket, connection.peer, connection.identity.caller, kinds, by: policy
        ) { [unowned self] caller in
            inbox.post(.work(TimedWork { self.identified(token, number, caller, kinds, by: policy) }))
        }
        connection.question = (number, question)
        connection.sharesSocket = true
        awaitDeadline(
            .init(
                deadline: now + Self.identificationTime,
                subject: .work(TimedWork { [unowned self] in giveUpIdentifying(token, number) }, call: nil)))
        access.identifier.identify(question)
    }

    private func identified(_ token: UInt64, _ number: UInt64, _ caller: Caller, _ kinds: EvidenceKinds, by policy: Policy) {
        guard let connection = find(token), connection.question?.number == number else { return }
        connection.question = nil
        connection.identity.add(caller, kinds, by: policy)
        // Another policy may ask for more.
        guard renewGrants(connection) else { return }
        if !connection.isAdmitted, connection.grants.isEmpty { return sendAway(connection) }
        connection.isAdmitted = true
        // What waits is taken, and more is read.
        touch(connection)
    }

    private func giveUpIdentifying(_ token: UInt64, _ number: UInt64) {
        guard let connection = find(token), connection.question?.number == number else { return }
        log.warning(
            "closed a connection: its caller could not be identified in time",
            metadata: ["uid": "\(connection.peer.uid)", "pid": "\(connection.peer.pid)"])
        counters.refusedConnections.increment()
        end(connection, .notIdentified)
    }

    /// Says why in a go-away, and closes.
    private func end(_ connection: Connection, _ failure: Failure) {
        connection.question?.question.withdraw()
        connection.question = nil
        let message = ReplyMessages.failure(failure)
        let output = output(connection)
        FrameHeader(
            kind: .goAway, callID: 0, methodOrStatus: failure.code.rawValue,
            timeoutOrRetry: failure.retryAfterMilliseconds, payloadBytes: message.count
        ).store(to: output.reserve(FrameHeader.byteCount + message.count))
        output.commit(FrameHeader.byteCount)
        message.withUnsafeBytes { output.append($0) }
        connection.closing = true
        touch(connection)
    }

    /// The connection is gone: nobody waits to know who its caller is. Whoever looks for it may keep the socket for a while.
    func forgetCaller(of connection: Connection) {
        guard connection.sharesSocket else { return }
        connection.question?.question.withdraw()
        connection.question = nil
        connection.socket.shutDown()
    }
}
