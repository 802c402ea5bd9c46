/// What a caller wants to do.
package enum Verb: UInt8, CaseIterable, Sendable {
    /// About records. GetMany asks for ``get`` with each of its keys.
    case get, store, delete, list, invalidate
    /// About the daemon.
    case health, stats, doctor

    /// Whether keys say where it is allowed.
    package var isAboutRecords: Bool { rawValue <= Self.invalidate.rawValue }

    /// As a policy has it.
    package var name: String { "\(self)" }
}

/// Some verbs.
package struct VerbSet: OptionSet, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    @inline(__always)
    package init(_ verb: Verb) { rawValue = 1 &<< UInt16(verb.rawValue) }

    package static let all = VerbSet(Verb.allCases)
    /// Those that are about records.
    package static let aboutRecords = VerbSet(Verb.allCases.filter(\.isAboutRecords))

    package init(_ verbs: [Verb]) { self = verbs.reduce(into: []) { $0.formUnion(VerbSet($1)) } }

    /// Whether `verb` is one of them.
    @inline(__always)
    package func contains(_ verb: Verb) -> Bool { rawValue & 1 &<< UInt16(verb.rawValue) != 0 }

    /// In the order of their declaration.
    package var verbs: [Verb] { Verb.allCases.filter { contains($0) } }
}
