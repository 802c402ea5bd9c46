/// Who asks, as far as that was proven when its connection was accepted.
package struct Caller: Hashable, Sendable {
    /// A program, by the file that it was started from.
    package struct Executable: Hashable, Sendable {
        package let path: String
        /// SHA-256 of the file, 32 bytes.
        package let digest: Evidence<[UInt8]>

        package init(path: String, digest: Evidence<[UInt8]> = .unproven) {
            self.path = path
            self.digest = digest
        }
    }

    package let uid: UInt32
    /// The effective group.
    package let gid: UInt32
    /// The supplementary groups.
    package var groups: Evidence<[UInt32]>
    /// The first name that the user database has for the uid.
    package var userName: Evidence<String>
    /// The unit of the system's service manager: `mail.service`.
    package var unit: Evidence<String>
    /// The path of the control group, from the root of the hierarchy: `/system.slice/mail.service`.
    package var cgroup: Evidence<String>
    package var executable: Evidence<Executable>

    package init(
        uid: UInt32, gid: UInt32, groups: Evidence<[UInt32]> = .unproven, userName: Evidence<String> = .unproven,
        unit: Evidence<String> = .unproven, cgroup: Evidence<String> = .unproven,
        executable: Evidence<Executable> = .unproven
    ) {
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.userName = userName
        self.unit = unit
        self.cgroup = cgroup
        self.executable = executable
    }

    /// What stands in a pattern for this caller's own.
    ///
    /// - Returns: UTF-8, never empty; nil if the caller has none, or it is not proven.
    package func value(of variable: CallerVariable) -> [UInt8]? {
        let text: String? =
            switch variable {
            case .user: userName.value
            case .uid: String(uid)
            case .instance: unit.value.flatMap(ControlGroup.instance(ofUnit:))
            }
        guard let text, !text.isEmpty else { return nil }
        return Array(text.utf8)
    }
}

/// What a pattern can name of the caller.
package enum CallerVariable: String, CaseIterable, Sendable {
    /// The name of its user.
    case user = "caller.user"
    /// The number of its user, in decimal.
    case uid = "caller.uid"
    /// What stands between `@` and the last dot of its unit's name: `alice` in `worker@alice.service`.
    case instance = "caller.instance"
}
