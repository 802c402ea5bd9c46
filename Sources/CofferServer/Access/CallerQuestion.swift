package import CofferAccess
import Synchronization

/// Finds out what the policy asks about a caller beyond what the kernel says of its socket at once.
package protocol CallerIdentifier: AnyObject, Sendable {
    /// Answers the question once, on any thread, however long that takes. Returns at once.
    func identify(_ question: CallerQuestion)
}

/// What is to be found out about one caller.
package final class CallerQuestion: Sendable {
    package let socket: PeerSocket
    package let peer: Peer
    /// As far as it is known.
    package let caller: Caller
    package let kinds: EvidenceKinds
    package let policy: Policy
    private let answer: @Sendable (Caller) -> Void
    private let isAsked = Atomic<Bool>(true)

    /// - Parameters:
    ///   - policy: says which programs have to be read.
    ///   - answer: is called on any thread.
    package init(
        _ socket: PeerSocket, _ peer: Peer, _ caller: Caller, _ kinds: EvidenceKinds, by policy: Policy,
        answer: @escaping @Sendable (Caller) -> Void
    ) {
        self.socket = socket
        self.peer = peer
        self.caller = caller
        self.kinds = kinds
        self.policy = policy
        self.answer = answer
    }

    /// Whether somebody still waits for the answer.
    package var isWanted: Bool { isAsked.load(ordering: .relaxed) }

    /// Nobody waits for the answer any more.
    package func withdraw() { isAsked.store(false, ordering: .relaxed) }

    /// - Parameter caller: with what was found; what was not stays unproven.
    package func end(_ caller: Caller) { if isWanted { answer(caller) } }
}

/// Finds nothing out: for a server without policies that ask for more than users and groups.
package final class NoIdentifier: CallerIdentifier {
    package init() {}

    package func identify(_ question: CallerQuestion) { question.end(question.caller) }
}

/// Who may do what, and how callers are identified for that.
package struct AccessControl: Sendable {
    package let policy: CurrentPolicy
    package let identifier: any CallerIdentifier
    let denials = DenialLog()

    package init(_ policy: CurrentPolicy, identifier: any CallerIdentifier = NoIdentifier()) {
        self.policy = policy
        self.identifier = identifier
    }
}
