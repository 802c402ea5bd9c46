/// What an envelope holds; part of its header and of its context.
package enum RecordType: UInt8, Sendable, CaseIterable {
    case value = 1
    case keyRing = 2
    case manifest = 3
    case auditSeal = 4
    /// A last-known-good copy of what another vault holds.
    case cachedCopy = 5
}
