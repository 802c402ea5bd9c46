/// What the daemon found when it stored, read, compared and deleted a test
/// record in one vault.
public struct VaultExamination: Equatable, Sendable {
    /// One step.
    public struct Step: Equatable, Sendable {
        /// What was done, open to actions of later daemons.
        public struct Action: RawRepresentable, Hashable, Sendable {
            /// The number on the wire.
            public let rawValue: Int
            /// Wraps any number.
            public init(rawValue: Int) { self.rawValue = rawValue }

            /// The test record was stored.
            public static let store = Action(rawValue: 1)
            /// It was read, past the cache.
            public static let get = Action(rawValue: 2)
            /// What was read was compared with what was stored.
            public static let compare = Action(rawValue: 3)
            /// It was deleted.
            public static let delete = Action(rawValue: 4)
        }

        /// How a step ended.
        public enum Outcome: Equatable, Sendable {
            /// As it should.
            case done
            /// It was not tried, as a step before it failed.
            case skipped
            /// With this failure.
            case failed(CofferError)
        }

        /// What was done.
        public let action: Action
        /// How it ended.
        public let outcome: Outcome
        /// How long it took.
        public let duration: Duration
        /// What to check, in words; empty if there is nothing.
        public let advice: String
    }

    /// The configured name.
    public let name: String
    /// For instance `embedded`.
    public let kind: String
    /// In the order in which they were done.
    public let steps: [Step]

    /// Why the first step that failed did; nil = the vault does its work.
    public var failure: CofferError? {
        for step in steps {
            if case .failed(let error) = step.outcome { return error }
        }
        return nil
    }
}

extension VaultExamination {
    init(_ examination: Coffer_V1_VaultExamination) {
        self.init(
            name: examination.name, kind: examination.kind, steps: examination.steps.map(Step.init))
    }
}

extension VaultExamination.Step {
    init(_ step: Coffer_V1_DoctorStep) {
        self.init(
            action: Action(rawValue: step.action.rawValue), outcome: Outcome(step),
            duration: .microseconds(clamping: step.durationUs), advice: step.advice)
    }
}

extension VaultExamination.Step.Outcome {
    init(_ step: Coffer_V1_DoctorStep) {
        guard step.status != 0 else {
            self = step.skipped ? .skipped : .done
            return
        }
        self = .failed(
            CofferError(
                CofferError.Code(rawValue: step.status),
                CofferError.Reason(rawValue: step.failure.reason.rawValue), step.failure.message,
                vault: step.failure.vault.isEmpty ? nil : step.failure.vault,
                isRetryable: step.failure.retryable))
    }
}
