import CofferAccess
import CofferCore
import CofferYAML

/// Which records a rule is about, and how much it allows.
extension PolicyReader {
    private static let ids = ["user_id", "connection_id"]
    private static let maximumKeys = 1_024

    // MARK: Keys

    mutating func keys(_ fields: RuleFields, _ verbs: VerbSet) -> [KeyRange] {
        let isAboutRecords = !verbs.isDisjoint(with: .aboutRecords)
        guard let node = fields.values[.keys] else {
            if isAboutRecords { note(fields.node, "keys is missing: \(RuleFields.Name.keys.meaning)") }
            return []
        }
        if !isAboutRecords && !verbs.isEmpty {
            note(node, "keys: none of the rule's verbs is about records; remove keys, or add a verb such as get")
        }
        let keys = elements(node).flatMap { self.keys($0) }
        if keys.isEmpty && elements(node).isEmpty { note(node, "keys: expected at least one \(Self.example)") }
        if keys.count > Self.maximumKeys {
            note(node, "keys: expected at most \(Self.maximumKeys), each pair of ids counted, got \(keys.count)")
        }
        return keys
    }

    private static let example = "{user_id: PATTERN, connection_id: PATTERN}"

    /// One for each user's pattern with each of the connection's.
    private mutating func keys(_ node: YAMLNode) -> [KeyRange] {
        guard let mapping = node.mapping else {
            note(node, "keys: expected \(Self.example)")
            return []
        }
        for pair in mapping where !Self.ids.contains(pair.key.scalar ?? "") {
            note(pair.key, Self.unknown(pair.key.scalar, among: Self.ids))
        }
        let users = patterns("user_id", in: mapping, of: node)
        let connections = patterns("connection_id", in: mapping, of: node)
        guard users.count * connections.count <= Self.maximumKeys else {
            note(node, "keys: expected at most \(Self.maximumKeys) pairs of ids, got \(users.count * connections.count)")
            return []
        }
        return users.flatMap { user in connections.map { KeyRange(user: user, connection: $0) } }
    }

    private mutating func patterns(_ field: String, in mapping: [YAMLNode.Pair], of node: YAMLNode) -> [PolicyPattern] {
        guard let value = mapping.first(where: { $0.key.scalar == field })?.value, !value.isNull else {
            note(node, "\(field) is missing; write \(field): '*' for all of them")
            return []
        }
        if elements(value).isEmpty { note(value, "\(field): expected a pattern, or a list of several") }
        return elements(value).map { pattern($0, field, hasVariables: true) }
    }

    // MARK: Limits

    mutating func limits(_ fields: RuleFields, isDeny: Bool) -> GrantLimits {
        if isDeny {
            for field in [RuleFields.Name.rate, .burst, .inFlight] {
                if let node = fields.values[field] { note(node, "\(field.rawValue): only rules that allow something have limits; remove it") }
            }
            return .none
        }
        var limits = GrantLimits()
        let burst = fields.values[.burst].flatMap { count($0, "burst", upTo: RateLimit.maximumCount) }
        if let node = fields.values[.rate] { limits.rate = rate(node, burst) }
        if let node = fields.values[.burst], fields.values[.rate] == nil { note(node, "burst: expected rate beside it") }
        limits.inFlight = fields.values[.inFlight].flatMap { count($0, "in_flight", upTo: 65_536) }
        return limits
    }

    private mutating func count(_ node: YAMLNode, _ field: String, upTo limit: Int) -> Int? {
        guard let text = node.scalar, let count = Self.number(text), (1...limit).contains(count) else {
            note(node, "\(field): expected a whole number from 1 to \(limit)")
            return nil
        }
        return count
    }

    private mutating func rate(_ node: YAMLNode, _ burst: Int?) -> RateLimit? {
        let parts = (node.scalar ?? "").split(separator: "/", omittingEmptySubsequences: false)
        let period = parts.count == 2 ? RateLimit.Period.allCases.first { $0.letter == parts[1] } : nil
        guard let period, let count = Self.number(String(parts[0])), (1...RateLimit.maximumCount).contains(count) else {
            note(node, "rate: expected a whole number from 1 to \(RateLimit.maximumCount) and a period, such as 100/s, 600/m or 1000/h")
            return nil
        }
        return RateLimit(count, per: period, burst: burst)
    }

    /// Digits alone.
    private static func number(_ text: String) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }
}
