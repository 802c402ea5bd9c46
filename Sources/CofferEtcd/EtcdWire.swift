internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit
internal import Synchronization

/// One call and its answer, from whichever member of the cluster can give it; knows nothing of logins.
final class EtcdWire: Sendable {
    /// How long a member is waited for when another can be asked.
    static let silence = Duration.seconds(1)
    /// For how long a call is repeated to members that wait for a leader. An election takes about as long as
    /// etcd's election timeout, which is 1 s unless its operator chose another.
    static let electionTimeout = Duration.seconds(4)
    private static let shortestPause = Duration.milliseconds(25)
    private static let longestPause = Duration.milliseconds(250)

    let vault: String
    let members: [EtcdMember]
    let dependencies: EtcdDependencies
    private let endpoints: Mutex<EtcdEndpoints>

    init(vault: String, members: [EtcdMember], dependencies: EtcdDependencies) {
        self.vault = vault
        self.members = members
        self.dependencies = dependencies
        endpoints = Mutex(EtcdEndpoints(count: members.count))
    }

    private var now: BootInstant { dependencies.clock.boot }

    /// Every member once, in the order in which to ask them.
    var order: [Int] { endpoints.withLock { $0.order(now: now) } }
    func noteSuccess(_ member: Int) { endpoints.withLock { $0.noteSuccess(member) } }
    func noteFailure(_ member: Int) { endpoints.withLock { $0.noteFailure(member, now: now) } }

    /// What a round through the members has come to.
    private struct Round {
        /// Why the last one that was asked did not serve.
        var last: Failure
        /// Some member answers, and waits for a leader: it is worth asking again.
        var passes = false
    }

    /// - Throws: when no member answered. Every answer is returned, refusals too.
    nonisolated(nonsending) func exchange(
        _ call: EtcdCall, token: Secret?, deadline: BootInstant
    ) async throws(Failure) -> EtcdReply {
        var round = Round(last: .notBegun(vault: vault))
        guard now < deadline else { throw round.last }
        let end = min(deadline, now + Self.electionTimeout)
        let request = call.request(token: token)
        var doubt: Failure?
        var pause = Self.shortestPause
        while true {
            if let answer = try await askAll(request, call.purpose, deadline, &round, &doubt) {
                return EtcdReply(answer: answer, doubt: doubt)
            }
            guard round.passes, await dependencies.pause(pause * dependencies.jitter(from: 0.5), until: end) else {
                throw doubt == nil || !call.purpose.isWrite ? round.last : round.last.afterChange
            }
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// Asks one member after another, each once.
    ///
    /// - Returns: nil if none could serve.
    nonisolated(nonsending) private func askAll(
        _ request: HTTPRequest, _ purpose: EtcdCall.Purpose, _ deadline: BootInstant, _ round: inout Round,
        _ doubt: inout Failure?
    ) async throws(Failure) -> EtcdAnswer? {
        round.passes = false
        let order = order
        for (number, member) in order.enumerated() {
            let mayLeave = number < order.count - 1 && purpose.isRepeatable
            switch await send(request, to: member, mayLeave ? limitForOne(deadline) : deadline) {
            case .success(let answer):
                guard let fault = answer.fault, fault.isOfMember else {
                    noteSuccess(member)
                    return answer
                }
                noteFailure(member)
                round.last = answer.failure(fault, vault: vault, isWrite: purpose.isWrite)
                round.passes = round.passes || fault != .notCapable
                if fault.leavesDoubt { try note(round.last, purpose, &doubt) }
            case .failure(let error):
                let failure = error.failure(vault: vault, of: "etcd", at: "endpoints")
                round.last = purpose.isWrite ? failure : failure.ofRead
                if error.cause.isTooLarge { return .tooLarge }
                if error.endsTheCall { throw doubt != nil && purpose.isWrite ? round.last.afterChange : round.last }
                noteFailure(member)
                if !error.isUnsent { try note(round.last, purpose, &doubt) }
                guard now < deadline else {
                    throw doubt != nil && purpose.isWrite ? round.last.afterChange : round.last
                }
            }
        }
        return nil
    }

    /// An attempt may have done what the call asks for.
    ///
    /// - Throws: if it must not be made twice.
    private func note(_ failure: Failure, _ purpose: EtcdCall.Purpose, _ doubt: inout Failure?) throws(Failure) {
        guard purpose != .read else { return }
        guard purpose.isRepeatable else { throw failure }
        doubt = doubt ?? failure
    }

    /// At most half of what is left, so that there is time for another member.
    private func limitForOne(_ deadline: BootInstant) -> BootInstant {
        let now = now
        let half = Duration.nanoseconds(Int64(clamping: (deadline.nanoseconds - min(now, deadline).nanoseconds) / 2))
        return now + min(Self.silence, half)
    }

    nonisolated(nonsending) private func send(
        _ request: HTTPRequest, to member: Int, _ deadline: BootInstant
    ) async -> Result<EtcdAnswer, HTTPError> {
        guard now < deadline else { return .failure(HTTPError(.deadline, isUnsent: true)) }
        do throws(HTTPError) {
            let response = try await members[member].transport.send(request, deadline: deadline)
            return .success(await LargeAnswer.look(at: response.body.count) { EtcdAnswer(response) })
        } catch {
            return .failure(error)
        }
    }
}

extension HTTPError {
    /// Another member would end it in the same way.
    fileprivate var endsTheCall: Bool {
        switch cause {
        case .cancelled, .closed: true
        default: false
        }
    }
}

extension HTTPError.Cause {
    /// Every member has the same answer.
    fileprivate var isTooLarge: Bool {
        if case .tooLarge = self { true } else { false }
    }
}
