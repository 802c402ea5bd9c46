/// Describes callers: each condition that is there holds, and of what it lists one thing does. Without conditions, everybody.
package struct Selector: Hashable, Sendable {
    /// A user or group.
    package struct Principal: Hashable, Sendable {
        package let id: UInt32
        /// As it was written.
        package let name: String

        package init(id: UInt32, name: String) {
            self.id = id
            self.name = name
        }
    }

    /// What a condition is about.
    package enum Condition: String, CaseIterable, Sendable {
        case user, group, unit, cgroup, executable, sha256
    }

    package var users: [Principal]?
    /// The effective group, or one of the supplementary ones.
    package var groups: [Principal]?
    /// Of the system's service manager; without variables.
    package var units: [PolicyPattern]?
    /// Each with all groups below it.
    package var cgroups: [String]?
    /// Paths; without variables.
    package var executables: [PolicyPattern]?
    /// SHA-256 of the program's file, 32 bytes.
    package var digests: [[UInt8]]?

    package init(
        users: [Principal]? = nil, groups: [Principal]? = nil, units: [PolicyPattern]? = nil, cgroups: [String]? = nil,
        executables: [PolicyPattern]? = nil, digests: [[UInt8]]? = nil
    ) {
        self.users = users
        self.groups = groups
        self.units = units
        self.cgroups = cgroups
        self.executables = executables
        self.digests = digests
    }

    package static let anyone = Selector()

    package var isAnyone: Bool { self == .anyone }

    /// What has to be found out of a caller, beside its uid and effective group.
    package var evidence: EvidenceKinds {
        var kinds: EvidenceKinds = []
        if groups != nil { kinds.insert(.groups) }
        if units != nil || cgroups != nil { kinds.insert(.cgroup) }
        if executables != nil || digests != nil { kinds.insert(.executable) }
        if digests != nil { kinds.insert(.digest) }
        return kinds
    }

    /// How well a caller meets one condition; ``Truth/yes`` for one that is not there.
    package func truth(of condition: Condition, for caller: Caller) -> Truth {
        switch condition {
        case .user: users.map { $0.contains { $0.id == caller.uid } ? .yes : .no } ?? .yes
        case .group: groups.map { Self.isMember($0, caller) } ?? .yes
        case .unit: units.map { units in caller.unit.meets { unit in units.contains { $0.matches(unit) } } } ?? .yes
        case .cgroup:
            cgroups.map { groups in caller.cgroup.meets { path in groups.contains { ControlGroup.contains($0, path) } } } ?? .yes
        case .executable:
            executables.map { paths in caller.executable.meets { program in paths.contains { $0.matches(program.path) } } } ?? .yes
        case .sha256: digests.map { Self.isOne(of: $0, caller.executable) } ?? .yes
        }
    }

    private static func isMember(_ groups: [Principal], _ caller: Caller) -> Truth {
        if groups.contains(where: { $0.id == caller.gid }) { return .yes }
        return caller.groups.meets { members in groups.contains { members.contains($0.id) } }
    }

    private static func isOne(of digests: [[UInt8]], _ program: Evidence<Caller.Executable>) -> Truth {
        switch program {
        case .proven(let program): program.digest.meets { digests.contains($0) }
        case .absent: .no
        case .unproven: .unknown
        }
    }

    /// How well a caller fits: as its worst condition.
    package func truth(for caller: Caller) -> Truth { worst(for: caller).truth }

    /// The condition that a caller meets least, the first of several; nil if it meets all.
    package func worst(for caller: Caller) -> (truth: Truth, condition: Condition?) {
        Condition.allCases.reduce((.yes, nil)) { worst, condition in
            let truth = truth(of: condition, for: caller)
            return truth < worst.truth ? (truth, condition) : worst
        }
    }

    /// Whether everybody whom `other` describes is described by this one. False also for some where only the host could tell.
    package func covers(_ other: Self) -> Bool {
        Self.covers(users, other.users) { $0.id == $1.id } && Self.covers(groups, other.groups) { $0.id == $1.id }
            && Self.covers(units, other.units) { $0.covers($1) } && Self.covers(cgroups, other.cgroups, ControlGroup.contains)
            && Self.covers(executables, other.executables) { $0.covers($1) } && Self.covers(digests, other.digests, ==)
    }

    private static func covers<Value>(_ wide: [Value]?, _ narrow: [Value]?, _ one: (Value, Value) -> Bool) -> Bool {
        guard let wide else { return true }
        return narrow?.allSatisfy { value in wide.contains { one($0, value) } } ?? false
    }
}

extension [Selector] {
    /// How well a caller fits what fits best.
    package func truth(for caller: Caller) -> Truth { map { $0.truth(for: caller) }.max() ?? .no }

    /// Whether everybody whom `other` describes is described here, each by a single one.
    package func covers(_ other: Self) -> Bool { other.allSatisfy { narrow in contains { $0.covers(narrow) } } }
}
