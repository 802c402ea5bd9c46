import CofferAccess

/// What is known of a connection's caller.
struct Identity {
    private(set) var caller: Caller
    /// What was looked for, whether or not it was found.
    private var known: EvidenceKinds = []
    /// Its program was to be read, whether or not it could be.
    private var wasProgramRead = false

    /// By the kernel's word alone.
    init(_ peer: Peer) { caller = Caller(uid: peer.uid, gid: peer.gid) }

    /// What a policy asks about and was not looked for yet.
    func missing(for policy: CompiledPolicy) -> EvidenceKinds {
        var missing = policy.evidence.subtracting(known)
        // Only programs that the policy then in force named were read.
        if known.contains(.digest), !wasProgramRead, needsDigest(policy.policy) { missing.formUnion([.executable, .digest]) }
        return missing
    }

    mutating func add(groups: Evidence<[UInt32]>) {
        caller.groups = groups
        known.insert(.groups)
    }

    /// - Parameters:
    ///   - found: this caller, with what was found.
    ///   - kinds: what was looked for.
    ///   - policy: as the question had it.
    mutating func add(_ found: Caller, _ kinds: EvidenceKinds, by policy: Policy) {
        caller = found
        known.formUnion(kinds)
        if kinds.contains(.digest), needsDigest(policy) { wasProgramRead = true }
    }

    private func needsDigest(_ policy: Policy) -> Bool {
        guard policy.evidence.contains(.digest), case .proven(let program) = caller.executable else { return false }
        return policy.needsDigest(ofPath: program.path)
    }
}
