/// Reads what the kernel says of a process's control group, and which unit of the system's service manager that is.
///
/// By bytes: to Swift's characters, an accent behind a slash makes it another letter, and users name groups of theirs.
package enum ControlGroup {
    private static let slash = UInt8(ascii: "/")
    private static let unitTypes = ["service", "scope", "socket", "mount", "swap"]

    /// The path in the content of `/proc/PID/cgroup`, of the hierarchy that the service manager keeps: the one named
    /// `systemd` where there is one, else the unified one.
    ///
    /// - Returns: nil if neither is there, the group has been removed, or it lies outside of what this process sees.
    package static func path(inFile text: String) -> String? {
        var unified: Substring.UTF8View?
        var named: Substring.UTF8View?
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            // ID:CONTROLLERS:PATH, and a path may have colons.
            let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            if fields[1].elementsEqual("name=systemd".utf8) { named = fields[2] }
            if fields[0].elementsEqual("0".utf8) && fields[1].isEmpty { unified = fields[2] }
        }
        guard let path = named ?? unified, path.first == slash, !path.reversed().starts(with: " (deleted)".utf8.reversed()),
            !path.split(separator: slash).contains(where: { $0.elementsEqual("..".utf8) })
        else { return nil }
        return String(Substring(path))
    }

    /// The unit of the system's manager that a group belongs to; nil for one of no unit.
    ///
    /// The first part of the path that is no slice, as the manager itself reads it. What follows is the unit's own to
    /// name: all units of a user's manager are in `user@1000.service`, whatever they call themselves.
    package static func unit(ofPath path: String) -> String? {
        let parts = path.utf8.split(separator: slash)
        guard let part = parts.first(where: { !$0.reversed().starts(with: ".slice".utf8.reversed()) }) else { return nil }
        // The manager escapes names that the kernel has taken.
        let name = part.first == UInt8(ascii: "_") ? part.dropFirst() : part
        guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > name.startIndex else { return nil }
        let type = name[name.index(after: dot)...]
        return unitTypes.contains { type.elementsEqual($0.utf8) } ? String(Substring(name)) : nil
    }

    /// Between the first `@` and the last dot of a unit's name, as it is written there; nil if there is none, or it is empty.
    package static func instance(ofUnit unit: String) -> String? {
        let name = unit.utf8
        guard let at = name.firstIndex(of: UInt8(ascii: "@")), let dot = name.lastIndex(of: UInt8(ascii: ".")), at < dot else {
            return nil
        }
        let instance = name[name.index(after: at)..<dot]
        return instance.isEmpty ? nil : String(Substring(instance))
    }

    /// Whether `path` is `group`, or lies below it.
    ///
    /// - Parameter group: without a slash at the end, unless it is the root.
    package static func contains(_ group: String, _ path: String) -> Bool {
        let (group, path) = (group.utf8, path.utf8)
        guard path.starts(with: group) else { return false }
        return group.count == path.count || group.last == slash || path.dropFirst(group.count).first == slash
    }
}
