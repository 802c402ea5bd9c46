import CofferAccess
import CofferProcess
import CofferYAML

/// Makes a policy of a YAML tree, and notes what is wrong with it.
struct PolicyReader {
    static let emptyPolicy = "expected a mapping with the lists allow and deny, got nothing; write allow: [] if nobody is to do anything"
    private static let sections = ["allow", "deny"]
    /// Characters of a rule's name.
    private static let nameBytes = 1...64

    let host: HostNames
    private(set) var mistakes: [PolicyMistake] = []
    /// Where each name of a rule came first.
    private var names: [String: YAMLMark] = [:]

    init(_ host: HostNames) { self.host = host }

    mutating func note(_ node: YAMLNode, _ message: String) { mistakes.append(PolicyMistake(node.mark, message)) }

    mutating func policy(_ node: YAMLNode) -> Policy {
        var policy = Policy()
        guard !node.isNull, let mapping = node.mapping, !mapping.isEmpty else {
            note(node, node.isNull || node.mapping != nil ? Self.emptyPolicy : "expected a mapping with the lists allow and deny")
            return policy
        }
        for pair in mapping {
            switch pair.key.scalar {
            case "allow": policy.allow = rules(pair.value, isDeny: false)
            case "deny": policy.deny = rules(pair.value, isDeny: true)
            default: note(pair.key, Self.unknown(pair.key.scalar, among: Self.sections))
            }
        }
        let isComplete = mapping.contains { Spelling.nearest(to: $0.key.scalar ?? "", among: Self.sections) == "allow" }
        if !isComplete { note(node, "allow is missing: nobody may do anything then; write allow: [] if that is meant") }
        count(policy, node)
        return policy
    }

    private mutating func count(_ policy: Policy, _ node: YAMLNode) {
        let rules = policy.allow + policy.deny
        if rules.count > Policy.maximumRules { note(node, "expected at most \(Policy.maximumRules) rules, got \(rules.count)") }
        let keys = rules.reduce(0) { $0 + $1.keys.count }
        if keys > Policy.maximumKeys {
            note(node, "expected at most \(Policy.maximumKeys) keys in all, each pair of ids counted, got \(keys)")
        }
    }

    private mutating func rules(_ node: YAMLNode, isDeny: Bool) -> [PolicyRule] {
        guard let list = node.sequence else {
            note(node, "expected a list of rules; write [] for none")
            return []
        }
        return list.compactMap { rule($0, isDeny: isDeny) }
    }

    /// - Returns: nil if it could not be read.
    private mutating func rule(_ node: YAMLNode, isDeny: Bool) -> PolicyRule? {
        guard let mapping = node.mapping else {
            note(node, "expected a rule, a mapping with name, who, verbs and keys")
            return nil
        }
        let before = mistakes.count
        var fields = RuleFields(node: node)
        for pair in mapping {
            guard let field = pair.key.scalar.flatMap(RuleFields.Name.init) else {
                note(pair.key, Self.unknown(pair.key.scalar, among: RuleFields.Name.allCases.map(\.rawValue)))
                continue
            }
            if !pair.value.isNull { fields.values[field] = pair.value }
        }
        for field in [RuleFields.Name.name, .who, .verbs] where fields.values[field] == nil {
            note(node, "\(field.rawValue) is missing: \(field.meaning)")
        }
        let name = name(fields)
        let who = fields.values[.who].map { selectors($0) } ?? []
        let verbs = fields.values[.verbs].map { self.verbs($0) } ?? []
        let keys = keys(fields, verbs)
        let limits = limits(fields, isDeny: isDeny)
        guard mistakes.count == before else { return nil }
        return PolicyRule(name: name, line: node.mark.line, who: who, verbs: verbs, keys: keys, limits: limits)
    }

    private mutating func name(_ fields: RuleFields) -> String {
        guard let node = fields.values[.name] else { return "" }
        let isPlain = node.scalar.map { name in
            Self.nameBytes.contains(name.utf8.count) && name.utf8.allSatisfy { byte in
                (0x61...0x7a).contains(byte | 0x20) || (0x30...0x39).contains(byte) || [0x2d, 0x2e, 0x5f].contains(byte)
            }
        }
        guard let name = node.scalar, isPlain == true else {
            note(node, "name: expected 1 to \(Self.nameBytes.upperBound) letters, digits, -, _ and .")
            return ""
        }
        if let first = names[name] {
            note(node, "name: \(Spelling.shown(name)) is that of the rule at line \(first.line) too; give each rule a name of its own")
        }
        names[name] = names[name] ?? node.mark
        return name
    }

    private mutating func verbs(_ node: YAMLNode) -> VerbSet {
        let names = Verb.allCases.map(\.name)
        var verbs: VerbSet = []
        for element in elements(node) {
            guard let verb = Verb.allCases.first(where: { $0.name == element.scalar }) else {
                note(element, "verbs: \(Self.expected(names, element.scalar))")
                continue
            }
            if verbs.contains(verb) { note(element, "verbs: \(verb.name) appears twice") }
            verbs.formUnion(VerbSet(verb))
        }
        if elements(node).isEmpty { note(node, "verbs: expected at least one of \(names.joined(separator: ", "))") }
        return verbs
    }

    // MARK: For all fields

    /// A list's elements, or the one value that stands in place of a list.
    func elements(_ node: YAMLNode) -> [YAMLNode] { node.sequence ?? [node] }

    static func unknown(_ name: String?, among known: [String]) -> String {
        let name = name ?? ""
        let hint = Spelling.nearest(to: name, among: known).map { "; did you mean \($0)?" }
        return "unknown setting \(Spelling.shown(name))\(hint ?? "; there are \(known.joined(separator: ", "))")"
    }

    static func expected(_ known: [String], _ got: String?) -> String {
        let hint = got.flatMap { Spelling.nearest(to: $0, among: known) }.map { "; did you mean \($0)?" }
        return "expected one of \(known.joined(separator: ", "))\(hint ?? "")"
    }
}

/// What stands in a rule.
struct RuleFields {
    enum Name: String, CaseIterable {
        case name, who, verbs, keys, rate, burst
        case inFlight = "in_flight"

        var meaning: String {
            switch self {
            case .name: "how messages and the audit log call the rule"
            case .who: "the callers that it is about"
            case .verbs: "what it is about: \(Verb.allCases.map(\.name).joined(separator: ", "))"
            case .keys: "the records that it is about, {user_id: PATTERN, connection_id: PATTERN}"
            case .rate, .burst, .inFlight: "a limit"
            }
        }
    }

    let node: YAMLNode
    var values: [Name: YAMLNode] = [:]
}
