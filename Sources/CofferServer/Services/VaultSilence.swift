import CofferCore

/// For how long a vault has left everything unanswered that it was asked. Pure: times are passed in.
struct VaultSilence {
    /// Calls that wait for the vault now.
    private var waiting = 0
    /// A call has run out of time since the vault last answered.
    private var isProven = false
    /// When it was first asked after it last answered; nil = nothing is unanswered.
    private(set) var since: BootInstant?

    mutating func begin(at now: BootInstant) {
        waiting += 1
        since = since ?? now
    }

    /// A call ended, by an answer unless the failure shows that there was none.
    mutating func end(_ failure: Failure?, at now: BootInstant) {
        waiting -= 1
        guard let failure, failure.isWithoutAnswer else { return noteAnswer(at: now) }
        // Of any reason: a vault that hangs while it is connected to is silent, too.
        if failure.code == .deadlineExceeded { isProven = true }
        if waiting == 0 && !isProven { since = nil }
    }

    /// The vault has answered something.
    mutating func noteAnswer(at now: BootInstant) {
        isProven = false
        since = waiting > 0 ? now : nil
    }
}

extension Failure {
    /// It came from this side: time ran out, the caller left, or nothing was sent.
    fileprivate var isWithoutAnswer: Bool { reason == .deadline || reason == .cancelled || isUnsent }

    /// Of a vault that Health does not wait for any longer.
    static func silent(vault: String, milliseconds: UInt64) -> Failure {
        let time = milliseconds < 1_000 ? "\(milliseconds)ms" : "\(milliseconds / 1_000)s"
        return Failure(
            .deadlineExceeded, .deadline,
            "the vault has not answered for \(time); check that it runs and is not overloaded", vault: vault,
            retryable: true)
    }
}
