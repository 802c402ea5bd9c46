package import CofferCore
import CofferMessages

/// One step of the examination of a vault.
package struct DoctorStep: Sendable {
    /// By number as in `coffer.v1.DoctorStep.Action`.
    package enum Action: Int32, Sendable {
        case store = 1
        case get = 2
        /// What was read with what was stored.
        case compare = 3
        case delete = 4
    }

    /// How it ended.
    package enum Outcome: Equatable, Sendable {
        case done
        /// Not tried, as a step before failed.
        case skipped
        case failed(Failure)
    }

    package let action: Action
    package let outcome: Outcome
    package let durationMicroseconds: UInt64
    /// What to check, in words; empty = nothing.
    package let advice: String

    package init(_ action: Action, _ outcome: Outcome, durationMicroseconds: UInt64 = 0, advice: String = "") {
        self.action = action
        self.outcome = outcome
        self.durationMicroseconds = durationMicroseconds
        self.advice = advice
    }
}

/// What the examination of one vault found.
package struct VaultExamination: Sendable {
    package let name: String
    package let kind: String
    package let steps: [DoctorStep]

    package init(name: String, kind: String, steps: [DoctorStep]) {
        self.name = name
        self.kind = kind
        self.steps = steps
    }
}

extension ReplyMessages {
    /// - Parameter examinations: in the order of the configuration.
    package static func doctorResponse(_ examinations: [VaultExamination]) -> Secret {
        let builder = MessageBuilder()
        let message = builder.message(
            Coffer__V1__DoctorResponse.self, coffer__v1__doctor_response__init)
        let vaults = examinations.map { examination in
            let vault = builder.message(
                Coffer__V1__VaultExamination.self, coffer__v1__vault_examination__init)
            vault.pointee.name = builder.string(examination.name)
            vault.pointee.kind = builder.string(examination.kind)
            let steps = examination.steps.map { step(builder, $0) }
            vault.pointee.n_steps = steps.count
            vault.pointee.steps = builder.pointers(steps)
            return vault
        }
        message.pointee.n_vaults = vaults.count
        message.pointee.vaults = builder.pointers(vaults)
        return builder.pack(message)
    }

    private static func step(
        _ builder: MessageBuilder, _ step: DoctorStep
    ) -> UnsafeMutablePointer<Coffer__V1__DoctorStep> {
        let message = builder.message(Coffer__V1__DoctorStep.self, coffer__v1__doctor_step__init)
        message.pointee.action = Coffer__V1__DoctorStep__Action(UInt32(step.action.rawValue))
        message.pointee.duration_us = step.durationMicroseconds
        message.pointee.advice = builder.string(step.advice)
        switch step.outcome {
        case .done: break
        case .skipped: message.pointee.skipped = 1
        case .failed(let reason):
            message.pointee.status = reason.code.rawValue
            message.pointee.failure = failure(builder, reason)
        }
        return message
    }
}
