/// What is known of one property of a caller.
///
/// What could not be found out is kept apart from what is not there: nothing is allowed by it, and whatever is
/// denied by it stays denied.
package enum Evidence<Value: Hashable & Sendable>: Hashable, Sendable {
    case proven(Value)
    /// The caller surely has none: it runs in no unit, or its uid has no name.
    case absent
    /// The kernel did not tell, the caller was gone before it was checked again, or nobody looked.
    case unproven

    /// Whether the property meets a condition.
    package func meets(_ condition: (Value) -> Bool) -> Truth {
        switch self {
        case .proven(let value): condition(value) ? .yes : .no
        case .absent: .no
        case .unproven: .unknown
        }
    }

    package var value: Value? {
        guard case .proven(let value) = self else { return nil }
        return value
    }
}

/// The answer to a question about a caller, in the order of how true it is.
package enum Truth: UInt8, Comparable, Sendable {
    case no, unknown, yes

    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Properties of a caller that a policy asks about and that cost a look-up: what no rule asks about
/// needs none.
package struct EvidenceKinds: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The supplementary groups.
    package static let groups = EvidenceKinds(rawValue: 1)
    /// The name of the uid.
    package static let userName = EvidenceKinds(rawValue: 2)
    /// The control group, and the unit that it belongs to.
    package static let cgroup = EvidenceKinds(rawValue: 4)
    /// The path of the program.
    package static let executable = EvidenceKinds(rawValue: 8)
    /// What is in the program's file, as a SHA-256.
    package static let digest = EvidenceKinds(rawValue: 16)
}
