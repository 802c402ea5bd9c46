import CofferAccess
import CofferCore
import CofferProcess
import CofferYAML

/// Who a rule is about.
extension PolicyReader {
    private static let anyone = "anyone"
    private static let maximumDescriptions = 256
    private static let conditions = Selector.Condition.allCases.map(\.rawValue)
    private static let unitTypes = [".service", ".scope", ".socket", ".mount", ".swap"]

    mutating func selectors(_ node: YAMLNode) -> [Selector] {
        if node.scalar == Self.anyone { return [.anyone] }
        let list = elements(node)
        guard (1...Self.maximumDescriptions).contains(list.count) else {
            note(node, "who: expected 1 to \(Self.maximumDescriptions) descriptions of callers, got \(list.count)")
            return []
        }
        return list.map { selector($0) }
    }

    private mutating func selector(_ node: YAMLNode) -> Selector {
        var selector = Selector()
        guard let mapping = node.mapping, !mapping.isEmpty else {
            note(node, "who: expected a mapping with \(Self.conditions.joined(separator: ", ")), or \(Self.anyone)")
            return selector
        }
        for pair in mapping {
            guard let condition = pair.key.scalar.flatMap(Selector.Condition.init) else {
                note(pair.key, Self.unknown(pair.key.scalar, among: Self.conditions))
                continue
            }
            // A condition that is left empty would be none, and a rule without it is about more callers.
            guard !pair.value.isNull, !elements(pair.value).isEmpty else {
                note(pair.value, "\(condition.rawValue): expected a value, or a list of several")
                continue
            }
            set(condition, elements(pair.value), in: &selector)
        }
        if selector.digests != nil && selector.executables == nil {
            note(node, "sha256: expected executable beside it, the path of the program")
        }
        return selector
    }

    private mutating func set(_ condition: Selector.Condition, _ values: [YAMLNode], in selector: inout Selector) {
        switch condition {
        case .user: selector.users = values.map { principal($0, "user", host.uid, overflow: host.overflow.uid) }
        case .group: selector.groups = values.map { principal($0, "group", host.gid, overflow: host.overflow.gid) }
        case .unit: selector.units = values.map { unit($0) }
        case .cgroup: selector.cgroups = values.map { cgroup($0) }
        case .executable: selector.executables = values.map { executable($0) }
        case .sha256: selector.digests = values.map { digest($0) }
        }
    }

    private mutating func principal(
        _ node: YAMLNode, _ kind: String, _ look: (String) -> UInt32?, overflow: UInt32?
    ) -> Selector.Principal {
        let name = node.scalar ?? ""
        let isNumber = !name.isEmpty && name.utf8.allSatisfy { (0x30...0x39).contains($0) }
        // The largest number stands for no user or group at all.
        let id = isNumber ? UInt32(name).flatMap { $0 == .max ? nil : $0 } : name.isEmpty ? nil : look(name)
        if id == nil {
            let problem = isNumber || name.isEmpty ? "expected a name or a number from 0 to \(UInt32.max - 1)" : "there is no \(kind) \(Spelling.shown(name)) on this host"
            note(node, "\(kind): \(problem)")
        } else if id == overflow {
            note(node, "\(kind): whoever has no number of its own here looks like \(id ?? 0), so it describes nobody; name another \(kind)")
        }
        return Selector.Principal(id: id ?? 0, name: name)
    }

    private mutating func unit(_ node: YAMLNode) -> PolicyPattern {
        let pattern = pattern(node, "unit", hasVariables: false)
        let name = node.scalar ?? ""
        if !pattern.isAny, !name.hasSuffix("*"), !Self.isUnit(name) {
            note(node, "unit: expected the whole name of a unit, such as mail.service")
        }
        return pattern
    }

    /// Whether this can be a unit's whole name.
    static func isUnit(_ name: String) -> Bool { unitTypes.contains { name.hasSuffix($0) && name.utf8.count > $0.utf8.count } }

    private mutating func executable(_ node: YAMLNode) -> PolicyPattern {
        let pattern = pattern(node, "executable", hasVariables: false)
        if !(node.scalar ?? "/").hasPrefix("/") { note(node, "executable: expected a path from the root, such as /usr/bin/mail-sync") }
        return pattern
    }

    private mutating func cgroup(_ node: YAMLNode) -> String {
        let path = node.scalar ?? ""
        guard Self.isControlGroup(path) else {
            note(node, "cgroup: \(Self.expectedControlGroup)")
            return "/"
        }
        return path
    }

    static let expectedControlGroup =
        "expected a path from the root of the hierarchy without a slash at the end, such as /system.slice/mail.service"

    /// Whether this can be the path of a control group.
    static func isControlGroup(_ path: String) -> Bool {
        let parts = path.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { String(Substring($0)) }
        let isWhole = path == "/" || parts.allSatisfy { !["", ".", ".."].contains($0) }
        return path.utf8.first == UInt8(ascii: "/") && isWhole && path.utf8.count <= 4_096 && !path.utf8.containsControlCharacter
    }

    private mutating func digest(_ node: YAMLNode) -> [UInt8] {
        let bytes = Hex.bytes((node.scalar ?? "").utf8)
        guard let bytes, bytes.count == 32 else {
            note(node, "sha256: expected 64 lower-case hexadecimal digits, as sha256sum prints them")
            return []
        }
        return bytes
    }

    /// - Returns: a pattern in place of one that is wrong.
    mutating func pattern(_ node: YAMLNode, _ field: String, hasVariables: Bool) -> PolicyPattern {
        guard let text = node.scalar, !node.isNull else {
            note(node, "\(field): expected a pattern; * stands for any text")
            return .any
        }
        do throws(PolicyPatternError) {
            return try PolicyPattern(text, hasVariables: hasVariables)
        } catch {
            note(node, "\(field): \(error)")
            return .any
        }
    }
}
