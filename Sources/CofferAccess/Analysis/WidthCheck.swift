/// Finds what of a rule allows more than its words suggest.
struct WidthCheck {
    let rule: PolicyRule
    let isDeny: Bool

    private static let interpreters = [
        "bash", "bun", "dash", "deno", "java", "node", "perl", "php", "python", "ruby", "sh", "zsh",
    ]

    var findings: [PolicyFinding] {
        guard !isDeny else { return [] }
        return (rule.who.flatMap(ofCallers) + rule.keys.flatMap(ofKey) + ofInstances).map { rule.finding(.wide, $0) }
    }

    // MARK: Who

    private func ofCallers(_ selector: Selector) -> [String] {
        guard !selector.isAnyone else {
            return ["anyone who can connect to the socket is allowed this; name users, groups or units if that is not meant"]
        }
        var findings: [String] = []
        let isProgramAlone = [selector.users, selector.groups].allSatisfy { $0 == nil } && selector.units == nil && selector.cgroups == nil
        if isProgramAlone {
            findings.append(
                "whoever can run this program can make it do something else, by a debugger or LD_PRELOAD; add a condition on user, group or unit")
        }
        if let program = selector.executables?.first(where: Self.isInterpreter) {
            findings.append("\(program.text) runs any script; add a condition on the unit, or give the script a program of its own")
        }
        if selector.units?.contains(where: \.isAny) ?? false {
            findings.append("unit: '*' fits every process that the service manager runs, logins too; name the units")
        }
        if selector.cgroups?.contains("/") ?? false { findings.append("cgroup: / fits every process; name a group below it") }
        return findings
    }

    private static func isInterpreter(_ program: PolicyPattern) -> Bool {
        guard let name = program.text.split(separator: "/").last else { return false }
        return interpreters.contains { interpreter in
            name.hasPrefix(interpreter) && name.dropFirst(interpreter.count).allSatisfy { $0.isNumber || $0 == "." || $0 == "*" }
        }
    }

    /// Any template may have an instance of that name.
    private var ofInstances: [String] {
        let names = rule.keys.contains { ($0.user.variables + $0.connection.variables).contains(.instance) }
        guard names, rule.who.contains(where: { $0.units == nil }) else { return [] }
        return ["${caller.instance} is that of any unit here, such as user@1000.service; add a condition on the unit"]
    }

    // MARK: Which records

    private func ofKey(_ key: KeyRange) -> [String] {
        guard !rule.verbs.isDisjoint(with: .aboutRecords) else { return [] }
        if key.user.isAny {
            guard rule.who.contains(where: Self.isSeveral) else { return [] }
            return ["each of these callers is allowed this with the records of all users; use '${caller.user}' as user_id if each is to have its own"]
        }
        return [key.user, key.connection].compactMap(Self.confusion(in:))
            + (Self.endsInsideAWord(key.user)
                ? ["'\(key.user.text)' also fits longer names that begin like this; end what is before * with a separator if that is not meant"]
                : [])
    }

    /// A variable that nothing separates from the star: what is one caller's is another one's, too, whose name is longer.
    private static func confusion(in pattern: PolicyPattern) -> String? {
        guard pattern.hasStar else { return nil }
        let variable = unseparated(pattern.prefix.reversed()) ?? unseparated(pattern.suffix)
        return variable.map {
            "'\(pattern.text)' also fits ids of others whose names begin or end like the caller's; put \(separators($0)) between the variable and *"
        }
    }

    /// The first variable, unless before it comes what none of its values can have.
    private static func unseparated(_ symbols: some Sequence<PolicyPattern.Symbol>) -> CallerVariable? {
        var before: [UInt8] = []
        for symbol in symbols {
            switch symbol {
            case .byte(let byte): before.append(byte)
            case .variable(let variable): return before.contains { separates($0, variable) } ? nil : variable
            }
        }
        return nil
    }

    private static func separates(_ byte: UInt8, _ variable: CallerVariable) -> Bool {
        switch variable {
        // The user database separates by the one, folders of users by the other.
        case .user: byte == UInt8(ascii: ":") || byte == UInt8(ascii: "/")
        case .uid: !(0x30...0x39).contains(byte)
        // The service manager writes it as a dash.
        case .instance: byte == UInt8(ascii: "/")
        }
    }

    private static func separators(_ variable: CallerVariable) -> String {
        switch variable {
        case .user: ": or /, which no user name has,"
        case .uid: "something that is no digit"
        case .instance: "/, which no unit has,"
        }
    }

    /// Whether it may describe more than one user.
    private static func isSeveral(_ selector: Selector) -> Bool { selector.users.map { Set($0.map(\.id)).count > 1 } ?? true }

    private static func endsInsideAWord(_ pattern: PolicyPattern) -> Bool {
        guard pattern.hasStar, !pattern.hasVariables, pattern.suffix.isEmpty, case .byte(let last) = pattern.prefix.last else { return false }
        return last >= 0x80 || Character(Unicode.Scalar(last)).isLetter || Character(Unicode.Scalar(last)).isNumber
    }
}
